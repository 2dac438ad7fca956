"""Ten processes that log into one file: through ringlog, and through Python's own queue, in turns.

The queue is what Python's documentation says: a `QueueHandler` over a `multiprocessing.Queue`, and a listener with a
`RotatingFileHandler`; then the same over a `ringlog.Queue`. Beside them `ringlog.Handler` and `ringlog.install`, and
loguru with `enqueue=True`, if it is installed. Prints lines in a second until the last one is in the file, medians, and
the median ratio.
"""

from __future__ import annotations

import importlib.util
import logging
import logging.handlers
import multiprocessing
import multiprocessing.synchronize
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ringlog

ROUNDS = 7
PROCESSES = 10
LINES = 5_000
FORMAT = "%(asctime)s %(processName)s %(levelname)s %(name)s: %(message)s"
SIZE = 10 * 1024 * 1024


#: Makes a process ready, and returns the call of its log statement.
Ready = Callable[[], Callable[..., object]]


def with_handler(handler: logging.Handler) -> Ready:
    def ready() -> Callable[..., object]:
        log = logging.Logger("shop.orders", logging.INFO)
        log.addHandler(handler)
        return log.info

    return ready


def with_install(handler: ringlog.Handler) -> Ready:
    def ready() -> Callable[..., object]:
        ringlog.install(handler)
        log = logging.getLogger("shop.orders")
        log.setLevel(logging.INFO)
        return log.info

    return ready


def work(ready: Ready, start: multiprocessing.synchronize.Event) -> None:
    call = ready()
    start.wait()
    for number in range(LINES):
        call("order %d at %s %f", number, "XETR", 9.5)


def run(ready: Ready) -> float:
    """Runs the processes, and returns when they began."""
    context = multiprocessing.get_context("fork")
    start = context.Event()
    workers = [context.Process(target=work, args=(ready, start)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    started = time.perf_counter()
    start.set()
    for worker in workers:
        worker.join()
    return started


def by_ring(directory: Path, made_ready: Callable[[ringlog.Handler], Ready]) -> float:
    ring = tempfile.mktemp(dir="/dev/shm")
    config = directory / "ringlog.toml"
    handler = {"class": "logging.handlers.RotatingFileHandler", "filename": str(directory / "app.log")}
    config.write_text(
        ringlog.convert(
            {
                "version": 1,
                "formatters": {"line": {"format": FORMAT}},
                "handlers": {"file": {**handler, "maxBytes": SIZE, "backupCount": 5, "formatter": "line"}},
                "root": {"handlers": ["file"], "level": "NOTSET"},
            }
        )
    )
    try:
        with ringlog.Writer(ring, config=config, create="64MiB", no_exit_notices=False):
            started = run(made_ready(ringlog.Handler(ring)))
        return PROCESSES * LINES / (time.perf_counter() - started)
    finally:
        Path(ring).unlink()


def by_queue(directory: Path, queue: Any) -> float:
    file = logging.handlers.RotatingFileHandler(directory / "app.log", "a", SIZE, 5)
    file.setFormatter(logging.Formatter(FORMAT))
    listener = logging.handlers.QueueListener(queue, file)
    listener.start()
    started = run(with_handler(logging.handlers.QueueHandler(queue)))
    listener.stop()
    taken = time.perf_counter() - started
    file.close()
    return PROCESSES * LINES / taken


def by_loguru(directory: Path) -> float:
    from loguru import logger as guru

    guru.remove()
    context: Any = multiprocessing.get_context("fork")
    form = "{time} {process.name} {level} {name}: {message}"
    guru.add(directory / "app.log", enqueue=True, format=form, rotation=SIZE, retention=5, context=context)

    def ready() -> Callable[..., object]:
        # Its arguments are those of `str.format`.
        return lambda text, *args: guru.info("order {} at {} {:f}", *args)

    started = run(ready)
    # When it returns, the thread that writes has ended.
    guru.remove()
    return PROCESSES * LINES / (time.perf_counter() - started)


def main() -> None:
    kinds: dict[str, Callable[[Path], float]] = {
        "QueueHandler": lambda directory: by_queue(directory, multiprocessing.get_context("fork").Queue(-1)),
        "over ringlog.Queue": lambda directory: by_queue(directory, ringlog.Queue(-1)),
        "ringlog.Handler": lambda directory: by_ring(directory, with_handler),
        "ringlog.install": lambda directory: by_ring(directory, with_install),
    }
    if importlib.util.find_spec("loguru"):
        kinds["loguru enqueue=True"] = by_loguru
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, kind in kinds.items():
            with tempfile.TemporaryDirectory() as directory:
                rates[name].append(kind(Path(directory)))
    for name, measured in rates.items():
        ratio = statistics.median(b / a for a, b in zip(rates["QueueHandler"], measured, strict=True))
        print(f"{name:20} {statistics.median(measured):9,.0f} lines/s, {ratio:.1f} times QueueHandler's")


if __name__ == "__main__":
    main()
