"""`ringlog.Queue`: what goes in comes out, once and in order; its bound; its errors."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from conftest import WITHIN, Place

import ringlog

METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture(autouse=True)
def own_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Queues of the test lie in its own directory."""
    monkeypatch.setenv("RINGLOG_DIR", str(Path(place.ring).parent))
    yield


def rings(place: Place) -> list[str]:
    return sorted(path.name for path in Path(place.ring).parent.iterdir() if not path.name.startswith("."))


def take_all(items: ringlog.Queue, out: Connection) -> None:
    """Takes items up to a `None`, and sends them."""
    out.send(list(iter(lambda: items.get(timeout=WITHIN), None)))


def put_numbers(items: ringlog.Queue, putter: int, count: int) -> None:
    for number in range(count):
        items.put((putter, number))


def killed_after(context: Any, target: Any, *arguments: Any) -> None:
    """Runs the target, which says when it is done, and kills the process with it."""
    here, there = context.Pipe()
    process = context.Process(target=target, args=(*arguments, there))
    process.start()
    assert here.poll(WITHIN)
    here.recv()
    os.kill(process.pid, signal.SIGKILL)
    process.join(WITHIN)
    assert process.exitcode == -signal.SIGKILL


def put_and_stay(items: ringlog.Queue, values: list[Any], out: Connection) -> None:
    for value in values:
        items.put(value)
    out.send("put")
    signal.pause()


def claim_and_stay(items: ringlog.Queue, out: Connection) -> None:
    item = items.get(timeout=WITHIN, ack=False)
    out.send(item.value)
    signal.pause()


def refuses_at_once(call: Callable[[], object], error: type[Exception]) -> None:
    """Whether a call raises without a wait: so often that waits would add up to far more than is bearable."""
    deadline = time.monotonic() + WITHIN / 4
    for _ in range(1000):
        with pytest.raises(error):
            call()
        assert time.monotonic() < deadline


def test_items_come_out_in_order() -> None:
    items = ringlog.Queue()
    values: list[Any] = [1, "two", b"three", None, 4.5, {"five": [5, (6, 7)]}, "ä\udc80", ValueError("eight")]
    for value in values:
        items.put(value)
    assert items.qsize() == len(values)
    taken = [items.get_nowait() for _ in values]
    assert taken[:-1] == values[:-1]
    assert repr(taken[-1]) == repr(values[-1])
    assert items.empty()


@pytest.mark.parametrize("method", METHODS)
def test_several_getters_get_each_item_once(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    items = ringlog.Queue()
    pipes = [context.Pipe() for _ in range(3)]
    getters = [context.Process(target=take_all, args=(items, there)) for _, there in pipes]
    putters = [context.Process(target=put_numbers, args=(items, putter, 300)) for putter in range(2)]
    for process in getters + putters:
        process.start()
    for putter in putters:
        putter.join(WITHIN)
        assert putter.exitcode == 0
    for _ in getters:
        items.put(None)
    taken = []
    for here, _ in pipes:
        assert here.poll(WITHIN)
        by_one = here.recv()
        for putter in range(2):
            numbers = [number for who, number in by_one if who == putter]
            assert numbers == sorted(numbers)
        taken += by_one
    for getter in getters:
        getter.join(WITHIN)
        assert getter.exitcode == 0
    assert sorted(taken) == [(putter, number) for putter in range(2) for number in range(300)]


@pytest.mark.parametrize("method", METHODS)
def test_items_survive_the_process_that_put_them_in(method: str) -> None:
    context = multiprocessing.get_context(method)
    items = ringlog.Queue()
    killed_after(context, put_and_stay, items, list(range(200)))
    assert [items.get_nowait() for _ in range(200)] == list(range(200))
    assert items.empty()


def test_threads_of_one_process() -> None:
    items = ringlog.Queue()
    taken: list[list[Any]] = [[] for _ in range(4)]

    def take(mine: list[Any]) -> None:
        mine += iter(lambda: items.get(timeout=WITHIN), None)

    getters = [threading.Thread(target=take, args=(mine,)) for mine in taken]
    putters = [threading.Thread(target=put_numbers, args=(items, putter, 300)) for putter in range(4)]
    for thread in getters + putters:
        thread.start()
    for thread in putters:
        thread.join(WITHIN)
    for _ in getters:
        items.put(None)
    for thread in getters:
        thread.join(WITHIN)
    together = sorted(item for mine in taken for item in mine)
    assert together == [(putter, number) for putter in range(4) for number in range(300)]


def test_a_bound_is_a_number_of_items() -> None:
    items = ringlog.Queue(2)
    items.put("a")
    assert not items.full()
    items.put("b")
    assert items.full()
    with pytest.raises(queue.Full, match="2"):
        items.put_nowait("c")
    with pytest.raises(queue.Full):
        items.put("c", timeout=0.01)
    with pytest.raises(queue.Full):
        items.put("c", timeout=-1)
    assert items.refused == 3
    refuses_at_once(lambda: items.put_nowait("c"), queue.Full)
    refuses_at_once(lambda: items.put("c", False, WITHIN), queue.Full)
    assert [items.get(), items.get()] == ["a", "b"]
    assert items.empty() and not items.full()


def test_put_waits_for_room_within_the_bound() -> None:
    items = ringlog.Queue(1)
    items.put("first")
    has_put = threading.Event()

    def put() -> None:
        items.put("second")
        has_put.set()

    putter = threading.Thread(target=put)
    putter.start()
    assert not has_put.wait(0.05)
    assert items.get(timeout=WITHIN) == "first"
    assert has_put.wait(WITHIN)
    putter.join()
    assert items.get_nowait() == "second"


def test_a_killed_putter_leaves_its_room() -> None:
    items = ringlog.Queue(3)
    for _ in range(4):
        killed_after(multiprocessing.get_context("fork"), put_and_stay, items, [1, 2, 3])
        with pytest.raises(queue.Full):
            items.put_nowait(4)
        assert [items.get_nowait() for _ in range(3)] == [1, 2, 3]
        assert items.empty()


@pytest.mark.parametrize("is_nowait", [False, True])
def test_a_full_ring_refuses_after_its_time(is_nowait: bool) -> None:
    items = ringlog.Queue(size="1MiB", full_timeout=0.05)
    put = items.put_nowait if is_nowait else items.put
    count = 0
    with pytest.raises(queue.Full, match="the queue is full"):
        while True:
            put(b"x" * 10_000)
            count += 1
    assert items.qsize() == count > 10
    assert items.refused == 1
    for _ in range(count):
        assert len(items.get_nowait()) == 10_000
    put(b"again")
    assert items.get_nowait() == b"again"


def test_put_nowait_without_a_bound_waits_for_room_in_the_ring() -> None:
    items = ringlog.Queue(size="1MiB", full_timeout=0.0)
    count = 0
    with pytest.raises(queue.Full):
        while True:
            items.put_nowait(b"x" * 10_000)
            count += 1
    patient = pickle.loads(pickle.dumps(items))
    patient._full_timeout = WITHIN
    putter = threading.Thread(target=patient.put_nowait, args=("late",))
    putter.start()
    putter.join(0.05)
    assert putter.is_alive()
    for _ in range(count):
        items.get_nowait()
    putter.join(WITHIN)
    assert items.get(timeout=WITHIN) == "late"


def test_an_item_that_is_too_long_names_the_sizes() -> None:
    items = ringlog.Queue(size="1MiB")
    item = b"x" * 2_000_000
    told = r"an item of 20000\d\d bytes; this ring takes at most \d{6}; make the ring with a size of (\d+MiB)"
    with pytest.raises(ValueError, match=told) as raised:
        items.put(item)
    assert items.empty()
    size = re.search(told, str(raised.value))
    assert size is not None
    larger = ringlog.Queue(size=size[1])
    larger.put(item)
    assert larger.get_nowait() == item


def test_what_cannot_be_pickled_raises_at_once() -> None:
    items = ringlog.Queue()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        items.put(lambda: None)
    assert items.empty()


def send_through(items: ringlog.Queue) -> None:
    items.get(timeout=WITHIN).send("through")


def test_what_multiprocessing_can_send_goes_through() -> None:
    items = ringlog.Queue()
    child = multiprocessing.get_context("fork").Process(target=send_through, args=(items,))
    child.start()
    # A descriptor that the child has not inherited: a thread of this process passes it on, as with a queue of Python.
    here, there = multiprocessing.Pipe()
    items.put(there)
    assert here.poll(WITHIN)
    assert here.recv() == "through"
    child.join(WITHIN)
    assert child.exitcode == 0


def test_get_waits_as_long_as_it_is_asked_to() -> None:
    items = ringlog.Queue()
    for timeout in (0, 0.01, -1):
        with pytest.raises(queue.Empty):
            items.get(timeout=timeout)
    refuses_at_once(lambda: items.get(block=False), queue.Empty)
    refuses_at_once(lambda: items.get(False, WITHIN), queue.Empty)
    refuses_at_once(items.get_nowait, queue.Empty)
    putter = threading.Timer(0.05, items.put, ("late",))
    putter.start()
    assert items.get() == "late"
    putter.join()


def test_a_closed_queue_refuses() -> None:
    items = ringlog.Queue()
    items.put(1)
    items.close()
    items.join_thread()
    items.cancel_join_thread()
    for call in (items.get, items.get_nowait, lambda: items.put(2), lambda: items.put_nowait(2)):
        with pytest.raises(ValueError, match="is closed"):
            call()


def test_join_waits_for_items_and_their_acknowledgements() -> None:
    items = ringlog.Queue()
    items.join()
    items.put(1)
    joined = threading.Event()

    def join() -> None:
        items.join()
        joined.set()

    thread = threading.Thread(target=join)
    thread.start()
    assert not joined.wait(0.05)
    item = items.get(ack=False)
    assert items.unacked() == 1
    assert not joined.wait(0.05)
    item.ack()
    items.task_done()
    assert joined.wait(WITHIN)
    thread.join()
    assert items.unacked() == 0


def test_it_is_pickled_by_its_name(place: Place) -> None:
    items = ringlog.Queue(5, name="jobs", full_timeout=3.5)
    other = pickle.loads(pickle.dumps(items))
    other.put("here")
    assert items.get_nowait() == "here"
    assert (other.name, other._ring.bound, other._full_timeout) == (items.name, 5, 3.5)

    pickled = pickle.dumps(items)
    items.delete()
    with pytest.raises(ringlog.NoSuchRing):
        pickle.loads(pickled)
    ringlog.Queue(5, name="jobs")
    with pytest.raises(ringlog.Error, match="is another queue than the pickled one"):
        pickle.loads(pickled)


def test_names(place: Place) -> None:
    items = ringlog.Queue(name="jobs")
    assert rings(place) == ["jobs"]
    assert items.name == str(Path(place.ring).parent / "jobs")
    items.put(1)
    assert ringlog.Queue(name=items.name).get_nowait() == 1
    for name, why in (("a/b", "slash"), ("", "empty")):
        with pytest.raises(ValueError, match=why):
            ringlog.Queue(name=name)
    with pytest.raises(ValueError, match="maxsize is 7; the queue jobs was made with 0"):
        ringlog.Queue(7, name="jobs")
    items.delete()
    assert rings(place) == []


def test_clean_takes_all_out() -> None:
    items = ringlog.Queue()
    put_numbers(items, 0, 10)
    assert items.clean() == 10
    assert items.empty()
