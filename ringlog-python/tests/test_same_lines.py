"""The lines that the writer makes are Python's own, byte for byte."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from conftest import Place

import ringlog

#: All that Python's formatters can name.
ALL = (
    "%(asctime)s|%(name)s|%(levelno)s|%(levelname)-8s|%(pathname)s|%(filename)s|%(module)s|%(funcName)s|%(lineno)d|"
    "%(created)f|%(msecs)03d|%(msecs)f|%(relativeCreated)f|%(thread)d|%(threadName)s|%(process)d|%(processName)s|"
    "%(message)s"
)
if sys.version_info >= (3, 12):
    ALL += "|%(taskName)s"

FORMATS: list[dict[str, Any]] = [
    {"format": ALL},
    {"format": "%(asctime)s - %(name)s - %(levelname)s - %(message)s", "datefmt": "%d.%m.%Y %H:%M:%S"},
    {"format": "{asctime} {levelname:>8} {threadName} {message}", "style": "{"},
    {"format": "$asctime $levelname $message", "style": "$"},
    {"format": "%(levelname)s:%(name)s:%(message)s"},
    {"format": "%(taskName)s %(message)s"} if sys.version_info >= (3, 12) else {"format": "%(message)s"},
]

#: Logs through both handlers whatever a program can say.
PROGRAM = """
    import asyncio, json, logging, multiprocessing, ringlog, sys, threading

    ring, file, formatter = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    logging.addLevelName(35, "NOTICE")
    root = logging.getLogger()
    root.setLevel(1)
    plain = logging.FileHandler(file, encoding="utf-8")
    plain.setFormatter(
        logging.Formatter(formatter["format"], formatter.get("datefmt"), formatter.get("style", "%"))
    )
    root.addHandler(plain)
    root.addHandler(ringlog.Handler(ring))
    log = logging.getLogger("shop.orders")


    class Named:
        def __repr__(self):
            return "<Named>"


    def all_kinds():
        log.info("x %s %r %5.2f %x %o %-5d| %+d %i %e %g %%", 1, "q", 2.5, 255, 8, 7, 5, True, 1e10, 1e16)
        for level in (1, 5, 10, 20, 30, 35, 36, 40, 50, 255, 1000):
            log.log(level, "level %d", level)
        log.warning("several\\nlines\\tand tabs ü € \\U0001f600")
        log.info("extra", extra={"user": "x"})
        log.info("")
        log.info(None)
        log.info(["a", "list"])
        log.info(12)
        log.info("100%")
        log.info("by name: %(a)s %(b)r", {"a": 1, "b": Named()})
        log.info("%s", {"only": "a dict"})
        log.info("%s", (1, 2))
        log.info("%s %s", None, False)
        log.info("x" * 5000)
        log.info("ends with a newline\\n")


    def exceptions():
        try:
            try:
                {}["k"]
            except KeyError as error:
                raise ValueError("bad") from error
        except ValueError:
            log.exception("failed %d", 3)
            log.error("ends with a newline\\n", exc_info=True)
        log.error("a made one", exc_info=ValueError("z"))
        log.error("none", exc_info=(None, None, None))
        log.error("with the stack", stack_info=True)


    all_kinds()
    exceptions()
    thread = threading.Thread(target=all_kinds, name="worker ü")
    thread.start()
    thread.join()


    async def task():
        log.info("in a task")


    asyncio.run(task())
    logging.info("by the module's function")
    log.handle(logging.makeLogRecord({"msg": "made", "levelno": 20, "levelname": "X", "name": "m"}))
    child = multiprocessing.get_context("fork").Process(target=log.info, args=("in a child",), name="Fetcher")
    child.start()
    child.join()
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if "(thread)" not in formatter["format"]:
        log.info("without threads and processes")
"""


@pytest.mark.parametrize("formatter", FORMATS, ids=range(len(FORMATS)))
def test_lines_of_one_process_are_pythons_own(place: Place, formatter: dict[str, Any]) -> None:
    plain, ours = place.files / "plain.log", place.files / "ours.log"
    place.python(PROGRAM, place.ring, str(plain), json.dumps(formatter))
    config = {
        "version": 1,
        "formatters": {"f": formatter},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(ours), "formatter": "f"}},
        "root": {"level": "NOTSET", "handlers": ["file"]},
    }
    write_with(place, config)
    assert ours.read_text("utf-8") == plain.read_text("utf-8")


def write_with(place: Place, config: dict[str, Any]) -> None:
    """Writes what is in the ring by this configuration."""
    file = place.files / "ringlog.toml"
    file.write_text("exit-notices = false\n" + ringlog.convert(config), "utf-8")
    with ringlog.Writer(place.ring, config=file, create=None, until_idle=True) as writer:
        writer.wait(60)


def test_lines_of_processes_keep_each_threads_order(place: Place) -> None:
    program = """
        import logging, multiprocessing, ringlog, sys, threading

        def work(number):
            log = logging.getLogger("w")
            for line in range(500):
                log.info("%d/%s/%d", number, threading.current_thread().name, line)

        def process(ring, number):
            logging.basicConfig(level=20, handlers=[ringlog.Handler(ring)], force=True)
            threads = [threading.Thread(target=work, args=(number,), name=f"t{thread}") for thread in range(3)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]

        if __name__ == "__main__":
            for method in ("fork", "spawn", "forkserver"):
                context = multiprocessing.get_context(method)
                children = [context.Process(target=process, args=(sys.argv[1], n)) for n in range(3)]
                [child.start() for child in children]
                [child.join() for child in children]
                assert [child.exitcode for child in children] == [0, 0, 0]
    """
    place.python(program, place.ring)
    seen: dict[tuple[str, str], list[int]] = {}
    for record in place.records():
        number, thread, line = record["message"].split("/")
        seen.setdefault((f"{record['pid']}/{number}", thread), []).append(int(line))
    assert len(seen) == 27
    assert all(lines == list(range(500)) for lines in seen.values())
