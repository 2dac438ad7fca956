"""`basicConfig`, and configurations of Python's logging for the writer."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ringlog._ringlog import Error, writer_pid
from ringlog.binary import find_binary
from ringlog.ending import at_end_of_process
from ringlog.handler import Handler
from ringlog.writer import Writer

#: How long the end of a program waits until its lines are written.
_WRITTEN_WITHIN = 5.0

#: The writers that this process has started. They end once nobody logs any more.
_writers: list[Writer] = []


def convert(config: Mapping[str, Any], *, strict: bool = False) -> str:
    """The configuration of the writer, as TOML, that means the same as this dictionary for `dictConfig`.

    What has no counterpart is listed in its first lines. With `strict` it is an `Error`.
    """
    command = [find_binary(), "import", "-", *(["--strict"] if strict else [])]
    text = json.dumps(config, default=as_json)
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise Error(done.stderr.decode("utf-8", "replace").strip())
    return done.stdout.decode("utf-8")


def as_json(value: object) -> object:
    """A value that JSON does not have, as the importer reads it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if callable(value):
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if module and name:
            return f"{module}.{name}"
    return str(value)


def basicConfig(
    *,
    filename: str | os.PathLike[str],
    filemode: str = "a",
    format: str | None = None,
    datefmt: str | None = None,
    style: str = "%",
    level: int | str | None = None,
    maxBytes: int = 0,
    backupCount: int = 0,
    when: str | None = None,
    interval: int = 1,
    utc: bool = False,
    handlers: Iterable[logging.Handler] = (),
    force: bool = False,
    size: str | int = "16MiB",
) -> None:
    """As `logging.basicConfig`, for a file that any number of processes log into.

    The arguments are Python's, with those of `RotatingFileHandler` (`maxBytes`, `backupCount`) and
    `TimedRotatingFileHandler` (`when`, `interval`, `backupCount`, `utc`); `handlers` are further handlers of this
    process. The first process that names a file starts its writer; others, started by any means, use it. The writer
    ends when the last of them has. Each process calls this, or inherits the handler by fork. `size` is that of the
    ring in which lines wait to be written. At its end a program waits until its lines are in the file.

    Does nothing if the root logger has handlers, but with `force` these are removed and closed first.

    Raises `Error` if no writer can be started.
    """
    root = logging.getLogger()
    if force:
        for handler in root.handlers[:]:
            root.removeHandler(handler)
            handler.close()
    if root.handlers:
        return
    path = os.path.abspath(os.fspath(filename))
    handler_config = _file_handler(filemode, maxBytes, backupCount, when, interval, utc)
    config = {
        "version": 1,
        "formatters": {"file": _formatter(format, datefmt, style)},
        "handlers": {"file": {"filename": path, "formatter": "file", **handler_config}},
        # Levels are Python's: a logger with a lower one than the root's has its records written.
        "root": {"level": "NOTSET", "handlers": ["file"]},
    }
    handler = Handler(_ring_of(path), create=size)
    handler.attach()
    _start_writer(handler.ring_path, convert(config, strict=True))
    at_end_of_process(_wait_until_written, handler)
    root.addHandler(handler)
    for further in handlers:
        if further.formatter is None:
            further.setFormatter(logging.Formatter(format, datefmt, style))  # type: ignore[arg-type]
        root.addHandler(further)
    if level is not None:
        root.setLevel(level)


def _formatter(format: str | None, datefmt: str | None, style: str) -> dict[str, str]:
    if style not in ("%", "{", "$"):
        raise ValueError(f"style is {style!r}; expected '%', '{{' or '$'")
    usual = {
        "%": logging.BASIC_FORMAT,
        "{": "{levelname}:{name}:{message}",
        "$": "${levelname}:${name}:${message}",
    }
    formatter = {"format": usual[style] if format is None else format, "style": style}
    return formatter if datefmt is None else {**formatter, "datefmt": datefmt}


def _file_handler(
    filemode: str, maxBytes: int, backupCount: int, when: str | None, interval: int, utc: bool
) -> dict[str, Any]:
    """The class and the arguments of Python's handler that does the same in one process."""
    if when is None and maxBytes == 0:
        return {"class": "logging.FileHandler", "mode": filemode}
    if when is None:
        rotation = {"maxBytes": maxBytes, "backupCount": backupCount}
        return {"class": "logging.handlers.RotatingFileHandler", "mode": filemode, **rotation}
    if maxBytes != 0:
        raise ValueError("maxBytes and when are given; expected one of them: rotation by size or by time")
    if filemode != "a":
        raise ValueError(f"filemode is {filemode!r}; expected 'a' for a file that is rotated by time")
    return {
        "class": "logging.handlers.TimedRotatingFileHandler",
        "when": when,
        "interval": interval,
        "backupCount": backupCount,
        "utc": utc,
    }


def _ring_of(path: str) -> str:
    """The name of the ring for a file: the same in each process that names the file."""
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in Path(path).name)
    return f"{name[:40].lstrip('.') or 'log'}-{digest}"


def _start_writer(ring: str, config: str) -> None:
    """Starts the writer of this ring, unless there is one."""
    if writer_pid(ring) is not None:
        return
    path = Path(ring)
    file = path.with_name(f".{path.name}.toml")
    # Each child of `multiprocessing` ends by `os._exit`, which is no news.
    file.write_text("exit-notices = false\n\n" + config, "utf-8")
    writer = Writer(ring, config=file, create=None)
    try:
        _writers.append(writer.start())
    except Error:
        # Another process may have been first.
        if writer_pid(ring) is None:
            raise


def _wait_until_written(handler: Handler) -> None:
    """At the end of a program: its lines are in the file when it has ended."""
    try:
        if writer_pid(handler.ring_path) is not None:
            handler.sync(_WRITTEN_WITHIN)
    except Error:
        # Nothing is lost: what is not written yet waits in the ring.
        pass
