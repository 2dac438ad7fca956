"""Ten processes log into one file, which is rotated meanwhile: what usually takes a queue and a listener."""

import logging
import multiprocessing
import tempfile
from pathlib import Path

import ringlog

LINES = 10_000


def work(file: str, number: int) -> None:
    """One of the processes. It may be started in any way; the name of the file is all that it needs."""
    ringlog.basicConfig(
        filename=file,
        level=logging.INFO,
        format="%(asctime)s %(processName)s %(levelname)s %(name)s: %(message)s",
        maxBytes=4_000_000,
        backupCount=5,
    )
    log = logging.getLogger(f"shop.worker{number}")
    for order in range(LINES):
        log.info("order %d filled at %.2f", order, order * 0.25)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = str(Path(directory, "shop.log"))
        processes = [multiprocessing.Process(target=work, args=(file, number)) for number in range(10)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        total = 0
        for name in ["shop.log", *(f"shop.log.{closed}" for closed in range(1, 6))]:
            path = Path(directory, name)
            if path.exists():
                lines = path.read_text("utf-8").splitlines()
                total += len(lines)
                print(f"{name}: {len(lines):,} lines, the last one: {lines[-1] if lines else ''}")
        print(f"{total:,} lines of 10 processes, {10 * LINES - total:,} missing")


if __name__ == "__main__":
    main()
