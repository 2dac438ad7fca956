"""Queues between processes, in shared memory."""

from __future__ import annotations

import copyreg
import functools
import io
import os
import pickle
import queue
import time
import uuid
import weakref
from collections import ChainMap
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ringlog._ringlog import (
    Error,
    NativeClaim,
    NativeQueue,
    QueueFull,
    path_of,
    remove,
    remove_unheld,
)
from ringlog.ending import at_end_of_process

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")

#: What names of nameless queues begin with. What follows is their own.
_NAMELESS = "nameless-"

#: How long a thread waits for an item on behalf of a task, which may be cancelled meanwhile.
_SLICE = 0.2

#: How often `join` looks.
_LOOK = 0.01

#: The nameless queues of this process, and of its forked children.
_held: weakref.WeakSet[Queue] = weakref.WeakSet()


class _Users:
    """Lets go of the nameless queues when the process ends, also of a child that ends by `os._exit`."""

    @functools.cache
    def end_with_process(self) -> None:
        at_end_of_process(self.let_go, after_children=True)

    def let_go(self) -> None:
        for held in list(_held):
            held._ring.let_go()


_users = _Users()


class Item(Generic[T]):
    """An item that was taken with `get(ack=False)`: its `value`, until `ack` is called.

    If the process ends before that, or this object is gone, the item goes to another getter. In a `with` statement it
    is acknowledged at the end of the block, unless that raises.
    """

    def __init__(self, value: T, claim: NativeClaim) -> None:
        self.value = value
        self._claim: NativeClaim | None = claim

    def ack(self) -> None:
        """The item is done with: no other getter gets it."""
        if self._claim is None:
            raise ValueError("the item has been acknowledged or let go of")
        self._claim.ack()
        self._claim = None

    def release(self) -> None:
        """Lets go of the item: it goes to another getter."""
        self._claim = None

    def __enter__(self) -> T:
        return self.value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._claim is None:
            return
        if kind is None:
            self.ack()
        else:
            self.release()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.value!r}>"


def _ring(name: str) -> str:
    """A name, or the path that it is."""
    if not name:
        raise ValueError("the queue's name is empty")
    if "/" in name and not name.startswith(("/", "./", "../")):
        raise ValueError(
            f"the queue's name {name!r} has a slash; expected a name without, or a path that begins with / or ./"
        )
    return name


class Queue:
    """As `multiprocessing.Queue`, in shared memory: `ringlog.Queue(-1)` in place of `multiprocessing.Queue(-1)`.

    An item is in the queue when `put` returns; no thread passes it on, and it survives the process that put it in. Any
    number of processes and threads put and get; each item goes to one of them, in the order in which they were put in.

    Without a bound (`maxsize` is 0 or less) `put` and `put_nowait` wait up to `full_timeout` seconds for room in the
    ring, whose size in bytes is `size`, and then raise `queue.Full`. So a program that fills the queue before anybody
    gets must have room for all of it. An item that is longer than the ring takes is a `ValueError` that says which size
    does.

    With a `name`, or a path, processes that are not related use the queue; it stays until `delete` is called. Without
    one it is passed to other processes as an argument, by fork or by pickling, and is removed after its last user.
    """

    def __init__(
        self,
        maxsize: int = 0,
        *,
        name: str | None = None,
        size: str | int = "16MiB",
        full_timeout: float = 10.0,
        ctx: object = None,
    ) -> None:
        is_held = name is None
        if name is None:
            name = path_of(_NAMELESS + uuid.uuid4().hex)
            _sweep(Path(name).parent)
        ring = NativeQueue(_ring(name), size=str(size), bound=max(maxsize, 0), is_held=is_held)
        if ring.bound != max(maxsize, 0):
            raise ValueError(f"maxsize is {maxsize}; the queue {name} was made with {ring.bound}")
        self._begin(ring, is_held, full_timeout)

    def _begin(self, ring: NativeQueue, is_held: bool, full_timeout: float) -> None:
        self._ring = ring
        self._full_timeout = full_timeout
        self._closed = False
        #: How often `put` found no room.
        self.refused = 0
        if is_held:
            _held.add(self)
            weakref.finalize(self, ring.let_go).atexit = False
            _users.end_with_process()

    @property
    def name(self) -> str:
        """The path of the queue's ring, for `ringlog stat`, say."""
        return self._ring.path

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Puts an item in.

        Raises `queue.Full` if there is no room in time, and `ValueError` for an item that is too long, or after
        `close`.
        """
        self._put(_dumps(obj), block, timeout)

    def put_nowait(self, obj: Any) -> None:
        """As `put` with `block=False`."""
        self.put(obj, False)

    def _put(self, item: bytes, block: bool, timeout: float | None) -> None:
        self._check_open()
        bound = self._ring.bound
        if bound == 0:
            patience: float | None = self._full_timeout
        else:
            patience = timeout if block else 0.0
            patience = None if patience is None else max(patience, 0.0)
        try:
            self._ring.put(item, patience)
        except QueueFull as full:
            is_bound, why = full.args
            if bound > 0 and not is_bound and patience is not None and patience < self._full_timeout:
                # There are fewer items than it takes, so it waits for room as without a bound.
                try:
                    self._ring.put(item, self._full_timeout)
                    return
                except QueueFull as still:
                    why = still.args[1]
            self.refused += 1
            raise queue.Full(why) from None

    def get(self, block: bool = True, timeout: float | None = None, *, ack: bool = True) -> Any:
        """Takes the next item out; with `ack=False` as an `Item`, which is to be acknowledged.

        Raises `queue.Empty` if there is none in time.
        """
        self._check_open()
        patience = timeout if block else 0.0
        patience = None if patience is None else max(patience, 0.0)
        if ack:
            item = self._ring.get(patience)
            if item is None:
                raise queue.Empty
            return pickle.loads(item)
        claim = self._ring.claim(patience)
        if claim is None:
            raise queue.Empty
        return Item(pickle.loads(claim.item()), claim)

    def get_nowait(self, *, ack: bool = True) -> Any:
        """As `get` with `block=False`."""
        return self.get(False, ack=ack)

    async def aget(self, timeout: float | None = None, *, ack: bool = True) -> Any:
        """As `get`, for a task of asyncio. A task that is cancelled has taken nothing."""
        return await _aget(self, timeout, lambda: self.get(False, ack=ack))

    def qsize(self) -> int:
        """The number of items: exact while nobody puts or gets."""
        return len(self._ring)

    def empty(self) -> bool:
        """Whether there is no item."""
        return len(self._ring) == 0

    def full(self) -> bool:
        """Whether there are `maxsize` items."""
        bound = self._ring.bound
        return 0 < bound <= len(self._ring)

    def unacked(self) -> int:
        """How many items were taken with `ack=False` and are not acknowledged."""
        return self._ring.unacked()

    def task_done(self) -> None:
        """Does nothing: `join` waits for items to be taken out, and for those with `ack=False` to be acknowledged."""

    def join(self) -> None:
        """Waits until every item was taken out, and none is left to be acknowledged."""
        while len(self._ring) or self._ring.unacked():
            time.sleep(_LOOK)

    def close(self) -> None:
        """This object is used no longer. What is in the queue stays there."""
        self._closed = True

    def join_thread(self) -> None:
        """Does nothing: `put` has done its work when it returns."""

    def cancel_join_thread(self) -> None:
        """Does nothing, as `join_thread`."""

    def clean(self) -> int:
        """Takes out all items, and returns how many they were."""
        return self._ring.clear()

    def delete(self) -> None:
        """Removes the queue, with all that is in it, whoever uses it."""
        self._closed = True
        remove(self._ring.path)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed")

    def __getstate__(self) -> tuple[str, str, bool, float]:
        return self._ring.path, self._ring.uuid, self in _held, self._full_timeout

    def __setstate__(self, state: tuple[str, str, bool, float]) -> None:
        path, uuid, is_held, full_timeout = state
        ring = NativeQueue(path, is_held=is_held)
        if ring.uuid != uuid:
            raise Error(f"{path} is another queue than the pickled one: {ring.uuid}, expected {uuid}")
        self._begin(ring, is_held, full_timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._ring.path}>"


class BytesQueue:
    """A queue of bytes by its name, as people build it on a list of Redis.

    Every process that names it uses the same one; it stays until `delete` is called.
    """

    def __init__(
        self,
        name: str,
        namespace: str = "queue",
        *,
        size: str | int = "16MiB",
        full_timeout: float = 10.0,
    ) -> None:
        key = _ring(f"{namespace}:{name}" if namespace else name)
        self._ring = NativeQueue(key, size=str(size))
        self._full_timeout = full_timeout
        self._closed = False

    @property
    def name(self) -> str:
        """The path of the queue's ring."""
        return self._ring.path

    def put(self, item: str | bytes | bytearray | memoryview) -> None:
        """Puts bytes in, or a text as UTF-8. Raises `queue.Full` if there is no room within `full_timeout` seconds."""
        self._check_open()
        try:
            self._ring.put(item.encode() if isinstance(item, str) else bytes(memoryview(item)), self._full_timeout)
        except QueueFull as full:
            raise queue.Full(full.args[1]) from None

    def get(self, block: bool = True, timeout: float | None = None, *, ack: bool = True) -> Any:
        """Takes out the next item; `None` if there is none in time. With `ack=False` it is an `Item`."""
        self._check_open()
        patience = timeout if block else 0.0
        patience = None if patience is None else max(patience, 0.0)
        if ack:
            return self._ring.get(patience)
        claim = self._ring.claim(patience)
        return None if claim is None else Item(claim.item(), claim)

    def get_nowait(self, *, ack: bool = True) -> Any:
        """As `get` with `block=False`."""
        return self.get(False, ack=ack)

    async def aget(self, timeout: float | None = None, *, ack: bool = True) -> Any:
        """As `get`, for a task of asyncio. A task that is cancelled has taken nothing."""

        def get() -> Any:
            item = self.get(False, ack=ack)
            if item is None:
                raise queue.Empty
            return item

        try:
            return await _aget(self, timeout, get)
        except queue.Empty:
            return None

    def qsize(self) -> int:
        """The number of items: exact while nobody puts or gets."""
        return len(self._ring)

    def __len__(self) -> int:
        return len(self._ring)

    def empty(self) -> bool:
        """Whether there is no item."""
        return len(self._ring) == 0

    def unacked(self) -> int:
        """How many items were taken with `ack=False` and are not acknowledged."""
        return self._ring.unacked()

    def clean(self) -> int:
        """Takes out all items, and returns how many they were."""
        self._check_open()
        return self._ring.clear()

    def close(self) -> None:
        """This object is used no longer. The queue stays."""
        self._closed = True

    def delete(self) -> None:
        """Removes the queue, with all that is in it, whoever uses it."""
        self._closed = True
        remove(self._ring.path)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"{self!r} is closed")

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (self._ring.path, self._full_timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._ring.path}>"


def _named(path: str, full_timeout: float) -> BytesQueue:
    return BytesQueue(path, namespace="", full_timeout=full_timeout)


#: Types for which no reducer is asked.
_PLAIN = frozenset((type(None), bool, int, float, str, bytes))


@functools.cache
def _pickler() -> type[pickle.Pickler]:
    """As that of `multiprocessing`, whose reducers know connections and the like. It makes a table for each object."""
    # Not with this module: a log record takes longer where the package is loaded.
    from multiprocessing.reduction import ForkingPickler

    known: Any = ForkingPickler

    class Pickler(pickle.Pickler):
        dispatch_table = ChainMap(known._extra_reducers, copyreg.dispatch_table)  # type: ignore[arg-type]

    return Pickler


def _dumps(obj: Any) -> bytes:
    if type(obj) in _PLAIN:
        return pickle.dumps(obj)
    buffer = io.BytesIO()
    _pickler()(buffer).dump(obj)
    return buffer.getvalue()


async def _aget(waits: Queue | BytesQueue, timeout: float | None, get: Any) -> Any:
    import asyncio

    until = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            return get()
        except queue.Empty:
            left = _SLICE if until is None else min(_SLICE, until - time.monotonic())
            if left <= 0:
                raise
            # Takes nothing, so nothing is lost if the task is cancelled meanwhile.
            await asyncio.get_running_loop().run_in_executor(_waiting(), waits._ring.wait, left)


@functools.cache
def _waiting() -> Executor:
    """Threads that wait on behalf of tasks: not those that a program has its other work done by."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(32, "ringlog-aget")


def _sweep(directory: Path) -> None:
    """Removes nameless queues whose users were all killed."""
    try:
        left = [entry.path for entry in os.scandir(directory) if entry.name.startswith(_NAMELESS)]
    except OSError:
        return
    for path in left:
        try:
            remove_unheld(path)
        except Error:
            # Another process removes it, or it is no ring.
            pass


def _hold_again() -> None:
    for held in list(_held):
        held._ring.hold_again()


os.register_at_fork(after_in_child=_hold_again)
