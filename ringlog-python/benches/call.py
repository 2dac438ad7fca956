"""What a log call costs: with a handler that does nothing, and with `ringlog.Handler`, in turns.

Prints medians in nanoseconds and the median of the ratios.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time

import ringlog

ROUNDS = 15
CALLS = 20_000


class Nothing(logging.Handler):
    """The cheapest handler that there can be."""

    def handle(self, record: logging.LogRecord) -> bool:
        return True


def main() -> None:
    log = logging.Logger("shop.orders", logging.INFO)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        ring = f"{directory}/app"
        with ringlog.Writer(ring, out="/dev/null", create="64MiB"):
            kinds = {"nothing": Nothing(), "ringlog.Handler": ringlog.Handler(ring)}
            times: dict[str, list[float]] = {name: [] for name in kinds}
            for _ in range(ROUNDS):
                for name, handler in kinds.items():
                    log.handlers[:] = [handler]
                    started = time.perf_counter()
                    for number in range(CALLS):
                        log.info("order %d at %s %f", number, "XETR", 9.5)
                    times[name].append((time.perf_counter() - started) / CALLS * 1e9)
                    # The writer catches up, so that no call waits for room.
                    time.sleep(0.1)
    for name, measured in times.items():
        ratio = statistics.median(b / a for a, b in zip(times["nothing"], measured, strict=True))
        print(f"{name:16} {statistics.median(measured):6.0f} ns, {ratio:.2f} times the call without a handler's work")


if __name__ == "__main__":
    main()
