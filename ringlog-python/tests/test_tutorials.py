"""The programs of tutorials, run with Python's own handlers and with ringlog's. Their files are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Place

#: Gives a program `configure` and its arguments: those of `ringlog.basicConfig`, for either.
BEGIN = """
import logging, logging.handlers, multiprocessing, os, sys

def configure(**settings):
    if sys.argv[1] == "ringlog":
        import ringlog
        ringlog.basicConfig(**settings)
        return
    handlers = list(settings.pop("handlers", []))
    size, count = settings.pop("maxBytes", 0), settings.pop("backupCount", 0)
    path, mode = settings.pop("filename"), settings.pop("filemode", "a")
    file = logging.handlers.RotatingFileHandler(path, mode, size, count)
    logging.basicConfig(handlers=[file, *handlers], **settings)

"""


def by_both(place: Place, program: str) -> tuple[dict[str, str], dict[str, str]]:
    """The files that the program has made, and what it printed, with Python's handlers and with ringlog's."""
    results = []
    for which in ("python", "ringlog"):
        directory = place.files / which
        directory.mkdir()
        text = BEGIN + f"os.chdir({str(place.files)!r} + '/' + sys.argv[1])\n" + program
        files = {"": place.python(text, which)}
        for path in directory.iterdir():
            if not path.name.endswith(".checkpoint"):
                files[path.name] = path.read_text()
        results.append(files)
    return results[0], results[1]


LEVELS = """
def report(log):
    for name in ("debug", "info", "warning", "error", "critical"):
        getattr(log, name)("this is %s", name)
    log.log(25, "a level of its own")

{configure}
report(logging.getLogger())
for name, level in (("app", "NOTSET"), ("app.db", logging.ERROR), ("app.db.pool", "NOTSET"), ("other", 1)):
    logging.getLogger(name).setLevel(level)
    report(logging.getLogger(name))
logging.addLevelName(25, "NOTICE")
report(logging.getLogger("app"))
logging.disable(logging.ERROR)
report(logging.getLogger("other"))
"""

CONFIGURE = [
    'configure(filename="app.log")',
    'configure(filename="app.log", level=logging.DEBUG)',
    'configure(filename="app.log", level="INFO", format="%(levelname)s %(lineno)d %(funcName)s %(message)s")',
    'configure(filename="app.log", level=10, style="{", format="{levelname:<8}|{name}|{filename}|{module}|{message}")',
    'configure(filename="app.log", level=10, filemode="w", style="$", format="${levelname} ${name} ${message}")',
    'configure(filename="app.log", level=20, handlers=[logging.StreamHandler()])',
    'configure(filename="app.log", level=20, handlers=[logging.StreamHandler(sys.stdout)], format="%(message)s")',
]


@pytest.mark.parametrize("configure", CONFIGURE, ids=range(len(CONFIGURE)))
def test_levels_into_a_file_and_to_the_console(place: Place, configure: str) -> None:
    own, ours = by_both(place, LEVELS.format(configure=configure))
    assert ours == own
    assert len(own["app.log"].splitlines()) > 5
    assert bool(own[""]) == ("handlers" in configure)


def test_a_file_of_1_kib_with_three_backups(place: Place) -> None:
    own, ours = by_both(
        place,
        """
configure(filename="app.log", level=20, maxBytes=1024, backupCount=3, format="%(levelname)s %(message)s")
for number in range(200):
    logging.info("line %d %s", number, "x" * (number % 60))
""",
    )
    assert ours == own
    assert set(own) == {"", "app.log", "app.log.1", "app.log.2", "app.log.3"}


def test_a_file_for_each_second(place: Place) -> None:
    place.python(
        """
        import logging, ringlog, time
        ringlog.basicConfig(filename="app.log", level=20, when="S", interval=1, backupCount=10, format="%(message)s")
        begin, number = time.time(), 0
        while time.time() < begin + 3.2:
            logging.info("%d", number)
            number += 1
            time.sleep(0.05)
        """
    )
    closed = sorted(path for path in place.files.iterdir() if re.fullmatch(r"app\.log\.[\d-]+_[\d-]+", path.name))
    assert len(closed) >= 2
    lines = [line for path in [*closed, place.files / "app.log"] for line in path.read_text().splitlines()]
    assert lines == [str(number) for number in range(len(lines))]
    # None has records of more than a second, which were some 20.
    assert all(len(path.read_text().splitlines()) <= 21 for path in closed)


def test_tracebacks_of_all_kinds(place: Place) -> None:
    own, ours = by_both(
        place,
        """
configure(filename="app.log", level=20)
log = logging.getLogger("shop")

def divide(by):
    return 1 / by

def chained():
    try:
        divide(0)
    except ZeroDivisionError as error:
        raise LookupError("no price") from error

class Refused(Exception):
    def __str__(self):
        return "two\\nlines"

for function in (lambda: divide(0), chained, lambda: open("/no/such/file"), lambda: {}["key"]):
    try:
        function()
    except Exception as error:
        log.error("exc_info=True", exc_info=True)
        log.exception("exception of %s", type(error).__name__)
        log.warning("the object", exc_info=error)
        log.info("the tuple", exc_info=sys.exc_info())
        log.info("none")
try:
    raise Refused
except Refused:
    logging.exception("by the module")
    log.critical("with the stack", exc_info=True, stack_info=True)
log.error("outside of a handler", exc_info=True)
""",
    )
    assert ours == own
    assert own["app.log"].count("Traceback") > 20


#: Examples of `multiprocessing` whose prints are log calls. `{start}` is the method by which processes begin.
MULTIPROCESSING = """
log = logging.getLogger("example")

def begin():
    configure(filename="app.log", level=20, format="%(processName)s %(message)s")

def simple(name):
    begin()
    log.info("hello %s", name)

def locked(lock, number):
    begin()
    for turn in range(20):
        with lock:
            log.info("has %d of the lock", turn)
            log.info("gives %d of the lock", turn)

def limited(semaphore, number):
    begin()
    with semaphore:
        log.info("has a place")
    log.info("has given it back")

def waits(event):
    begin()
    log.info("waits: %s", event.is_set())
    event.wait(60)
    log.info("goes on: %s", event.is_set())

def sends(end):
    begin()
    for number in range(5):
        end.send([number, None, "hello"])
        log.info("sent %d", number)
    end.close()

def produces(queue):
    begin()
    for number in range(10):
        log.info("puts %d", number)
        queue.put(number)
    queue.put(None)

def consumes(queue):
    begin()
    while (number := queue.get(timeout=60)) is not None:
        log.info("gets %d", number)

def adds(value, array):
    begin()
    for _ in range(50):
        with value.get_lock():
            value.value += 1
            log.info("the value is %d", value.value)
    array[0] = 7

def square(number):
    log.info("squares %d", number)
    return number * number

def run(context, *functions):
    processes = [context.Process(target=function, args=args, name=name) for name, function, args in functions]
    [process.start() for process in processes]
    return processes

def end(processes):
    [process.join(60) for process in processes]
    assert [process.exitcode for process in processes] == [0] * len(processes)

if __name__ == "__main__":
    context = multiprocessing.get_context("{start}")
    begin()
    log.info("begins")
    end(run(context, ("simple", simple, ("bob",))))
    lock = context.Lock()
    end(run(context, *((f"lock{{n}}", locked, (lock, n)) for n in range(3))))
    semaphore = context.Semaphore(2)
    end(run(context, *((f"semaphore{{n}}", limited, (semaphore, n)) for n in range(4))))
    event = context.Event()
    waiting = run(context, ("event", waits, (event,)))
    log.info("sets the event")
    event.set()
    end(waiting)
    ours, theirs = context.Pipe()
    sending = run(context, ("pipe", sends, (theirs,)))
    for number in range(5):
        log.info("received %s", ours.recv())
    end(sending)
    queue = context.Queue()
    end(run(context, ("producer", produces, (queue,)), ("consumer", consumes, (queue,))))
    value, array = context.Value("i", 0), context.Array("i", 3)
    end(run(context, *((f"value{{n}}", adds, (value, array)) for n in range(3))))
    log.info("value %d, array %s", value.value, array[:])
    with context.Pool(2, begin) as pool:
        assert pool.map(square, range(10)) == [number * number for number in range(10)]
        pool.close()
        pool.join()
    log.info("ends")
"""


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_examples_of_multiprocessing(place: Place, start: str) -> None:
    own, ours = (files["app.log"].splitlines() for files in by_both(place, MULTIPROCESSING.format(start=start)))
    # Which process has done what differs from run to run where none of them waits for another.
    left_out = re.compile(r"^\S*Pool\S*|(?<=waits: )\w+|^value\d|^consumer|^lock\d")
    assert sorted(left_out.sub("", line) for line in ours) == sorted(left_out.sub("", line) for line in own)
    for name in ("MainProcess", "simple", "pipe", "producer", "consumer", "lock0", "lock1", "lock2", "semaphore3"):
        assert of(ours, name) == of(own, name)
    # What one process does before another one is before it in the file too.
    for name in ("lock", "value"):
        check_order(ours, name)
    assert ours.index("MainProcess sets the event") < ours.index("event goes on: True")
    for number in range(10):
        assert ours.index(f"producer puts {number}") < ours.index(f"consumer gets {number}")


def of(lines: list[str], name: str) -> list[str]:
    return [line for line in lines if line.startswith(name + " ")]


def check_order(lines: list[str], name: str) -> None:
    """Lines that were logged while a lock was held are in the order in which it was taken."""
    held = [line for line in lines if re.match(name + r"\d ", line)]
    if name == "lock":
        pairs = list(zip(held[::2], held[1::2], strict=True))
        assert all(first.replace(" has ", " gives ") == second for first, second in pairs)
    else:
        assert [int(line.split()[-1]) for line in held] == list(range(1, 151))


#: As an article has it: ten processes and a listener, two loggers, five levels, 300 bytes and three backups.
LISTENER = """
LEVELS = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
FORMAT = "%(processName)-10s %(name)s %(levelname)-8s %(message)s"

def work(number, queue):
    import random
    if queue is None:
        configure(filename="app.log", level=10, maxBytes=300, backupCount=3, format=FORMAT)
    else:
        logging.basicConfig(level=10, format="%(message)s", handlers=[logging.handlers.QueueHandler(queue)])
    choice = random.Random(number)
    for line in range(10):
        log = logging.getLogger(choice.choice(["a.b.c", "d.e.f"]))
        log.log(choice.choice(LEVELS), "message no. %d", line)

def listen(queue):
    handler = logging.handlers.RotatingFileHandler("app.log", "a", 300, 3)
    handler.setFormatter(logging.Formatter(FORMAT))
    while (record := queue.get(timeout=60)) is not None:
        handler.handle(record)

if __name__ == "__main__":
    queue = None
    if sys.argv[1] == "python":
        queue = multiprocessing.Queue(-1)
        listener = multiprocessing.Process(target=listen, args=(queue,))
        listener.start()
    # One after the other, so that both runs have one order.
    for n in range(10):
        worker = multiprocessing.Process(target=work, args=(n, queue), name=f"worker{n}")
        worker.start()
        worker.join()
        assert worker.exitcode == 0
    if queue is not None:
        queue.put(None)
        listener.join()
"""


def test_a_listener_with_300_bytes_and_three_backups(place: Place) -> None:
    own, ours = by_both(place, LISTENER)
    assert ours == own
    assert set(own) == {"", "app.log", "app.log.1", "app.log.2", "app.log.3"}
