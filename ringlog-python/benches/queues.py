"""`ringlog.Queue` and `multiprocessing.Queue`, `ringlog.BytesQueue` and a list of Redis, in turns.

One process puts, and one or three take out what it puts, until all is taken out; and a getter that sleeps is woken by
one item. Prints medians and the median of the ratios. For Redis, `redis-server` and the package `redis` are needed.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import ringlog

ROUNDS = 7
ITEMS = 20_000
WAKE_UPS = 200
ITEM = b"x" * 100
CONTEXT = multiprocessing.get_context("fork")

#: Makes a queue, and what removes it.
Kind = Callable[[], tuple[Any, Callable[[], object]]]


def take(items: Any, ready: Connection) -> None:
    """Takes items out up to an empty one, and says when it begins and ends."""
    ready.send(None)
    while items.get() != b"":
        pass
    ready.send(time.monotonic_ns())


def throughput(items: Any, getters: int) -> float:
    """Items in a second, from the first `put` until the last is taken out."""
    pipes = [CONTEXT.Pipe() for _ in range(getters)]
    processes = [CONTEXT.Process(target=take, args=(items, there)) for _, there in pipes]
    for process in processes:
        process.start()
    for here, _ in pipes:
        here.recv()
    started = time.monotonic_ns()
    for _ in range(ITEMS):
        items.put(ITEM)
    for _ in processes:
        items.put(b"")
    ended = max(here.recv() for here, _ in pipes)
    for process in processes:
        process.join()
    return ITEMS / (ended - started) * 1e9


def note_delays(items: Any, out: Connection) -> None:
    delays = []
    while (item := items.get()) != b"":
        delays.append(time.monotonic_ns() - int(item))
    out.send(statistics.median(delays) / 1e3)


def wake_up(items: Any) -> float:
    """Microseconds from `put` to the end of a `get` that has slept, median."""
    here, there = CONTEXT.Pipe()
    getter = CONTEXT.Process(target=note_delays, args=(items, there))
    getter.start()
    for _ in range(WAKE_UPS):
        time.sleep(0.003)
        items.put(b"%d" % time.monotonic_ns())
    items.put(b"")
    delay: float = here.recv()
    getter.join()
    return delay


def of_python() -> tuple[Any, Callable[[], object]]:
    items = CONTEXT.Queue()
    return items, items.close


def of_ringlog() -> tuple[Any, Callable[[], object]]:
    items = ringlog.Queue()
    return items, items.delete


def of_bytes() -> tuple[Any, Callable[[], object]]:
    items = ringlog.BytesQueue(f"bench-{time.monotonic_ns()}")
    return items, items.delete


class RedisQueue:
    """The queue that people build on a list."""

    def __init__(self, key: str, path: str) -> None:
        import redis

        self.key = key
        self._db = redis.Redis(unix_socket_path=path)

    def put(self, item: bytes) -> None:
        self._db.rpush(self.key, item)

    def get(self) -> bytes:
        found: Any = self._db.blpop([self.key])
        return bytes(found[1])

    def delete(self) -> None:
        self._db.delete(self.key)


@contextmanager
def redis_server() -> Iterator[Kind | None]:
    """A server that keeps nothing on the disk."""
    server = shutil.which("redis-server")
    if server is None or importlib.util.find_spec("redis") is None:
        print("SKIPPED: redis-server or the package redis is not there")
        yield None
        return
    import redis

    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket"
        options = ["--port", "0", "--unixsocket", path, "--dir", directory, "--save", "", "--appendonly", "no"]
        with subprocess.Popen([server, *options], stdout=subprocess.DEVNULL) as process:

            def of_redis() -> tuple[Any, Callable[[], object]]:
                items = RedisQueue(f"bench-{time.monotonic_ns()}", path)
                return items, items.delete

            try:
                for _ in range(1000):
                    try:
                        redis.Redis(unix_socket_path=path).ping()
                        break
                    except redis.ConnectionError:
                        time.sleep(0.01)
                yield of_redis
            finally:
                process.terminate()


def compare(what: str, unit: str, kinds: dict[str, Kind], measure: Callable[[Any], float]) -> None:
    """Measures each kind once a round; the first one is what the others are compared with."""
    results: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, make in kinds.items():
            items, remove = make()
            results[name].append(measure(items))
            remove()
    base = next(iter(results))
    print(what)
    for name, measured in results.items():
        ratio = statistics.median(b / a for a, b in zip(results[base], measured, strict=True))
        print(f"  {name:22} {statistics.median(measured):9,.0f} {unit}, {ratio:.2f} times {base}'s")


def main() -> None:
    objects: dict[str, Kind] = {"multiprocessing.Queue": of_python, "ringlog.Queue": of_ringlog}
    with redis_server() as of_redis:
        in_bytes: dict[str, Kind] = {"Redis list": of_redis, "ringlog.BytesQueue": of_bytes} if of_redis else {}
        for kinds in filter(None, (objects, in_bytes)):
            compare("one getter", "items/s", kinds, lambda items: throughput(items, 1))
            compare("three getters", "items/s", kinds, lambda items: throughput(items, 3))
            compare("wake-up", "µs", kinds, wake_up)


if __name__ == "__main__":
    main()
