"""`ringlog.BytesQueue`: alone, and beside the queue that people build on a list of Redis."""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
import os
import pickle
import queue
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import WITHIN, Place

import ringlog


class RedisQueue:
    """A queue of bytes on a list, as it is found in many programs."""

    def __init__(self, name: str, namespace: str = "queue", **connection: Any) -> None:
        import redis

        self._db = redis.Redis(**connection)
        self.key = f"{namespace}:{name}"

    def qsize(self) -> int:
        return int(self._db.llen(self.key))

    def empty(self) -> bool:
        return self.qsize() == 0

    def put(self, item: str | bytes) -> None:
        self._db.rpush(self.key, item)

    def get(self, block: bool = True, timeout: float | None = None) -> bytes | None:
        if block:
            # Without a timeout it waits for ever, which is 0.
            found = self._db.blpop([self.key], timeout=timeout or 0)
            return found[1] if found else None
        return self._db.lpop(self.key)

    def get_nowait(self) -> bytes | None:
        return self.get(False)

    def clean(self) -> int:
        # Both at once.
        return int(self._db.pipeline().llen(self.key).delete(self.key).execute()[0])

    def delete(self) -> None:
        self._db.delete(self.key)


@pytest.fixture(autouse=True)
def own_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Queues of the test lie in its own directory."""
    monkeypatch.setenv("RINGLOG_DIR", str(Path(place.ring).parent))
    yield


@pytest.fixture(scope="module")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of a server of the tests' own, which keeps nothing."""
    server = shutil.which("redis-server")
    if server is None or importlib.util.find_spec("redis") is None:
        pytest.skip(
            "SKIPPED: the comparison with Redis needs redis-server (on Debian: apt-get install redis-server) and the "
            "package redis"
        )
    import redis

    directory = tmp_path_factory.mktemp("redis")
    path = f"{directory}/socket"
    options = ["--port", "0", "--unixsocket", path, "--dir", str(directory), "--save", "", "--appendonly", "no"]
    with subprocess.Popen([server, *options], stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + WITHIN
            while True:
                try:
                    redis.Redis(unix_socket_path=path).ping()
                    break
                except redis.ConnectionError:
                    assert process.poll() is None and time.monotonic() < deadline, "redis-server does not answer"
                    time.sleep(0.01)
            yield path
        finally:
            process.terminate()


@pytest.fixture(params=["ringlog", "redis"])
def connection(request: pytest.FixtureRequest) -> tuple[type, str, dict[str, str]]:
    """The class of a queue, and the arguments that each process makes it with."""
    name = uuid.uuid4().hex
    if request.param == "ringlog":
        return ringlog.BytesQueue, name, {}
    return RedisQueue, name, {"unix_socket_path": request.getfixturevalue("redis_socket")}


def opened(connection: tuple[type, str, dict[str, str]]) -> Any:
    kind, name, arguments = connection
    return kind(name, **arguments)


def produce(connection: tuple[type, str, dict[str, str]], producer: int, count: int) -> None:
    items = opened(connection)
    for number in range(count):
        items.put(f"{producer}:{number}")


def consume(connection: tuple[type, str, dict[str, str]], out: Any) -> None:
    items = opened(connection)
    out.send(list(iter(lambda: items.get(timeout=WITHIN), b"end")))


def test_it_works_as_a_list_of_redis(connection: tuple[type, str, dict[str, str]]) -> None:
    items = opened(connection)
    assert items.empty()
    assert items.get_nowait() is None
    assert items.get(False) is None
    assert items.get(timeout=0.01) is None
    items.put("a text: ä")
    items.put(b"bytes \x00\xff")
    items.put("")
    assert items.qsize() == 3
    assert not items.empty()
    # Another object of the same name is the same queue.
    assert opened(connection).get() == "a text: ä".encode()
    assert items.get_nowait() == b"bytes \x00\xff"
    assert items.get(timeout=1) == b""
    assert items.get_nowait() is None
    for number in range(5):
        items.put(str(number))
    assert items.clean() == 5
    assert items.qsize() == 0
    items.put("left")
    items.delete()
    fresh = opened(connection)
    assert fresh.qsize() == 0
    assert fresh.get_nowait() is None
    fresh.delete()


def test_a_sleeping_getter_gets_what_is_put(connection: tuple[type, str, dict[str, str]]) -> None:
    items = opened(connection)
    putter = threading.Timer(0.05, lambda: opened(connection).put("late"))
    putter.start()
    assert items.get() == b"late"
    putter.join()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_producers_and_consumers(connection: tuple[type, str, dict[str, str]], method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    items = opened(connection)
    pipes = [context.Pipe() for _ in range(3)]
    consumers = [context.Process(target=consume, args=(connection, there)) for _, there in pipes]
    producers = [context.Process(target=produce, args=(connection, producer, 300)) for producer in range(3)]
    for process in consumers + producers:
        process.start()
    for process in producers:
        process.join(WITHIN)
        assert process.exitcode == 0
    for _ in consumers:
        items.put("end")
    taken = []
    for here, _ in pipes:
        assert here.poll(WITHIN)
        by_one = here.recv()
        for producer in range(3):
            numbers = [int(item.split(b":")[1]) for item in by_one if item.startswith(b"%d:" % producer)]
            assert numbers == sorted(numbers)
        taken += by_one
    for process in consumers:
        process.join(WITHIN)
        assert process.exitcode == 0
    assert sorted(taken) == sorted(b"%d:%d" % (producer, number) for producer in range(3) for number in range(300))
    assert items.empty()


def produce_and_stay(connection: tuple[type, str, dict[str, str]], count: int, out: Any) -> None:
    produce(connection, 0, count)
    out.send("put")
    signal.pause()


def test_items_survive_their_producer(connection: tuple[type, str, dict[str, str]]) -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    producer = context.Process(target=produce_and_stay, args=(connection, 100, there))
    producer.start()
    assert here.poll(WITHIN)
    assert producer.pid is not None
    os.kill(producer.pid, signal.SIGKILL)
    producer.join(WITHIN)
    items = opened(connection)
    assert [items.get_nowait() for _ in range(101)] == [b"0:%d" % number for number in range(100)] + [None]


def test_what_redis_has_no_word_for(place: Place) -> None:
    items = ringlog.BytesQueue("jobs")
    assert items.name == f"{Path(place.ring).parent}/queue:jobs"
    assert ringlog.BytesQueue("jobs", namespace="").name == f"{Path(place.ring).parent}/jobs"
    items.put(bytearray(b"one"))
    items.put(memoryview(b"-two-")[1:-1])
    assert len(items) == 2
    assert pickle.loads(pickle.dumps(items)).get() == b"one"
    with pytest.raises(RuntimeError), items.get(ack=False):
        raise RuntimeError
    with items.get(timeout=WITHIN, ack=False) as item:
        assert (item, items.unacked()) == (b"two", 1)
    assert items.get_nowait(ack=False) is None
    assert (len(items), items.unacked()) == (0, 0)
    with pytest.raises(TypeError):
        items.put(1)  # type: ignore[arg-type]
    for name in ("a/b", "/tmp/x"):
        with pytest.raises(ValueError, match="slash"):
            ringlog.BytesQueue(name)
    items.close()
    for call in (items.get, items.get_nowait, items.clean, lambda: items.put(b"")):
        with pytest.raises(ValueError, match="is closed"):
            call()


def test_a_full_one_refuses_after_its_time() -> None:
    items = ringlog.BytesQueue("jobs", size="1MiB", full_timeout=0.01)
    count = 0
    with pytest.raises(queue.Full, match="the queue is full"):
        while True:
            items.put(b"x" * 10_000)
            count += 1
    assert items.clean() == count
    with pytest.raises(ValueError, match="make the ring with a size of"):
        items.put(b"x" * 2_000_000)


def test_a_task_gets_bytes() -> None:
    items = ringlog.BytesQueue("jobs")

    async def run() -> None:
        assert await items.aget(timeout=0.01) is None
        waiting = asyncio.create_task(items.aget())
        await asyncio.sleep(0.01)
        items.put("a")
        assert await asyncio.wait_for(waiting, WITHIN) == b"a"
        items.put("b")
        (await items.aget(ack=False)).ack()

    asyncio.run(run())
    assert items.empty()
