"""`ringlog.Queue` in the place of `multiprocessing.Queue` between a `QueueHandler` and what writes the files."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import multiprocessing
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import WITHIN, Place

import ringlog

FORMAT = "%(processName)s %(name)s %(levelname)s: %(message)s"


@pytest.fixture(autouse=True)
def own_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Queues of the test lie in its own directory."""
    monkeypatch.setenv("RINGLOG_DIR", str(Path(place.ring).parent))
    yield


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was afterwards."""
    log = logging.getLogger()
    before = log.handlers[:], log.level
    yield log
    log.handlers[:] = before[0]
    log.setLevel(before[1])


def log_through(items: Any, number: int, lines: int, length: int) -> None:
    """A worker: two loggers over one queue."""
    root = logging.getLogger()
    root.handlers[:] = [logging.handlers.QueueHandler(items)]
    root.setLevel(logging.DEBUG)
    names = logging.getLogger("shop.orders"), logging.getLogger("shop.db")
    for line in range(lines):
        names[line % 2].info("worker %d line %d %s", number, line, "x" * length)
    names[0].debug("a dictionary %s", {"of": number})
    try:
        raise RuntimeError(f"of worker {number}")
    except RuntimeError:
        names[1].exception("an exception")


def rotating(directory: Path, max_bytes: int) -> logging.Handler:
    handler = logging.handlers.RotatingFileHandler(directory / "app.log", maxBytes=max_bytes, backupCount=3)
    handler.setFormatter(logging.Formatter(FORMAT))
    return handler


def listen(items: Any, directory: Path, max_bytes: int) -> None:
    """A listener process as in Python's Logging Cookbook, up to a `None`."""
    logging.getLogger().handlers[:] = [rotating(directory, max_bytes)]
    while True:
        record = items.get()
        if record is None:
            break
        logging.getLogger(record.name).handle(record)
    logging.shutdown()


def run_workers(context: Any, items: Any, lines: int, length: int) -> None:
    workers = [
        context.Process(target=log_through, args=(items, number, lines, length), name=f"worker-{number}")
        for number in range(10)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(WITHIN)
        assert worker.exitcode == 0


def through_listener_process(items: Any, context: Any, directory: Path, max_bytes: int, lines: int = 20) -> None:
    directory.mkdir()
    listener = context.Process(target=listen, args=(items, directory, max_bytes))
    listener.start()
    run_workers(context, items, lines, 10)
    items.put_nowait(None)
    listener.join(WITHIN)
    assert listener.exitcode == 0


def by_worker(directory: Path) -> dict[str, list[str]]:
    """The lines of all files of a handler, oldest first, of each worker."""
    files = [directory / f"app.log{suffix}" for suffix in (".3", ".2", ".1", "")]
    lines = [line for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]
    sorted_out: dict[str, list[str]] = {}
    worker = "none"
    for line in lines:
        # Lines of a traceback follow the line of their record.
        if found := re.match(r"worker-\d", line):
            worker = found[0]
        sorted_out.setdefault(worker, []).append(line)
    return sorted_out


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_listener_process_writes_the_same(tmp_path: Path, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    through_listener_process(ringlog.Queue(-1), context, tmp_path / "ringlog", 10_000_000)
    through_listener_process(context.Queue(-1), context, tmp_path / "python", 10_000_000)
    written = by_worker(tmp_path / "ringlog")
    assert written == by_worker(tmp_path / "python")
    assert sorted(written) == [f"worker-{number}" for number in range(10)]
    assert {len(lines) for lines in written.values()} == {len(written["worker-0"])}


def test_files_are_rotated(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for name, items in (("ringlog", ringlog.Queue(-1)), ("python", context.Queue(-1))):
        through_listener_process(items, context, tmp_path / name, 300)
        files = sorted(path.name for path in (tmp_path / name).iterdir())
        assert files == ["app.log", "app.log.1", "app.log.2", "app.log.3"]
        # An entry that is longer than a file has one alone.
        for file in files[1:]:
            text = (tmp_path / name / file).read_text("utf-8")
            assert 0 < len(text) < 300 or len(re.findall(r"^worker-", text, re.MULTILINE)) == 1


def test_a_listener_thread_writes_the_same(tmp_path: Path) -> None:
    """20 MiB of records, which is more than the ring holds."""
    context = multiprocessing.get_context("fork")
    for name, items in (("ringlog", ringlog.Queue(-1)), ("python", context.Queue(-1))):
        directory = tmp_path / name
        directory.mkdir()
        file = rotating(directory, 0)
        listener = logging.handlers.QueueListener(items, file)
        listener.start()
        run_workers(context, items, 500, 4000)
        listener.stop()
        file.close()
    written = by_worker(tmp_path / "ringlog")
    assert sum(len(line) for lines in written.values() for line in lines) > 20_000_000
    assert written == by_worker(tmp_path / "python")


def configuration(queue: object, file: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "queues": {"log": {"()": "ringlog.Queue", "maxsize": -1}},
        "handlers": {
            "file": {"class": "logging.FileHandler", "filename": str(file)},
            "queue": {
                "class": "logging.handlers.QueueHandler",
                "queue": queue,
                "handlers": ["file"],
                "respect_handler_level": True,
            },
        },
        "root": {"handlers": ["queue"], "level": "INFO"},
    }


#: What `ext://` names.
instance: Any = None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="dictConfig makes queues from Python 3.12 on")
@pytest.mark.parametrize("form", ["factory", "cfg", "name", "instance", "ext"])
def test_a_dictionary_makes_the_queue(tmp_path: Path, root: logging.Logger, form: str) -> None:
    is_instance = form in ("instance", "ext")
    if is_instance and sys.version_info < (3, 12, 4):
        pytest.skip("dictConfig takes an instance of queue.Queue only, before Python 3.12.4")
    global instance
    instance = ringlog.Queue(-1) if is_instance else None
    queue = {
        "factory": {"()": "ringlog.Queue", "maxsize": -1},
        "cfg": "cfg://queues.log",
        "name": "ringlog.Queue",
        "instance": instance,
        "ext": f"ext://{__name__}.instance",
    }[form]
    logging.config.dictConfig(configuration(queue, tmp_path / "app.log"))
    [handler] = root.handlers
    assert isinstance(handler, logging.handlers.QueueHandler)
    assert type(handler.queue) is ringlog.Queue
    listener: Any = handler.listener
    listener.start()
    child = multiprocessing.get_context("fork").Process(target=logging.warning, args=("from a %s", "child"))
    child.start()
    child.join(WITHIN)
    assert child.exitcode == 0
    logging.info("from the parent")
    listener.stop()
    handler.close()
    assert (tmp_path / "app.log").read_text() == "from a child\nfrom the parent\n"
