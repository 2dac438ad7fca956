"""`ringlog.Handler` by itself."""

from __future__ import annotations

import copy
import logging
import logging.config
import os
import pickle
import threading
import time
from unittest import mock

import pytest
from conftest import Place

import ringlog


def test_a_record_keeps_its_place_level_and_logger(place: Place, logger: logging.Logger) -> None:
    logger.addHandler(ringlog.Handler(place.ring))
    logger.warning("disk %d%%", 91)
    [record] = place.records()
    assert (record["message"], record["level"], record["logger"]) == ("disk 91%", "WARN", "shop.orders")
    assert record["file"] == __file__
    assert record["function"] == "test_a_record_keeps_its_place_level_and_logger"
    assert record["line"] > 20


def test_extra_fields_keep_their_types(place: Place, logger: logging.Logger) -> None:
    logger.addHandler(ringlog.Handler(place.ring))
    extra = {
        "user": "eve",
        "number": -7,
        "large": 2**63,
        "huge": 2**70,
        "price": 9.5,
        "paid": True,
        "nothing": None,
        "raw": b"\xff\x00",
        "items": [1, "a"],
        "ringlog.created": "mine",
        "ü": "umlaut",
    }
    logger.info("filled", extra=extra)
    [record] = place.records()
    fields = record["fields"]
    assert fields.pop("_ringlog.created") == "mine"
    expected = {name: value for name, value in extra.items() if name != "ringlog.created"}
    assert fields == {**expected, "huge": str(2**70), "raw": {"base64": "/wA="}, "items": "[1, 'a']"}


def test_attributes_of_python_travel(place: Place, logger: logging.Logger) -> None:
    logger.addHandler(ringlog.Handler(place.ring))
    thread = threading.Thread(target=logger.info, args=("from a thread",), name="fetcher")
    thread.start()
    ident = thread.ident
    thread.join()
    [record] = place.records()
    attributes = record["attributes"]
    assert (attributes["threadName"], attributes["thread"]) == ("fetcher", ident)
    assert attributes["processName"] == "MainProcess"
    assert abs(attributes["created"] - time.time()) < 60
    assert "process" not in attributes, "it is the one that the ring knows"


def test_levels_beyond_a_byte_and_with_names(place: Place, logger: logging.Logger) -> None:
    logger.addHandler(ringlog.Handler(place.ring))
    logging.addLevelName(35, "NOTICE")
    try:
        logger.setLevel(1)
        for level in (1, 5, 35, 255, 256, 10_000):
            logger.log(level, "%d", level)
    finally:
        logging._levelToName.pop(35)
        logging._nameToLevel.pop("NOTICE")
    records = place.records()
    assert [record["level_number"] for record in records] == [1, 5, 35, 255, 255, 255]
    names = [record["attributes"].get("levelname") for record in records]
    assert names == [None, "Level 5", "NOTICE", None, "Level 256", "Level 10000"]
    assert [record["attributes"].get("levelno") for record in records] == [None, None, None, None, 256, 10_000]


def test_filters_decide_and_may_change_the_record(place: Place, logger: logging.Logger) -> None:
    handler = ringlog.Handler(place.ring)
    logger.addHandler(handler)
    handler.addFilter(lambda record: "secret" not in record.getMessage())

    def name_it(record: logging.LogRecord) -> bool:
        record.user = "eve"
        record.threadName = "renamed"
        return True

    handler.addFilter(name_it)
    logger.info("a secret")
    logger.info("no harm")
    [record] = place.records()
    assert (record["message"], record["fields"]) == ("no harm", {"user": "eve"})
    assert record["attributes"]["threadName"] == "renamed"


def test_a_wrong_call_goes_to_handle_error(
    place: Place, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.addHandler(ringlog.Handler(place.ring))
    logger.info("%d %d", 1)

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    logger.info("%s", Broken())
    logger.info(Broken())
    logger.info("after")
    shown = capsys.readouterr().err
    assert shown.count("--- Logging error ---") == 3
    assert "not enough arguments for format string" in shown
    assert "test_a_wrong_call_goes_to_handle_error" in shown, "the place of the call is shown"
    assert [record["message"] for record in place.records()] == ["after"]


def test_what_is_no_exception_passes_through(place: Place, logger: logging.Logger) -> None:
    class Interrupted:
        def __str__(self) -> str:
            raise KeyboardInterrupt

    logger.addHandler(ringlog.Handler(place.ring))
    with pytest.raises(KeyboardInterrupt):
        logger.info("%s", Interrupted())


def test_a_subclass_with_emit_is_asked(place: Place, logger: logging.Logger) -> None:
    class Loud(ringlog.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            record.msg = str(record.msg).upper()
            super().emit(record)

    logger.addHandler(Loud(place.ring))
    logger.info("quiet")
    assert [record["message"] for record in place.records()] == ["QUIET"]


def test_a_full_ring_waits_and_then_counts(place: Place, logger: logging.Logger) -> None:
    handler = ringlog.Handler(place.ring, create="256KiB", timeout=0.05)
    logger.addHandler(handler)
    started = time.monotonic()
    while handler.dropped < 2:
        logger.info("x" * 1000)
    assert time.monotonic() - started >= 0.1
    dropped = handler.dropped
    lines = place.drain()
    assert f"{dropped} records dropped here" in lines or "dropped here" in lines
    stat = place.command("stat", place.ring)
    assert f"{dropped} dropped" in stat


def test_other_threads_run_while_one_waits(place: Place, logger: logging.Logger) -> None:
    handler = ringlog.Handler(place.ring, create="256KiB", timeout=20.0)
    logger.addHandler(handler)
    # More than the ring takes: the thread waits until this one has started a writer, which it can only while it runs.
    waits = threading.Thread(target=lambda: [logger.info("x" * 1000) for _ in range(1000)])
    waits.start()
    time.sleep(0.2)
    assert waits.is_alive()
    with ringlog.Writer(place.ring, out="/dev/null", create=None):
        waits.join()
    assert handler.dropped == 0


def test_a_message_longer_than_the_ring_takes_is_cut(place: Place, logger: logging.Logger) -> None:
    logger.addHandler(ringlog.Handler(place.ring, create="256KiB"))
    logger.info("%s", "ü" * 1_000_000)
    [record] = place.records()
    assert record["cut"] is True
    assert set(record["message"]) == {"ü"}
    assert 10_000 < len(record["message"]) < 1_000_000


def test_texts_without_utf8_are_escaped(place: Place, logger: logging.Logger) -> None:
    logger.addHandler(ringlog.Handler(place.ring))
    logger.info("half %s", "\ud800", extra={"k\udc80": "v\udcff"})
    [record] = place.records()
    assert record["message"] == r"half \ud800"
    assert record["fields"] == {r"k\udc80": r"v\udcff"}


def test_a_pickled_handler_logs_into_the_same_ring(place: Place, logger: logging.Logger) -> None:
    handler = ringlog.Handler(place.ring, level=logging.INFO, timeout=0.5)
    handler.set_name("mine")
    for other in (pickle.loads(pickle.dumps(handler)), copy.copy(handler)):
        assert (other.level, other.name, other.ring_uuid) == (logging.INFO, "mine", handler.ring_uuid)
        logger.addHandler(other)
    logger.info("twice")
    assert len(place.records()) == 2


def test_a_pickled_handler_refuses_another_ring(place: Place) -> None:
    pickled = pickle.dumps(ringlog.Handler(place.ring))
    place.command("rm", "--force", place.ring)
    with pytest.raises(ringlog.NoSuchRing):
        pickle.loads(pickled)
    place.command("create", place.ring)
    with pytest.raises(ringlog.Error, match="another ring than the one of the pickled handler"):
        pickle.loads(pickled)


def test_a_forked_child_logs_as_itself(place: Place, logger: logging.Logger) -> None:
    logger.addHandler(ringlog.Handler(place.ring))
    logger.info("parent")
    child = os.fork()
    if child == 0:
        logger.info("child")
        os._exit(0)
    os.waitpid(child, 0)
    records = place.records()
    assert [(record["message"], record["pid"]) for record in records] == [("parent", os.getpid()), ("child", child)]
    assert all("process" not in record["attributes"] for record in records)


def test_no_ring_is_made_if_none_is_wanted(place: Place) -> None:
    with pytest.raises(ringlog.NoSuchRing, match="app"):
        ringlog.Handler(place.ring, create=None)
    with pytest.raises(ringlog.Error, match="size"):
        ringlog.Handler(place.ring, create="16 parsecs")


def test_configurations_name_the_handler(place: Place) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"ring": {"class": "ringlog.Handler", "ring": place.ring, "level": "WARNING"}},
                "root": {"handlers": ["ring"], "level": "INFO"},
            }
        )
        logging.getLogger("by.dict").warning("one")
        logging.getLogger("by.dict").info("below the handler's level")
        file = place.files / "logging.conf"
        file.write_text(
            "[loggers]\nkeys=root\n[handlers]\nkeys=ring\n[formatters]\nkeys=\n"
            "[logger_root]\nhandlers=ring\nlevel=INFO\n"
            f"[handler_ring]\nclass=ringlog.Handler\nargs=({place.ring!r},)\n"
        )
        logging.config.fileConfig(file, disable_existing_loggers=False)
        logging.getLogger("by.file").info("two")
    finally:
        root.handlers[:], root.level = before
    assert [(record["logger"], record["message"]) for record in place.records()] == [
        ("by.dict", "one"),
        ("by.file", "two"),
    ]


def test_levels_are_limited_from_outside(place: Place, logger: logging.Logger) -> None:
    logger.addHandler(ringlog.Handler(place.ring))
    place.command("level", place.ring, "shop=warn")
    logger.info("not wanted")
    logger.warning("wanted")
    place.command("level", place.ring, "--reset")
    logger.info("wanted again")
    assert [record["message"] for record in place.records()] == ["wanted", "wanted again"]


def test_the_variable_limits_levels(place: Place) -> None:
    program = """
        import logging, ringlog, sys
        logging.basicConfig(level=1, handlers=[ringlog.Handler(sys.argv[1])])
        logging.getLogger("db").info("db info")
        logging.getLogger("web").info("web info")
        logging.getLogger("db").debug("db debug")
    """
    place.python(program, place.ring, RINGLOG_LEVEL="warn,db=info")
    assert [record["message"] for record in place.records()] == ["db info"]
    assert "RINGLOG_LEVEL" in place.python(program, place.ring, code=1, RINGLOG_LEVEL="loud")


def test_places_without_a_bound_do_not_fill_memory(place: Place, logger: logging.Logger) -> None:
    handler = ringlog.Handler(place.ring, create="64MiB")
    for number in range(17_000):
        record = logging.LogRecord(f"request.{number}", 20, "a.py", 1, "x", None, None, "f")
        handler.handle(record)
    loggers = [record["logger"] for record in place.records()]
    assert loggers == [f"request.{number}" for number in range(17_000)]


def test_records_of_a_queue_keep_what_they_say(place: Place) -> None:
    # As `QueueListener` does: the record was made elsewhere, and pickled.
    handler = ringlog.Handler(place.ring)
    made = logging.LogRecord("far", 20, "/x/far.py", 7, "from %s", ("afar",), None, "send")
    made.process, made.processName, made.created = 4242, "Far", 1000.25
    handler.handle(pickle.loads(pickle.dumps(made)))
    [record] = place.records()
    attributes = record["attributes"]
    assert (attributes["process"], attributes["processName"], attributes["created"]) == (4242, "Far", 1000.25)
    assert (record["message"], record["line"]) == ("from afar", 7)


def test_a_replaced_get_message_is_asked(place: Place) -> None:
    place.python(
        """
        import logging, ringlog, sys
        log = logging.Logger("x", 1)
        log.addHandler(ringlog.Handler(sys.argv[1]))
        log.info("by %s", "percent")
        own = logging.LogRecord.getMessage
        logging.LogRecord.getMessage = lambda self: str(self.msg).format(*self.args)
        log.info("by {}", "braces")
        logging.LogRecord.getMessage = own
        record = logging.makeLogRecord({"msg": "by %s", "args": ("percent",), "levelno": 20})
        record.getMessage = lambda: "by itself"
        log.handle(record)
        """,
        place.ring,
    )
    assert [record["message"] for record in place.records()] == ["by percent", "by braces", "by itself"]


def test_an_emit_of_another_base_is_asked(place: Place, logger: logging.Logger) -> None:
    class Loud:
        def emit(self, record: logging.LogRecord) -> None:
            record.msg = str(record.msg).upper()
            super().emit(record)  # type: ignore[misc]

    class Both(Loud, ringlog.Handler):  # type: ignore[misc]
        pass

    logger.addHandler(Both(place.ring))
    logger.info("quiet")
    assert [record["message"] for record in place.records()] == ["QUIET"]


def test_times_below_zero_are_refused(place: Place) -> None:
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="expected seconds"):
            ringlog.Handler(place.ring, timeout=wrong)
        with pytest.raises(ValueError, match="expected seconds"):
            ringlog.Handler(place.ring).sync(wrong)


def test_a_wait_for_the_writer_is_interrupted(place: Place) -> None:
    started = time.monotonic()
    place.python(
        """
        import logging, ringlog, signal, sys
        log = logging.Logger("x", 1)
        handler = ringlog.Handler(sys.argv[1])
        log.addHandler(handler)
        log.info("nobody writes it")
        signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            handler.sync(50)
        except KeyboardInterrupt:
            print("interrupted")
        """,
        place.ring,
    )
    assert time.monotonic() - started < 40


@pytest.mark.parametrize("imported", [False, True])
def test_sub_interpreters_are_refused_in_words(place: Place, imported: bool) -> None:
    said = place.python(
        """
        import sys
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            import _interpreters as interpreters
        if sys.argv[1] == "True":
            import ringlog
        other = interpreters.create()
        try:
            # Since Python 3.13 the error is returned.
            print(interpreters.run_string(other, "import ringlog"))
        except Exception as error:
            print(error)
        """,
        str(imported),
    )
    assert "does not support loading in subinterpreters" in said


def test_an_emit_of_the_object_is_called(place: Place, logger: logging.Logger) -> None:
    handler = ringlog.Handler(place.ring)
    logger.addHandler(handler)
    with mock.patch.object(handler, "emit") as emit:
        handler.addFilter(lambda record: record.msg != "left out")
        logger.info("left out")
        logger.info("to the mock")
        assert [call.args[0].msg for call in emit.mock_calls] == ["to the mock"]
    logger.info("to the ring")
    native = handler.emit
    handler.emit = lambda record: native(record) or native(record)  # type: ignore[method-assign, func-returns-value]
    logger.info("twice")
    assert [record["message"] for record in place.records()] == ["to the ring", "twice", "twice"]


def test_a_handle_of_the_object_stays(place: Place, logger: logging.Logger) -> None:
    handler = ringlog.Handler(place.ring)
    logger.addHandler(handler)
    with mock.patch.object(handler, "handle") as handle, mock.patch.object(handler, "emit") as emit:
        logger.info("to the mock")
        assert (handle.call_count, emit.call_count) == (1, 0)
    logger.info("to the ring")
    assert [record["message"] for record in place.records()] == ["to the ring"]


def test_a_program_configures_itself_any_number_of_times(place: Place) -> None:
    place.python(
        """
        import gc, logging, logging.config, sys

        # What is left to the collector by chance is left to nobody here.
        gc.disable()
        for number in range(40):
            logging.config.dictConfig({
                "version": 1,
                "handlers": {"ring": {"class": "ringlog.Handler", "ring": sys.argv[1]}},
                "root": {"handlers": ["ring"], "level": "INFO"},
            })
            logging.info("%d", number)
            assert logging.getLogger().handlers[0].dropped == 0, number
        """,
        place.ring,
    )
    assert [record["message"] for record in place.records()] == [str(number) for number in range(40)]


def test_a_filter_of_the_class_or_the_object_is_asked(place: Place, logger: logging.Logger) -> None:
    class Discreet(ringlog.Handler):
        def filter(self, record: logging.LogRecord) -> bool:
            return "secret" not in record.getMessage()

    handler = Discreet(place.ring, create="1MiB")
    for log in (logger, ringlog.logger.Logger("native", 1)):
        log.addHandler(handler)
        for _ in range(2):
            log.info("secret")
            log.info("public")
        log.removeHandler(handler)
        plain = ringlog.Handler(place.ring)
        log.addHandler(plain)
        plain.filter = lambda record: False  # type: ignore[method-assign, assignment]
        log.info("refused by the object")
        del plain.filter
        log.info("public")
        log.removeHandler(plain)
    assert [record["message"] for record in place.records()] == ["public"] * 6


def test_an_emit_that_the_class_gets_later_is_called(place: Place, logger: logging.Logger) -> None:
    handler = ringlog.Handler(place.ring, create="1MiB")
    logger.addHandler(handler)
    logger.info("before")
    with mock.patch.object(ringlog.Handler, "emit") as emit:
        logger.info("to the mock")
    logger.info("after")
    assert emit.call_count == 1
    assert [record["message"] for record in place.records()] == ["before", "after"]
