"""`basicConfig`, and configurations of Python's logging for the writer."""

from __future__ import annotations

import codecs
import hashlib
import json
import logging
import os
import subprocess
import time
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

#: How often a writer is tried to be started.
_ATTEMPTS = 20

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


class _FileHandler(Handler):
    """The handler of `basicConfig`: it sees to it that its ring has a writer."""

    _is_held = True
    #: The configuration of the writer.
    config = ""
    #: When a full ring may be looked at next: each look takes some system calls.
    _look_at = 0.0

    def start_writer(self, attempts: int = _ATTEMPTS) -> None:
        """Starts the writer of the ring, unless there is one."""
        path = Path(self.ring_path)
        for attempt in range(attempts):
            if writer_pid(self.ring_path) is not None:
                return
            file = path.with_name(f".{path.name}.toml")
            # Whole or not at all: the writer of another process may be reading it.
            whole = path.with_name(f".{path.name}.{os.getpid()}.toml")
            # Each child of `multiprocessing` ends by `os._exit`, which is no news.
            whole.write_text("exit-notices = false\nremove-rings = true\n\n" + self.config, "utf-8")
            os.replace(whole, file)
            writer = Writer(self.ring_path, config=file, create=None).detached()
            try:
                _writers.append(writer.start())
                # It has read it.
                file.unlink(missing_ok=True)
                return
            except Error:
                # Another process may have been first, or is about to be.
                if attempt == attempts - 1:
                    raise
                time.sleep(0.05)

    def wait_until_written(self) -> None:
        """At the end of a program: its lines are in the file when it has ended."""
        try:
            self.start_writer()
            self.sync(_WRITTEN_WITHIN)
        except (Error, OSError):
            # Nothing is lost: what is not written yet waits in the ring.
            pass

    def _after_drop(self) -> None:
        # The ring is full. That is so too when somebody has killed the writer. A log call tries once, not each one.
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + 1.0
        try:
            self.start_writer(1)
        except (Error, OSError):
            pass


def basicConfig(
    *,
    filename: str | os.PathLike[str],
    filemode: str = "a",
    format: str | None = None,
    datefmt: str | None = None,
    style: str = "%",
    level: int | str | None = None,
    encoding: str | None = None,
    errors: str | None = None,
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

    The arguments are Python's for a file, with those of `RotatingFileHandler` (`maxBytes`, `backupCount`) and
    `TimedRotatingFileHandler` (`when`, `interval`, `backupCount`, `utc`); `handlers` are further handlers of this
    process. Files are in UTF-8, and what has no UTF-8 is escaped, whatever `errors` says. The first process that names
    a file starts its writer; others, started by any means, use it. The writer ends when the last of them has. Each
    process calls this, or inherits the handler by fork. `size` is that of the ring in which lines wait to be written.
    At its end a program waits until its lines are in the file.

    Does nothing if the root logger has handlers, but with `force` these are removed and closed first.

    Raises `ValueError` for an argument that cannot be used, and `Error` if no writer can be started.
    """
    root = logging.getLogger()
    if root.handlers and not force:
        return
    if encoding is not None and codecs.lookup(encoding).name not in ("utf-8", "ascii"):
        raise ValueError(f"encoding is {encoding!r}; expected 'utf-8', which files are written in")
    # Checked as `setLevel` does, before anything is changed.
    own_level = None if level is None else logging.Logger("", level).level
    # By its real path: it is one file, whichever way a process came to it.
    path = os.path.realpath(os.fsdecode(filename))
    formatter = _formatter(format, datefmt, style)
    config = {
        "version": 1,
        "formatters": {"file": formatter},
        "handlers": {
            "file": {
                "filename": path,
                "formatter": "file",
                **_file_handler(filemode, maxBytes, backupCount, when, interval, utc),
            }
        },
        # Levels are Python's: a logger with a lower one than the root's has its records written.
        "root": {"level": "NOTSET", "handlers": ["file"]},
    }
    text = convert(config, strict=True)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    ours = _FileHandler(_ring_of(path), create=size)
    ours.config = text
    ours.attach()
    ours.start_writer()
    at_end_of_process(ours.wait_until_written)
    root.addHandler(ours)
    for further in handlers:
        if further.formatter is None:
            further.setFormatter(logging.Formatter(formatter["format"], datefmt, style))  # type: ignore[arg-type]
        root.addHandler(further)
    if own_level is not None:
        root.setLevel(own_level)


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
    mode = filemode.replace("t", "").replace("+", "")
    if mode not in ("a", "w"):
        raise ValueError(f"filemode is {filemode!r}; expected 'a' to append, or 'w' to begin the file anew")
    if when is None and maxBytes == 0:
        return {"class": "logging.FileHandler", "mode": mode}
    if when is None:
        rotation = {"maxBytes": maxBytes, "backupCount": backupCount}
        return {"class": "logging.handlers.RotatingFileHandler", "mode": mode, **rotation}
    if maxBytes != 0:
        raise ValueError("maxBytes and when are given; expected one of them: rotation by size or by time")
    if mode != "a":
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
