"""Ten processes that log into one file: through `ringlog.Handler`, and through Python's own queue, in turns.

The queue is what Python's documentation says: a `QueueHandler` over a `multiprocessing.Queue`, and a listener with a
`RotatingFileHandler`. Prints lines in a second until the last one is in the file, medians, and the median ratio.
"""

from __future__ import annotations

import logging
import logging.handlers
import multiprocessing
import multiprocessing.synchronize
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ringlog

ROUNDS = 7
PROCESSES = 10
LINES = 5_000
FORMAT = "%(asctime)s %(processName)s %(levelname)s %(name)s: %(message)s"
SIZE = 10 * 1024 * 1024


def work(handler: logging.Handler, start: multiprocessing.synchronize.Event) -> None:
    log = logging.Logger("shop.orders", logging.INFO)
    log.addHandler(handler)
    start.wait()
    for number in range(LINES):
        log.info("order %d at %s %f", number, "XETR", 9.5)


def run(handler: logging.Handler) -> float:
    """Runs the processes, and returns when they began."""
    context = multiprocessing.get_context("fork")
    start = context.Event()
    workers = [context.Process(target=work, args=(handler, start)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    started = time.perf_counter()
    start.set()
    for worker in workers:
        worker.join()
    return started


def by_ring(directory: Path) -> float:
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
            started = run(ringlog.Handler(ring))
        return PROCESSES * LINES / (time.perf_counter() - started)
    finally:
        Path(ring).unlink()


def by_queue(directory: Path) -> float:
    queue: multiprocessing.Queue[logging.LogRecord] = multiprocessing.get_context("fork").Queue(-1)
    file = logging.handlers.RotatingFileHandler(directory / "app.log", "a", SIZE, 5)
    file.setFormatter(logging.Formatter(FORMAT))
    listener = logging.handlers.QueueListener(queue, file)  # type: ignore[arg-type]
    listener.start()
    started = run(logging.handlers.QueueHandler(queue))  # type: ignore[arg-type]
    listener.stop()
    taken = time.perf_counter() - started
    file.close()
    return PROCESSES * LINES / taken


def main() -> None:
    kinds: dict[str, Callable[[Path], float]] = {"QueueHandler": by_queue, "ringlog.Handler": by_ring}
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, kind in kinds.items():
            with tempfile.TemporaryDirectory() as directory:
                rates[name].append(kind(Path(directory)))
    for name, measured in rates.items():
        ratio = statistics.median(b / a for a, b in zip(rates["QueueHandler"], measured, strict=True))
        print(f"{name:16} {statistics.median(measured):9,.0f} lines/s, {ratio:.1f} times QueueHandler's")


if __name__ == "__main__":
    main()
