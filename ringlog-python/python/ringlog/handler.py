"""The handler of Python's logging that logs into a ring."""

from __future__ import annotations

import logging
import os
import weakref
from types import MethodType
from typing import Any

from ringlog._ringlog import Error, NativeHandler


class Handler(NativeHandler, logging.Handler):  # type: ignore[misc]  # the native one comes first
    """Logs into the ring `ring`, a name or a path.

    `create` is the size of the ring that is made if there is none, in bytes or as `"16MiB"`; `None` makes none. If the
    ring is full, a call waits up to `timeout` seconds for room, while other threads run, and then drops the record; the
    output shows how many were dropped, and so does `dropped`.

    The writer formats the lines, so a formatter of the handler has one use: its `formatException` and `formatStack`.

    Raises `NoSuchRing` or `Error` if the ring cannot be opened.
    """

    #: Whether the ring is held: its writer removes it after its last user.
    _is_held = False

    def __init__(
        self,
        ring: str | os.PathLike[str] = "app",
        *,
        level: int | str = logging.NOTSET,
        create: str | int | None = "16MiB",
        timeout: float = 1.0,
    ) -> None:
        logging.Handler.__init__(self, level)
        self._timeout = timeout
        size = None if create is None else str(create)
        self.open_ring(os.fspath(ring), size, timeout, is_held=self._is_held)
        if self._is_held:
            _held.add(self)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The native `handle` does not look for an `emit` of Python, so a class that has one gets the slower way.
        if cls.emit is not NativeHandler.emit and cls.handle is NativeHandler.handle:
            cls.handle = _handle_by_emit  # type: ignore[method-assign, assignment]

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        # An `emit` of the object, such as a mock, gets that way too.
        if name in ("emit", "filter") and "handle" not in self.__dict__ and type(self).handle is NativeHandler.handle:
            super().__setattr__("handle", MethodType(_handle_by_emit, self))

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        is_last = not {"emit", "filter"} & self.__dict__.keys()
        if is_last and getattr(self.__dict__.get("handle"), "__func__", None) is _handle_by_emit:
            super().__delattr__("handle")

    def createLock(self) -> None:
        """There is no lock: nothing here needs one, and a child of a fork cannot inherit it locked."""
        self.lock = None

    def _after_drop(self) -> None:
        """Called when a record was dropped."""

    def _report(self, error: BaseException, record: logging.LogRecord) -> None:
        try:
            raise error
        except Exception:
            self.handleError(record)

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self.ring_path, self.ring_uuid, self.level, self._timeout, self.name, self.filters)
        return _restore, (type(self), state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ring_path} ({logging.getLevelName(self.level)})>"


#: The handlers whose rings are held, for forked children.
_held: weakref.WeakSet[Handler] = weakref.WeakSet()


def _hold_again() -> None:
    for handler in list(_held):
        handler.hold_again()


os.register_at_fork(after_in_child=_hold_again)


def _restore(cls: type[Handler], state: tuple[Any, ...]) -> Handler:
    path, uuid, level, timeout, name, filters = state
    handler = cls(path, level=level, create=None, timeout=timeout)
    if handler.ring_uuid != uuid:
        raise Error(f"{path} is another ring than the one of the pickled handler: {handler.ring_uuid}, expected {uuid}")
    handler.filters = filters
    if name is not None:
        handler.name = name
    return handler


def _handle_by_emit(self: Handler, record: logging.LogRecord) -> bool | logging.LogRecord:
    passed = self.filter(record)
    if passed:
        # Since Python 3.12 a filter can put another record in its place.
        self.emit(passed if isinstance(passed, logging.LogRecord) else record)
    return passed
