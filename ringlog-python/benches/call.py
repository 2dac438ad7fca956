"""What a log call costs, in turns: with a handler that does nothing, `ringlog.Handler`, and `ringlog.install`.

Also below the logger's level; and with a file of `logging`, picologging and loguru (`enqueue=True`), if they are
installed. Prints medians in nanoseconds and the median of the ratios.
"""

from __future__ import annotations

import importlib.util
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import ringlog

ROUNDS = 15
CALLS = 20_000
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

#: Makes ready what is measured, and returns the call of a log statement with these arguments.
Kind = Callable[[], Callable[..., object]]


class Nothing(logging.Handler):
    """The cheapest handler that there can be."""

    def handle(self, record: logging.LogRecord) -> bool:
        return True


def of_logging(handler: logging.Handler, level: str, is_native: bool) -> Kind:
    log = logging.getLogger("shop.orders")
    log.setLevel(logging.INFO)
    log.propagate = False

    def make() -> Callable[..., object]:
        log.handlers[:] = [handler]
        if is_native:
            ringlog.install(handler)  # type: ignore[arg-type]
        else:
            ringlog.uninstall()
        call: Callable[..., object] = getattr(log, level)
        return call

    return make


def others() -> dict[str, Kind]:
    """What formats and writes in the program, or passes its lines to a thread of it."""
    kinds: dict[str, Kind] = {}
    file = logging.FileHandler("/dev/null")
    file.setFormatter(logging.Formatter(FORMAT))
    kinds["logging.FileHandler"] = of_logging(file, "info", False)
    if importlib.util.find_spec("picologging"):
        import picologging

        pico: Any = picologging.Logger("shop.orders", picologging.INFO)
        to_null = picologging.FileHandler("/dev/null")
        to_null.setFormatter(picologging.Formatter(FORMAT))
        pico.addHandler(to_null)
        kinds["picologging.FileHandler"] = lambda: pico.info
    if importlib.util.find_spec("loguru"):
        from loguru import logger as guru

        guru.remove()
        guru.add("/dev/null", enqueue=True, format="{time} {level} {name}: {message}")
        # Its arguments are those of `str.format`.
        kinds["loguru enqueue=True"] = lambda: lambda text, *args: guru.info("order {} at {} {:f}", *args)
    return kinds


def main() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        ring = f"{directory}/app"
        with ringlog.Writer(ring, out="/dev/null", create="64MiB"):
            nothing, handler = Nothing(), ringlog.Handler(ring)
            kinds = {
                "nothing": of_logging(nothing, "info", False),
                "ringlog.Handler": of_logging(handler, "info", False),
                "ringlog.install": of_logging(handler, "info", True),
                "disabled": of_logging(handler, "debug", False),
                "disabled, install": of_logging(handler, "debug", True),
                **others(),
            }
            times: dict[str, list[float]] = {name: [] for name in kinds}
            for _ in range(ROUNDS):
                for name, make in kinds.items():
                    call = make()
                    started = time.perf_counter()
                    for number in range(CALLS):
                        call("order %d at %s %f", number, "XETR", 9.5)
                    times[name].append((time.perf_counter() - started) / CALLS * 1e9)
                    # The writer catches up, so that no call waits for room.
                    time.sleep(0.1)
    for name, measured in times.items():
        ratio = statistics.median(b / a for a, b in zip(times["nothing"], measured, strict=True))
        print(f"{name:24} {statistics.median(measured):7.0f} ns, {ratio:.2f} times the call without a handler's work")


if __name__ == "__main__":
    main()
