"""Programs in the shape of the usual articles about logging: the files equal Python's own."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import Place
from test_same_lines import write_with


#: Root, a logger for a file and one for a file that rotates, which is the same file.
LOGGING_CONF = """
[loggers]
keys=root,fileLogger,rtLogger

[handlers]
keys=consoleHandler,fileHandler,rtHandler

[formatters]
keys=simple,full

[logger_root]
level=DEBUG
handlers=consoleHandler

[logger_fileLogger]
level=DEBUG
handlers=consoleHandler,fileHandler
qualname=fileLogger
propagate=0

[logger_rtLogger]
level=INFO
handlers=consoleHandler,rtHandler
qualname=rtLogger
propagate=0

[handler_consoleHandler]
class=StreamHandler
level=DEBUG
formatter=simple
args=(sys.stderr,)

[handler_fileHandler]
class=FileHandler
level=DEBUG
formatter=full
args=('./log/default.log', 'a')

[handler_rtHandler]
class=handlers.RotatingFileHandler
level=INFO
formatter=full
args=('./log/default.log', 'a', 10*1024*1024, 5)

[formatter_simple]
format=%(asctime)s - %(name)s - %(levelname)s - %(message)s

[formatter_full]
format=%(asctime)s %(filename)s[line:%(lineno)d] %(levelname)s %(process)d %(threadName)s %(message)s
datefmt=%Y-%m-%d %H:%M:%S
"""

#: The program of the article. With a ring as argument, its records go there too.
PROGRAM = """
    import logging, logging.config, sys, threading

    logging.config.fileConfig("logging.conf")
    if len(sys.argv) > 1:
        import ringlog
        handler = ringlog.Handler(sys.argv[1])
        for name in (None, "fileLogger", "rtLogger"):
            logging.getLogger(name).addHandler(handler)

    def work(name):
        log = logging.getLogger(name)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            log.log(level, "level %d of %s", level, name)
        try:
            open("/no/such/file")
        except OSError:
            log.exception("cannot open it")

    for name in ("root", "fileLogger", "rtLogger", "other.child"):
        work(None if name == "root" else name)
    thread = threading.Thread(target=work, args=("rtLogger",), name="second")
    thread.start()
    thread.join()
"""


def test_a_logging_conf_whose_handlers_name_one_file(place: Place) -> None:
    (place.files / "logging.conf").write_text(LOGGING_CONF)
    (place.files / "log").mkdir()
    console = place.python(PROGRAM, place.ring)
    file = place.files / "log/default.log"
    own = file.read_text()
    file.rename(place.files / "own.log")
    config = place.command("import", str(place.files / "logging.conf"))
    config = config.replace('"./log/default.log"', f'"{file}"')
    toml = place.files / "ringlog.toml"
    toml.write_text("exit-notices = false\n" + config)
    done = place.python(
        """
        import ringlog, sys
        with ringlog.Writer(sys.argv[1], config=sys.argv[2], create=None, until_idle=True) as writer:
            writer.wait(60)
        """,
        place.ring,
        str(toml),
    )
    assert file.read_text() == own
    assert done == console


def test_a_function_that_logs_twice_and_returns(place: Place) -> None:
    # The usual way is a thread and a queue, so that the function need not wait for the file.
    place.python(
        """
        import logging, ringlog

        ringlog.basicConfig(filename="day.log", when="midnight", backupCount=7, level=20, format="%(message)s")

        def handle(request):
            logging.info("begin %d", request)
            logging.info("end %d", request)
            return request

        assert [handle(request) for request in range(100)] == list(range(100))
        """
    )
    lines = (place.files / "day.log").read_text().splitlines()
    assert lines == [f"{word} {request}" for request in range(100) for word in ("begin", "end")]


#: Ten processes, two loggers, five levels, into a file of 300 bytes with three older ones.
TEN = """
    import logging, logging.handlers, multiprocessing, os, random, sys

    LEVELS = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]

    def work(number, configure, argument):
        configure(argument)
        choice = random.Random(number)
        for line in range(40):
            log = logging.getLogger(choice.choice(["a.b.c", "d.e.f"]))
            log.log(choice.choice(LEVELS), "message no. %d of %d", line, number)

    def by_queue(queue):
        root = logging.getLogger()
        root.handlers[:] = [logging.handlers.QueueHandler(queue)]
        root.setLevel(logging.DEBUG)

    def by_ring(ring):
        import ringlog
        root = logging.getLogger()
        root.handlers[:] = [ringlog.Handler(ring)]
        root.setLevel(logging.DEBUG)

    def listen(queue, path):
        handler = logging.handlers.RotatingFileHandler(path, "a", 300, 1000)
        handler.setFormatter(logging.Formatter("%(processName)-10s %(name)s %(levelname)-8s %(message)s"))
        while (record := queue.get()) is not None:
            handler.handle(record)

    def run(configure, argument):
        workers = [
            multiprocessing.Process(target=work, args=(n, configure, argument), name=f"worker{n}") for n in range(10)
        ]
        [worker.start() for worker in workers]
        [worker.join() for worker in workers]
        assert [worker.exitcode for worker in workers] == [0] * 10

    if __name__ == "__main__":
        queue = multiprocessing.Queue(-1)
        listener = multiprocessing.Process(target=listen, args=(queue, "own.log"))
        listener.start()
        run(by_queue, queue)
        queue.put_nowait(None)
        listener.join()
        run(by_ring, sys.argv[1])
"""


def test_ten_processes_and_a_listener(place: Place) -> None:
    place.python(TEN, place.ring)
    write_with(
        place,
        {
            "version": 1,
            "formatters": {"f": {"format": "%(processName)-10s %(name)s %(levelname)-8s %(message)s"}},
            "handlers": {
                "file": {
                    "class": "logging.handlers.RotatingFileHandler",
                    "filename": str(place.files / "ours.log"),
                    "maxBytes": 300,
                    "backupCount": 1000,
                    "formatter": "f",
                }
            },
            "root": {"level": "NOTSET", "handlers": ["file"]},
        },
    )
    own, ours = all_lines(place.files, "own.log"), all_lines(place.files, "ours.log")
    for number in range(10):
        of = [line for line in own if line.startswith(f"worker{number} ")]
        assert len(of) == 40
        assert [line for line in ours if line.startswith(f"worker{number} ")] == of
    assert len(ours) == 400
    closed = [path for path in place.files.iterdir() if re.fullmatch(r"ours\.log\.\d+", path.name)]
    assert len(closed) > 50
    assert all(path.stat().st_size <= 300 for path in closed)


def all_lines(directory: Path, name: str) -> list[str]:
    """The lines of a file and of its closed ones, oldest first."""
    numbers = [int(path.name.rpartition(".")[2]) for path in directory.glob(f"{name}.*") if path.name[-1].isdigit()]
    paths = [directory / f"{name}.{number}" for number in sorted(numbers, reverse=True)] + [directory / name]
    return [line for path in paths for line in path.read_text().splitlines()]


def test_handlers_of_queues_work_in_front(place: Place) -> None:
    place.python(
        """
        import logging, logging.handlers, queue, ringlog, sys
        waiting = queue.Queue(-1)
        ring = ringlog.Handler(sys.argv[1])
        listener = logging.handlers.QueueListener(waiting, ring, respect_handler_level=True)
        memory = logging.handlers.MemoryHandler(100, target=ring)
        root = logging.getLogger()
        # Python's `QueueHandler` puts the traceback into the message.
        root.handlers[:] = [memory, logging.handlers.QueueHandler(waiting)]
        listener.start()
        try:
            1 / 0
        except ZeroDivisionError:
            logging.exception("twice %d", 2)
        listener.stop()
        memory.close()
        """,
        place.ring,
    )
    records = place.records()
    assert [record["message"].splitlines()[0] for record in records] == ["twice 2"] * 2
    assert all("ZeroDivisionError" in str(record) for record in records)
