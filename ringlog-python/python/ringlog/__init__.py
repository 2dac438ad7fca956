"""Python's logging through shared memory: many processes, one file, no line lost.

    import logging, ringlog

    ringlog.basicConfig(filename="app.log", level=logging.INFO)
    logging.info("ready")          # from here on as ever, in any number of processes

or, with the configuration that is there already, one handler more:

    logging.getLogger().addHandler(ringlog.Handler("app"))
"""

from ringlog import interpreter

interpreter.require_main()

from typing import TYPE_CHECKING, Any

from ringlog._ringlog import Error, NoSuchRing
from ringlog.binary import find_binary
from ringlog.config import basicConfig, convert
from ringlog.handler import Handler
from ringlog.logger import install, uninstall
from ringlog.writer import Writer

__all__ = [
    "BytesQueue",
    "Error",
    "Handler",
    "Item",
    "NoSuchRing",
    "Queue",
    "Writer",
    "basicConfig",
    "convert",
    "find_binary",
    "install",
    "uninstall",
]

if TYPE_CHECKING:
    from ringlog.queue import BytesQueue, Item, Queue


def __getattr__(name: str) -> Any:
    # Loaded when they are used: a program that logs does not need them.
    if name in ("BytesQueue", "Item", "Queue"):
        from ringlog import queue

        return getattr(queue, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
