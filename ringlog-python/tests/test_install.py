"""`install`: native loggers log what Python's do."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Place

import ringlog
from ringlog.logger import Logger, RootLogger

Log = Callable[[logging.Logger], None]


def loggers(place: Place) -> tuple[logging.Logger, logging.Logger]:
    """A logger of Python and a native one, of the same name, both with a handler of the ring."""
    handler = ringlog.Handler(place.ring, create="4MiB")
    pair = logging.Logger("shop.orders", 1), Logger("shop.orders", 1)
    for log in pair:
        log.addHandler(handler)
    return pair


def is_native(call: Callable[[], object]) -> bool:
    """Whether a call makes no record of Python."""
    made = []

    def look(frame: types.FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name == "makeRecord":
            made.append(frame)

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    return not made


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """What a record says, but when and as which."""
    attributes = {
        name: value
        for name, value in record.get("attributes", {}).items()
        if name not in ("created", "msecs", "relativeCreated")
    }
    return {
        **{name: value for name, value in record.items() if name not in ("time", "lane", "incarnation", "sequence")},
        "attributes": attributes,
    }


@pytest.fixture
def installed() -> Iterator[None]:
    """Undoes what a test changes in `logging`."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before[0], before[1]
    root.setLevel(level)
    ringlog.uninstall()


class Shown:
    def __str__(self) -> str:
        return "<shown>"


def log_messages(log: logging.Logger) -> None:
    log.debug("plain")
    log.info("order %d at %s, %f", 7, "XETR", 9.5)
    log.warning("100%")
    log.error("%s %s %s", None, True, 1.0)
    log.critical("%d%%", 12)
    log.log(35, "level %i", 5)
    log.log(logging.INFO, "{braces} %s {}", "{x}")
    log.info("")
    log.info("%s", ("a", "tuple"))
    log.info("%(a)s %(b)d", {"a": 1, "b": 2})
    log.info("%s", {})
    log.info("%s", {"a": 1})
    log.info("%s %r", Shown(), "q")
    log.info("ü € \U0001f600 %s", "ß")
    log.info("half %s", "\udc80")
    log.info("long %s", "x" * 3000)
    log.info("%s", 2**70)
    log.info("%d", 2**63 - 1)
    log.info("%x %o %X", 255, 8, -255)
    log.info("%c %e %g", "c", 1e10, 1e-5)
    log.info("%s" * 9, *range(9))
    log.info("%*d", 5, 3)
    fatal = log.fatal
    fatal("fatal %s", "end")


def log_otherwise(log: logging.Logger) -> None:
    """What native methods leave to Python."""
    log.info(Shown())
    log.info(12)
    log.info("extra %d", 1, extra={"user": "x"})
    log.info("stack", stack_info=True)
    log.info("level", stacklevel=2)
    log.log(0, "zero")
    log.log(1000, "thousand")
    try:
        raise ValueError("bad")
    except ValueError:
        log.exception("failed %d", 3)
        log.error("failed", exc_info=True)


@pytest.mark.parametrize("logs", [log_messages, log_otherwise])
def test_native_records_are_python_s(place: Place, logs: Log) -> None:
    plain, native = loggers(place)
    for log in (plain, native):
        logs(log)
    records = [without_times(record) for record in place.records()]
    half = len(records) // 2
    assert half >= 8
    for of_python, ours in zip(records[:half], records[half:], strict=True):
        assert ours == of_python


def test_most_calls_make_no_record(place: Place) -> None:
    plain, native = loggers(place)
    assert not is_native(lambda: plain.info("x"))
    calls: tuple[Callable[[], object], ...] = (
        lambda: native.info("order %d at %s, %f", 7, "XETR", 9.5),
        lambda: native.info("no arguments"),
        lambda: native.info(f"made {1} at the call"),
        lambda: native.info("%s" * 9, *range(9)),
        lambda: native.log(35, "level"),
        lambda: native.info("%s", Shown()),
    )
    for call in calls:
        call()  # the level is in the logger's cache from now on
        assert is_native(call)


def formats(chance: random.Random) -> tuple[str, tuple[object, ...]]:
    """A format and arguments, mostly such as fit."""
    parts: list[str] = []
    arguments: list[object] = []
    for _ in range(chance.randint(0, 5)):
        parts.append(chance.choice(["", "a", " {} ", "{0}", "%%", "ü", "}", "{{"]))
        flags = "".join(chance.sample("-+ #0", chance.choice([0, 0, 0, 1, 2])))
        width = chance.choice(["", "", "", "1", "5", "12"])
        precision = chance.choice(["", "", "", ".", ".0", ".2", ".10"])
        letter = chance.choice("sssdddixXoffFegrac")
        parts.append(f"%{flags}{width}{precision}{letter}")
        numbers: list[object] = [0, -1, 7, 255, -255, 2**31, 2**63 - 1, -(2**63), 2**63, 10**30]
        floats: list[object] = [0.0, -0.0, 1.0, 0.5, 1.5, 2.5, 0.125, 1e16, 1e15, 1e-4, 9.99e-5, 123456789.125, -2.675]
        floats += [float("nan"), float("inf"), chance.uniform(-1e6, 1e6), chance.random(), 5e-324, 1e308]
        others: list[object] = ["", "text", "ü€", None, True, False, (1, 2), b"bytes", Shown()]
        arguments.append(chance.choice(chance.choice([numbers, floats, others])))
    if chance.random() < 0.05 and arguments:
        arguments.pop()
    return "".join(parts), tuple(arguments)


def test_every_format_gives_python_s_text(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    chance = random.Random(20261201)
    _, log = loggers(place)
    expected = []
    for number in range(4000):
        pattern, arguments = formats(chance)
        # A constant of the code that calls, as the format of a statement is.
        scope: dict[str, Any] = {}
        exec(f"def call(log, arguments): log.info({pattern!r}, *arguments)", scope)
        scope["call"](log, arguments)
        try:
            record = logging.LogRecord("", 0, "", 0, pattern, arguments, None)
            expected.append(record.getMessage())
        except (TypeError, ValueError, OverflowError):
            pass
        if number % 1000 == 999:
            assert [record["message"] for record in place.records()] == expected
            expected.clear()


def test_formats_made_at_the_call_share_a_definition(place: Place) -> None:
    _, log = loggers(place)
    log.info("warm")
    for number in range(50):
        log.info("order %d", number)
        log.info("made " + str(number) + " %d", number)
    stat = json.loads(place.command("stat", place.ring, "--json"))
    assert stat["definitions"]["count"] == 3
    messages = [record["message"] for record in place.records()]
    assert messages[:5] == ["warm", "order 0", "made 0 0", "order 1", "made 1 1"]


def test_wrong_arguments_are_python_s_to_report(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    _, log = loggers(place)
    log.info("warm")
    log.info("%d %d", 1)
    assert "not enough arguments" in capsys.readouterr().err
    assert [record["message"] for record in place.records()] == ["warm"]


def test_a_call_without_a_message_raises_as_python_s(place: Place) -> None:
    plain, native = loggers(place)
    for log in (plain, native):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'msg'"):
            log.info()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="level must be an integer"):
            log.log("INFO", "x")  # type: ignore[arg-type]


class Collects(logging.Handler):
    def __init__(self, level: int = 0) -> None:
        super().__init__(level)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


def test_other_handlers_get_their_records(place: Place) -> None:
    _, log = loggers(place)
    collects = Collects(logging.ERROR)
    log.addHandler(collects)
    log.info("below")
    for number in range(2):
        log.error("seen %d", number)
    assert collects.seen == ["seen 0", "seen 1"]
    assert is_native(lambda: log.info("again below"))
    messages = [record["message"] for record in place.records()]
    assert messages == ["below", "seen 0", "seen 1", "again below"]


def test_a_handler_s_class_may_get_other_methods(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    _, log = loggers(place)
    log.info("warm")
    assert is_native(lambda: log.info("native"))
    seen: list[logging.LogRecord] = []
    with monkeypatch.context() as patching:
        patching.setattr(ringlog.Handler, "handle", lambda self, record: seen.append(record), raising=False)
        log.info("to the new method")
    assert [record.msg for record in seen] == ["to the new method"]


def test_filters_run(place: Place) -> None:
    _, log = loggers(place)
    log.info("warm")
    log.addFilter(lambda record: "no" not in record.getMessage())
    log.info("yes")
    log.info("no")
    log.filters.clear()
    log.handlers[0].addFilter(lambda record: "no" not in record.getMessage())
    log.info("yes")
    log.info("no")
    assert [record["message"] for record in place.records()] == ["warm", "yes", "yes"]


def patch_factory(monkeypatch: pytest.MonkeyPatch, log: logging.Logger) -> None:
    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return logging.LogRecord(args[0], args[1], args[2], args[3], "patched", (), None)

    monkeypatch.setattr(logging, "_logRecordFactory", factory)


def patch_class(name: str) -> Callable[[pytest.MonkeyPatch, logging.Logger], None]:
    def patch(monkeypatch: pytest.MonkeyPatch, log: logging.Logger) -> None:
        monkeypatch.setattr(logging.Logger, name, patched(name))

    return patch


def patch_native_class(name: str) -> Callable[[pytest.MonkeyPatch, logging.Logger], None]:
    def patch(monkeypatch: pytest.MonkeyPatch, log: logging.Logger) -> None:
        monkeypatch.setattr(Logger, name, patched(name), raising=False)

    return patch


def patch_object(name: str) -> Callable[[pytest.MonkeyPatch, logging.Logger], None]:
    def patch(monkeypatch: pytest.MonkeyPatch, log: logging.Logger) -> None:
        monkeypatch.setattr(log, name, types.MethodType(patched(name), log))

    return patch


def patched(name: str) -> Callable[..., Any]:
    """A method that does its work, and says "patched"."""
    own = getattr(logging.Logger, name)

    def method(self: logging.Logger, *args: Any, **kwargs: Any) -> Any:
        if name in ("callHandlers", "handle"):
            args[0].msg, args[0].args = "patched", ()
        elif name == "makeRecord":
            return own(self, *args[:4], "patched", (), *args[6:], **kwargs)
        elif name == "_log":
            return own(self, args[0], "patched", (), **kwargs)
        elif name == "info":
            return own(self, "patched", **kwargs)
        return own(self, *args, **kwargs)

    return method


PATCHES = {
    "factory": patch_factory,
    **{f"class {name}": patch_class(name) for name in ("callHandlers", "handle", "makeRecord", "_log", "info")},
    **{f"native {name}": patch_native_class(name) for name in ("callHandlers", "handle", "makeRecord", "_log")},
    **{f"object {name}": patch_object(name) for name in ("callHandlers", "handle", "makeRecord", "_log", "info")},
}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES.keys())
def test_what_a_program_has_replaced_runs(
    place: Place, monkeypatch: pytest.MonkeyPatch, patch: Callable[[pytest.MonkeyPatch, logging.Logger], None]
) -> None:
    _, log = loggers(place)
    log.info("%d", 1)
    with monkeypatch.context() as patching:
        patch(patching, log)
        log.info("%d", 2)
    log.info("%d", 3)
    assert [record["message"] for record in place.records()] == ["1", "patched", "3"]
    assert is_native(lambda: log.info("%d", 4))


def test_other_clocks_and_threads_are_followed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    _, log = loggers(place)
    log.info("warm")
    with monkeypatch.context() as patching:
        clock = "time_ns" if sys.version_info >= (3, 13) else "time"
        then = 1_000_000_000_000_000_000 if clock == "time_ns" else 1e9
        patching.setattr(f"time.{clock}", lambda: then)
        log.info("long ago")
    with monkeypatch.context() as patching:
        patching.setattr(logging, "logThreads", False)
        log.info("no thread")
    with monkeypatch.context() as patching:
        patching.setattr(threading, "get_ident", lambda: 7)
        log.info("other thread")
    assert is_native(lambda: log.info("as ever"))
    _, ago, none, other, ever = (record.get("attributes", {}) for record in place.records())
    assert ago["created"] == 1e9
    assert none.get("threadName") is None
    assert other["thread"] == 7
    assert ever["threadName"] == "MainThread"


def test_levels_are_python_s(place: Place) -> None:
    _, log = loggers(place)
    log.setLevel(logging.WARNING)
    log.info("too low")
    log.warning("one")
    log.setLevel(logging.DEBUG)
    log.debug("two")
    log.handlers[0].setLevel(logging.ERROR)
    log.warning("too low for the handler")
    log.handlers[0].setLevel(logging.NOTSET)
    log.disabled = True
    log.error("disabled")
    log.disabled = False
    logging.disable(logging.ERROR)
    try:
        log._cache.clear()  # type: ignore[attr-defined]  # as its manager does, of those that it has made
        log.error("all are disabled")
    finally:
        logging.disable(logging.NOTSET)
    log._cache.clear()  # type: ignore[attr-defined]
    log.error("three")
    assert [record["message"] for record in place.records()] == ["one", "two", "three"]


def test_level_names_are_those_at_the_call(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    _, log = loggers(place)
    monkeypatch.setitem(logging._levelToName, logging.INFO, "info")
    log.info("x")
    log.log(36, "y")
    first, second = (record["attributes"] for record in place.records())
    assert first["levelname"] == "info"
    assert "levelname" not in second


def test_records_reach_the_handlers_above(place: Place, installed: None) -> None:
    handler = ringlog.install(place.ring, create="1MiB")
    root = logging.getLogger()
    assert isinstance(root, RootLogger) and handler in root.handlers
    root.setLevel(logging.INFO)
    # Without those of pytest.
    root.handlers[:] = [handler]
    parent, child = logging.getLogger("install"), logging.getLogger("install.child")
    assert type(parent) is Logger and type(child) is Logger
    child.info("up")
    assert is_native(lambda: child.info("up"))
    child.propagate = False
    child.addHandler(logging.NullHandler())
    child.info("not up")
    child.propagate = True
    root.info("of the root")
    logging.info("of the module %d", 1)
    assert is_native(lambda: logging.info("of the module %d", 1))
    records = place.records()
    assert [record["message"] for record in records] == [
        "up",
        "up",
        "of the root",
        "of the module 1",
        "of the module 1",
    ]
    assert {record["function"] for record in records} == {"test_records_reach_the_handlers_above", "<lambda>"}


def test_loggers_of_a_class_of_their_own_stay(place: Place, installed: None) -> None:
    class Own(logging.Logger):
        def info(self, msg: object, *args: object, **kwargs: Any) -> None:
            super().info(f"own {msg}", *args, **kwargs)

    before = Own("install.own")
    logging.Logger.manager.loggerDict["install.own"] = before
    before.parent = logging.getLogger()
    try:
        ringlog.install(place.ring, create="1MiB")
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger("install.own").info("x")
        adapter = logging.LoggerAdapter(logging.getLogger("install.adapted"), {"user": "u"})
        adapter.info("adapted %d", 1)
    finally:
        del logging.Logger.manager.loggerDict["install.own"]
    own, adapted = place.records()
    assert own["message"] == "own x"
    assert (adapted["message"], adapted["fields"]["user"]) == ("adapted 1", "u")
    assert adapted["function"] == "test_loggers_of_a_class_of_their_own_stay"


def test_uninstall_gives_the_methods_back(place: Place, installed: None) -> None:
    ringlog.install(place.ring, create="1MiB")
    log = logging.getLogger("install.back")
    ringlog.uninstall()
    assert type(log) is logging.Logger
    assert type(logging.getLogger()) is logging.RootLogger
    assert logging.getLoggerClass() is logging.Logger


def test_two_rings_get_each_record(place: Place) -> None:
    _, log = loggers(place)
    second = ringlog.Handler(place.ring + "2", create="1MiB")
    log.addHandler(second)
    log.info("both %d", 2)
    assert is_native(lambda: log.info("both %d", 3))
    assert [record["message"] for record in place.records()] == ["both 2", "both 3"]
    place.ring += "2"
    assert [record["message"] for record in place.records()] == ["both 2", "both 3"]


def test_tasks_and_threads_are_named(place: Place) -> None:
    plain, native = loggers(place)

    async def work(log: logging.Logger) -> None:
        log.info("in a task")

    for log in (plain, native):
        thread = threading.Thread(target=log.info, args=("in a thread",), name="worker")
        thread.start()
        thread.join()
        asyncio.run(work(log))
    records = [without_times(record) for record in place.records()]
    for record in records:
        record["attributes"].pop("thread", None)
        record["attributes"].pop("taskName", None) if sys.version_info < (3, 12) else None
    names = [record["attributes"].get("taskName") for record in records]
    if sys.version_info >= (3, 12):
        assert names[1] and names[1].startswith("Task-")
    assert records[0]["attributes"]["threadName"] == records[2]["attributes"]["threadName"] == "worker"


def test_an_argument_may_log(place: Place) -> None:
    _, log = loggers(place)

    class Logs:
        def __str__(self) -> str:
            log.info("inner %d", 1)
            return "text"

    log.info("warm")
    log.info("outer %s", Logs())
    assert [record["message"] for record in place.records()] == ["warm", "inner 1", "outer text"]


def test_an_argument_that_fails_is_reported(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    _, log = loggers(place)

    class Fails:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    class Interrupts:
        def __str__(self) -> str:
            raise KeyboardInterrupt

    log.info("warm")
    log.info("%s", Fails())
    assert "no text" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        log.info("%s", Interrupts())
    assert [record["message"] for record in place.records()] == ["warm"]


def test_a_rule_from_outside_goes_before_set_level(place: Place, installed: None) -> None:
    handler = ringlog.install(place.ring, create="1MiB")
    root, collects = logging.getLogger(), Collects()
    root.handlers[:] = [handler, collects]
    root.setLevel(logging.WARNING)
    db, pool = logging.getLogger("rules.db"), logging.getLogger("rules.db.pool")
    pool.setLevel(logging.ERROR)
    db.debug("before")
    place.command("level", place.ring, "rules.db=debug")
    for number in range(2):
        db.debug("enabled %d", number)
        pool.debug("of a longer name")
        logging.getLogger("rules").debug("of a shorter name")
    db.debug("with a field", extra={"user": "u"})
    logging.disable(logging.DEBUG)
    db.debug("all are disabled")
    logging.disable(logging.NOTSET)
    place.command("level", place.ring, "rules.db=default", "rules.db.pool=info")
    db.debug("after")
    pool.info("enabled for itself")
    pool.debug("below")
    assert collects.seen == []
    records = place.records()
    expected = ["enabled 0", "enabled 1", "with a field", "enabled for itself"]
    assert [record["message"] for record in records] == expected
    assert {record["function"] for record in records} == {"test_a_rule_from_outside_goes_before_set_level"}
    assert {record["file"] for record in records} == {__file__}


def test_a_rule_from_outside_limits(place: Place, installed: None) -> None:
    ringlog.install(place.ring, create="1MiB")
    log = logging.getLogger("rules.limited")
    log.setLevel(logging.DEBUG)
    log.debug("before")
    place.command("level", place.ring, "rules.limited=error")
    log.debug("limited")
    log.error("let through")
    assert [record["message"] for record in place.records()] == ["before", "let through"]


@pytest.mark.parametrize("level", ["debug", "warning"])
def test_an_object_may_log_when_the_interpreter_ends(place: Place, level: str) -> None:
    printed = place.python(
        f"""
        import logging, ringlog, sys

        ringlog.install(sys.argv[1], create="1MiB")
        log = logging.getLogger("ends")
        if len(sys.argv) > 2:
            log.{level}("before")

        class Ends:
            def __init__(self):
                self.log = log
            def __del__(self):
                self.log.{level}("at the end")

        ends = Ends()
        ends.itself = ends
        also = Ends()
        """,
        place.ring,
        *(["twice"] if level == "warning" else []),
    )
    assert printed == ""


def test_an_argument_is_asked_for_its_text_once(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    _, log = loggers(place)
    asked = []

    class Fails:
        def __str__(self) -> str:
            asked.append(self)
            log.info("asked")
            raise ValueError("no text")

    class Named(threading.Thread):
        @property
        def name(self) -> str:
            return "of its own"

        @name.setter
        def name(self, value: str) -> None:
            pass

    class Counts:
        def __str__(self) -> str:
            asked.append(self)
            return "counted"

    log.info("warm")
    log.info("%s", Fails())
    assert "no text" in capsys.readouterr().err
    thread = Named(target=log.info, args=("%s", Counts()))
    thread.start()
    thread.join()
    assert len(asked) == 2
    assert [record["message"] for record in place.records()] == ["warm", "asked", "counted"]


def test_a_record_goes_once_to_a_ring_whose_neighbour_is_full(place: Place) -> None:
    printed = place.python(
        """
        import logging, ringlog, signal, sys

        log = ringlog.logger.Logger("two", 1)
        log.addHandler(ringlog.Handler(sys.argv[1], create="1MiB"))
        log.info("warm")
        full = ringlog.Handler(sys.argv[1] + "2", create="256KiB", timeout=0.0)
        filler = logging.Logger("full", 1)
        filler.addHandler(full)
        while not full.dropped:
            filler.info("x" * 1000)
        waits = ringlog.Handler(sys.argv[1] + "2", create=None, timeout=30.0)
        log.addHandler(waits)

        def interrupt(*_):
            raise TimeoutError("too long")

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        log.info("once")
        """,
        place.ring,
    )
    assert "TimeoutError: too long" in printed and "Message: 'once'" in printed
    assert [record["message"] for record in place.records()] == ["warm", "once"]


def test_a_test_may_install_a_ring_of_its_own_each_time(place: Place, installed: None) -> None:
    root = logging.getLogger()
    for number in range(70):
        handler = ringlog.install(f"{place.ring}-{number}", create="256KiB")
        root.handlers[:] = [handler]
        logging.getLogger("many").warning("x")
        root.removeHandler(handler)
        ringlog.uninstall()
        assert handler.dropped == 0


def test_other_names_and_frames_are_followed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    _, log = loggers(place)
    log.info("warm")
    with monkeypatch.context() as patching:
        patching.setattr(logging, "getLevelName", lambda level: f"LV{level}")
        log.info("named")
    with monkeypatch.context() as patching:
        frame = sys._getframe()
        patching.setattr(logging, "currentframe", lambda: frame)
        log.info("from elsewhere")
    _, named, elsewhere = place.records()
    assert named["attributes"]["levelname"] == "LV20"
    assert elsewhere["function"] != named["function"] == "test_other_names_and_frames_are_followed"
