"""Real packages that start processes of their own: process pools, gunicorn, uvicorn."""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import WITHIN, Place

POOL = """
    import logging, os, ringlog, sys
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    def by_handler(ring):
        logging.basicConfig(level=logging.INFO, handlers=[ringlog.Handler(ring)], force=True)
        logging.info("begins")

    def by_file(path):
        ringlog.basicConfig(filename=path, level=logging.INFO, format="%(levelname)s %(message)s")
        logging.info("begins")

    def task(number):
        log = logging.getLogger("pool.task")
        log.debug("not wanted")
        log.log(logging.WARNING if number % 10 == 0 else logging.INFO, "task %d", number)
        return number * 2

    if __name__ == "__main__":
        method, initializer, argument = sys.argv[1:]
        with ProcessPoolExecutor(3, get_context(method), globals()[initializer], (argument,)) as pool:
            assert list(pool.map(task, range(100), chunksize=3)) == [number * 2 for number in range(100)]
"""

#: The lines of the tasks, in the order of their numbers.
TASKS = [("WARNING" if number % 10 == 0 else "INFO", f"task {number}") for number in range(100)]


def level(record: dict[str, Any]) -> str:
    """The level of a record by Python's name for its number."""
    return logging.getLevelName(record["level_number"])


def by_number(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The lines of tasks by their numbers. The others are those of the initializer, one of each process."""
    begins = lines.count(("INFO", "begins"))
    # A pool that forks starts its processes as tasks come.
    assert 1 <= begins <= 3
    tasks = sorted((line for line in lines if line[1] != "begins"), key=lambda line: int(line[1].split()[-1]))
    assert len(tasks) + begins == len(lines)
    return tasks


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_tasks_of_a_pool_are_logged_once(place: Place, method: str) -> None:
    place.python(POOL, method, "by_handler", place.ring)
    records = place.records()
    assert by_number([(level(record), record["message"]) for record in records]) == TASKS
    assert len({record["pid"] for record in records}) <= 3


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_configures_itself_for_one_file(place: Place, method: str) -> None:
    file = place.files / "pool.log"
    place.python(POOL, method, "by_file", str(file))
    lines = [line.partition(" ") for line in file.read_text().splitlines()]
    assert by_number([(first, message) for first, _, message in lines]) == TASKS


#: What both servers run. The answer is the process that gives it.
WORK = """
import logging, os

log = logging.getLogger("shop.web")

def work(path):
    number = int(path.rpartition("/")[2])
    log.debug("not wanted")
    log.log(logging.WARNING if number % 10 == 0 else logging.INFO, "request %d", number)
    return str(os.getpid()).encode()
"""

WSGI = """
from work import work

def app(environ, start_response):
    body = work(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""

ASGI = """
import os
from work import work

if "BY_FILE" in os.environ:
    import logging, ringlog
    ringlog.basicConfig(filename=os.environ["BY_FILE"], level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = work(scope["path"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


def with_ring(ring: str, *loggers: str) -> dict[str, Any]:
    """A dictionary for `dictConfig` with the one handler."""
    handlers = {"ring": {"class": "ringlog.Handler", "ring": ring}}
    own = {name: {"level": "INFO", "handlers": ["ring"], "propagate": False} for name in loggers}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {},
        "handlers": handlers,
        "loggers": own,
        "root": {"level": "INFO", "handlers": ["ring"]},
    }


class Local(http.client.HTTPConnection):
    """A connection to a socket in the file system, whose name no other process takes."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=WITHIN)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WITHIN)
        self.sock.connect(self._path)


class Server:
    """A server with workers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        #: The numbers of the requests that were answered, and the process of each.
        self.answers: list[tuple[int, int]] = []

    def request(self) -> int:
        """The process that has answered a request with the next number."""
        connection = Local(self._path)
        connection.request("GET", f"/{self._number}", headers={"Connection": "close"})
        pid = int(connection.getresponse().read())
        connection.close()
        self.answers.append((self._number, pid))
        self._number += 1
        return pid

    def request_until(self, is_done: Callable[[set[int]], bool]) -> set[int]:
        """Makes requests until the processes that have answered are enough, and returns them."""
        pids: set[int] = set()
        until = time.monotonic() + WITHIN
        while not is_done(pids):
            assert time.monotonic() < until, f"only {pids} have answered"
            pids.add(self.request())
        return pids

    def lines(self) -> Counter[tuple[int, str, str]]:
        """What the application has to have logged."""
        of = {True: "WARNING", False: "INFO"}
        return Counter((pid, of[number % 10 == 0], f"request {number}") for number, pid in self.answers)


@contextmanager
def server(place: Place, arguments: list[str], **environment: str) -> Iterator[Server]:
    """Runs a server until the block ends."""
    path = place.files / "server.sock"
    with open(place.files / "streams", "wb") as streams:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=place.files,
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC", **environment},
            stdin=subprocess.DEVNULL,
            stdout=streams,
            stderr=streams,
        )
    try:
        until = time.monotonic() + WITHIN
        while not answers(path):
            said = (place.files / "streams").read_text()
            assert process.poll() is None and time.monotonic() < until, said
            time.sleep(0.02)
        yield Server(path)
        process.send_signal(signal.SIGTERM)
        # uvicorn ends by the signal itself.
        assert process.wait(WITHIN) in (0, -signal.SIGTERM), (place.files / "streams").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers(path: Path) -> bool:
    """Whether a server takes connections at this socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def use(served: Server, workers: int) -> None:
    """Lets each worker answer, kills one, and makes requests until the one in its place has answered."""
    pids = served.request_until(lambda pids: len(pids) == workers)
    killed = min(pids)
    os.kill(killed, signal.SIGKILL)
    until = time.monotonic() + WITHIN
    new: set[int] = set()
    while not new and time.monotonic() < until:
        try:
            new = {served.request()} - pids
        except (OSError, http.client.HTTPException):
            # The killed one had taken the connection; it has not seen the request.
            time.sleep(0.02)
    assert new
    for _ in range(50):
        served.request()


def check(served: Server, records: list[dict[str, Any]], access: str) -> None:
    """Each line of the application and each access is there once."""
    own = [record for record in records if record["logger"] == "shop.web"]
    assert Counter((record["pid"], level(record), record["message"]) for record in own) == served.lines()
    lines = [record["message"] for record in records if record["logger"] == access]
    assert Counter(int(number) for line in lines for number in re.findall(r'"GET /(\d+) ', line)) == Counter(number for number, _ in served.answers)


def test_workers_of_gunicorn_log_into_one_ring(place: Place) -> None:
    pytest.importorskip("gunicorn", reason="SKIPPED: gunicorn is not installed")
    (place.files / "work.py").write_text(WORK)
    (place.files / "shop.py").write_text(WSGI)
    config = with_ring(place.ring, "gunicorn.error", "gunicorn.access")
    settings = {
        "bind": f"unix:{place.files}/server.sock",
        "workers": 3,
        "accesslog": "-",
        "logconfig_dict": config,
        "worker_tmp_dir": "/dev/shm",
        "control_socket_disable": True,
    }
    (place.files / "gunicorn.conf.py").write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
    with server(place, ["-m", "gunicorn", "-c", "gunicorn.conf.py", "shop:app"]) as served:
        use(served, 3)
    records = place.records()
    check(served, records, "gunicorn.access")
    messages = [record["message"] for record in records if record["logger"] == "gunicorn.error"]
    assert sum(message.startswith("Booting worker with pid") for message in messages) == 4
    assert sum("SIGKILL" in message for message in messages) == 1
    assert not (place.files / "streams").read_text()


def test_workers_of_uvicorn_log_into_one_ring(place: Place) -> None:
    pytest.importorskip("uvicorn", reason="SKIPPED: uvicorn is not installed")
    (place.files / "work.py").write_text(WORK)
    (place.files / "shop.py").write_text(ASGI)
    config = with_ring(place.ring, "uvicorn.error", "uvicorn.access")
    (place.files / "log.json").write_text(json.dumps(config))
    arguments = ["--uds", "server.sock", "--workers", "2", "--log-config", "log.json"]
    with server(place, ["-m", "uvicorn", *arguments, "shop:app"]) as served:
        use(served, 2)
    records = place.records()
    check(served, records, "uvicorn.access")
    messages = [record["message"] for record in records if record["logger"] == "uvicorn.error"]
    assert sum(message.startswith("Started server process") for message in messages) == 3


def test_workers_of_uvicorn_log_into_one_file(place: Place) -> None:
    pytest.importorskip("uvicorn", reason="SKIPPED: uvicorn is not installed")
    (place.files / "work.py").write_text(WORK)
    (place.files / "shop.py").write_text(ASGI)
    file = place.files / "shop.log"
    # Without a configuration of its own, its loggers propagate to the root.
    program = textwrap.dedent("""
        import uvicorn

        if __name__ == "__main__":
            uvicorn.run("shop:app", uds="server.sock", workers=2, log_config=None)
    """)
    (place.files / "serve.py").write_text(program)
    ring_dir = str(Path(place.ring).parent)
    with server(place, ["serve.py"], BY_FILE=str(file), RINGLOG_DIR=ring_dir) as served:
        use(served, 2)
    until = time.monotonic() + WITHIN
    while len(own := own_lines(file)) < len(served.answers) and time.monotonic() < until:
        time.sleep(0.02)
    assert Counter(own) == Counter(f"{first} shop.web {message}" for _, first, message in served.lines().elements())


def own_lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if " shop.web " in line]
