"""Runs a class of CPython's own `test_logging`, where each stream handler writes through a ring and a writer.

`cpython_logging.py DIRECTORY CLASS` prints one JSON object: the outcome of each test, and how many records went through
rings. `cpython_logging.py DIRECTORY` prints the names of all classes of tests.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import json
import logging
import logging.config
import logging.handlers
import os
import sys
import types
import unittest
from typing import Any, TextIO

import ringlog

DIRECTORY = sys.argv[1]
NUMBERS = itertools.count()
STYLES = {logging.PercentStyle: "%", logging.StrFormatStyle: "{", logging.StringTemplateStyle: "$"}

#: One for all handlers: a thread logs into a few rings only.
RING = os.path.join(DIRECTORY, "ring")

#: Records that have come back from a writer.
passed = 0


class Lines:
    """The writer of the ring, which is started anew when another handler or another format is asked for."""

    def __init__(self) -> None:
        self._config: dict[str, Any] | None = None
        self._writer: ringlog.Writer | None = None

    def configure(self, out: str, formatter: dict[str, Any]) -> None:
        """Sees to it that a writer runs with this formatter and this file."""
        config = {
            "version": 1,
            "formatters": {"f": formatter},
            "handlers": {"file": {"class": "logging.FileHandler", "filename": out, "formatter": "f"}},
            "root": {"level": "NOTSET", "handlers": ["file"]},
        }
        if config != self._config:
            self.stop()
            with open(RING + ".toml", "w", encoding="utf-8") as file:
                file.write("exit-notices = false\n" + ringlog.convert(config, strict=True))
            self._writer = ringlog.Writer(RING, config=RING + ".toml").start()
            self._config = config

    def stop(self) -> None:
        """Ends the writer."""
        if self._writer is not None:
            self._writer.stop()
        self._writer = self._config = None


lines = Lines()


class ThroughRing(ringlog.Handler):
    """Takes the place of `logging.StreamHandler`: the stream gets what the writer has made of each record."""

    terminator = "\n"

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(RING, create="1MiB", timeout=10.0)
        self.stream = sys.stderr if stream is None else stream
        self._out = os.path.join(DIRECTORY, f"{next(NUMBERS)}.log")
        self._read = 0

    def setStream(self, stream: TextIO) -> TextIO | None:
        """As that of `StreamHandler`, whose result is the old stream."""
        old = None if stream is self.stream else self.stream
        self.stream = stream
        return old

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.through(record))
        except Exception:
            self.handleError(record)

    def through(self, record: logging.LogRecord) -> str:
        """What the writer makes of this record, by the handler's formatter."""
        global passed
        lines.configure(self._out, description(self.formatter))
        super().emit(record)
        self.sync(30)
        with open(self._out, encoding="utf-8", newline="") as file:
            text = file.read()[self._read :]
        self._read += len(text)
        if not text:
            raise RuntimeError("the record is not in the file")
        passed += 1
        return text


def description(formatter: logging.Formatter | None) -> dict[str, Any]:
    """The formatter as `dictConfig` would name it."""
    if formatter is None:
        return {"format": "%(message)s"}
    named = {"format": formatter._fmt, "style": STYLES[type(formatter._style)]}
    return named if formatter.datefmt is None else {**named, "datefmt": formatter.datefmt}


class FormatterThroughRing(logging.Formatter):
    """Takes the place of `logging.Formatter`: its `format` is that of the writer."""

    _handler: ThroughRing | None = None

    def format(self, record: logging.LogRecord) -> str:
        # The records of the tests are made by hand, without a level.
        record = logging.makeLogRecord({"levelno": 20, **{k: v for k, v in vars(record).items() if v is not None}})
        if self._handler is None:
            self._handler = Raising()
            self._handler.formatter = self
        return self._handler.through(record).removesuffix("\n")


class Raising(ThroughRing):
    """Raises what goes wrong."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise  # noqa: PLE0704


class Result(unittest.TestResult):
    """The outcome of each test, by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcomes[test._testMethodName] = "passed"

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        # Loggers and handlers refer to each other. A thread has lanes in so many handlers only.
        gc.collect()
        lines.stop()

    def _set(self, test: Any, outcome: str) -> None:
        name = getattr(test, "_testMethodName", None) or getattr(test, "test_case", test)._testMethodName
        self.outcomes[name] = outcome

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._set(test, self._exc_info_to_string(err, test))

    addFailure = addError

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self._set(test, self._exc_info_to_string(err, test))

    def addSkip(self, test: Any, reason: str) -> None:
        self._set(test, f"skipped: {reason}")


def replace_stream_handler() -> None:
    """Puts `ThroughRing` in the place of `logging.StreamHandler`, but not of the base of Python's file handlers."""
    before = {**vars(logging)}
    for handler in (logging.FileHandler, logging.handlers.WatchedFileHandler):
        for name, method in vars(handler).items():
            if isinstance(method, types.FunctionType) and method.__module__ == "logging":
                of_base = types.FunctionType(method.__code__, before, name, method.__defaults__, method.__closure__)
                of_base.__kwdefaults__ = method.__kwdefaults__
                setattr(handler, name, of_base)
    logging.StreamHandler = ThroughRing  # type: ignore[misc, assignment]


def main() -> None:
    # Before the tests are loaded: some of their classes are derived from it.
    replace_stream_handler()
    if sys.argv[2:] == ["FormatterTest"]:
        logging.Formatter = FormatterThroughRing  # type: ignore[misc]
    from test import test_logging  # type: ignore[import-not-found, unused-ignore]

    classes = dict(inspect.getmembers(test_logging, inspect.isclass))
    if not sys.argv[2:]:
        tests = [name for name, its in classes.items() if issubclass(its, unittest.TestCase)]
        print(json.dumps([name for name in tests if classes[name].__module__ == test_logging.__name__]))
        return
    loader = unittest.TestLoader()
    result = Result()
    out = sys.stdout
    loader.loadTestsFromTestCase(classes[sys.argv[2]]).run(result)
    print(json.dumps({"outcomes": result.outcomes, "through": passed}), file=out)


if __name__ == "__main__":
    main()
