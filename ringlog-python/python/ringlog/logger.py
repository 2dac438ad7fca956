"""Loggers whose methods are native."""

from __future__ import annotations

import logging
import os
from typing import Any

from ringlog._ringlog import make_native
from ringlog.handler import Handler


class Logger(logging.Logger):
    """As `logging.Logger`, and faster: a call makes no `LogRecord` if only handlers of ringlog would see it."""


class RootLogger(logging.RootLogger):
    """As `Logger`, for the root."""


make_native(Logger)
make_native(RootLogger)

#: The class that Python makes loggers of, and the native one in its place.
_NATIVE: dict[type, type] = {logging.Logger: Logger, logging.RootLogger: RootLogger}


def install(ring: str | os.PathLike[str] | Handler = "app", **options: Any) -> Handler:
    """Logs into a ring as if `Handler(ring, **options)` hung on the root logger, and makes the loggers' methods native.

    That holds for the loggers that there are, and for those to come. What is logged is the same; a call costs a quarter
    or less. Loggers of a class of their own stay as they are, and so does everything that Python's documentation says
    about loggers: levels, `propagate`, filters, further handlers, record factories.

    `ring` can also be a handler; one that hangs on a logger already stays there. Returns the handler.
    """
    handler = ring if isinstance(ring, Handler) else Handler(ring, **options)
    if options and handler is ring:
        raise TypeError("ring is a handler, so its options are set; expected none here")
    handler.steer()
    root = logging.getLogger()
    if not any(handler in logger.handlers for logger in (root, *_loggers())):
        root.addHandler(handler)
    _change_classes(_NATIVE)
    return handler


def uninstall() -> None:
    """Gives the loggers their methods of Python back. Handlers stay where they are."""
    _change_classes({native: own for own, native in _NATIVE.items()})


def _by_rule(logger: logging.Logger, level: int) -> logging.Logger | None:
    """A logger with the handlers of `logger` for which a level rule from outside enables the level, if there are some.

    A rule for the same name as the one that `setLevel` was called for, or for a longer one, goes before that.
    """
    if logger.disabled or logger.manager.disable >= level:
        return None
    decides: logging.Logger = logger
    while decides.parent is not None and not decides.level:
        decides = decides.parent
    length = 0 if decides.parent is None else len(decides.name.encode("utf-8", "replace"))
    handlers: list[logging.Handler] = []
    above: logging.Logger | None = logger
    while above is not None:
        for handler in above.handlers:
            if isinstance(handler, Handler) and handler.level <= level:
                rule = handler.rule_for(logger.name)
                if rule is not None and rule[0] >= length and min(level, 255) >= rule[1]:
                    handlers.append(handler)
        above = above.parent if above.propagate else None
    if not handlers:
        return None
    enabled = logging.Logger(logger.name, 1)
    enabled.handlers, enabled.filters = handlers, logger.filters
    return enabled


def _loggers() -> list[logging.Logger]:
    known = list(logging.Logger.manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger)]


def _change_classes(classes: dict[type, type]) -> None:
    # First for the loggers to come, so that none is missed.
    if logging.getLoggerClass() in classes:
        logging.setLoggerClass(classes[logging.getLoggerClass()])
    for logger in (logging.getLogger(), *_loggers()):
        if type(logger) in classes:
            logger.__class__ = classes[type(logger)]
