"""The writer as a child process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterable
from types import TracebackType

from ringlog._ringlog import Error
from ringlog.binary import find_binary

#: The child takes a ring of many gigabytes into memory in some seconds.
_READY_WITHIN = 30.0


class Writer:
    """Runs the writer of a ring as a child, as a context manager or by `start` and `stop`.

    `Writer("app", out="app.log")` writes what is logged into the ring `app` to this file;
    `Writer(config="ringlog.toml")` drains the rings that the configuration names, and `Writer("app", config=...)` this
    one. `create` is the size of a ring that is not there; `None` makes none. Any other argument is an option of
    `ringlog writer`: `format="json"` is `--format json`, `stop_timeout="1s"` is `--stop-timeout 1s`, `until_idle=True`
    is `--until-idle`.

    When `start` returns, the writer holds the ring and what is logged from then on will be written. `stop` returns when
    everything is written. If this process ends without it, the writer ends by itself once nobody logs any more.

    Raises `Error` if the writer cannot start, in its own words, or if it left something unwritten.
    """

    def __init__(
        self,
        ring: str | Iterable[str] | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        config: str | os.PathLike[str] | None = None,
        create: str | int | None = "16MiB",
        **options: object,
    ) -> None:
        rings = [ring] if isinstance(ring, str) else list(ring or [])
        self._arguments = [str(name) for name in rings]
        if create is not None:
            self._arguments.append(f"--create={create}")
        for name, value in {"out": out, "config": config, **options}.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                self._arguments.append(flag)
            elif value is not None and value is not False:
                self._arguments.append(f"{flag}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
        self._is_detached = False
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def detached(self) -> Writer:
        """Lets the writer keep neither the streams nor the directory of this program, which it may outlive.

        What it reports is then in `ringlog stat` alone, and paths have to be absolute. Call it before `start`.
        """
        self._is_detached = True
        return self

    @property
    def pid(self) -> int | None:
        """The process id of the writer; `None` if it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> Writer:
        """Starts the writer, and returns once it holds its rings."""
        if self._process is not None:
            raise Error("the writer runs already")
        command = [find_binary(), "writer", "--handshake", *self._arguments]
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                # A session of its own, so that Ctrl-C ends this program and the writer still writes the last records.
                process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    start_new_session=True,
                    stdout=subprocess.DEVNULL if self._is_detached else None,
                    stderr=subprocess.DEVNULL if self._is_detached else None,
                    cwd="/" if self._is_detached else None,
                )
            report = _read_report(ours)
            if report[:1] != b"+":
                process.kill()
                process.wait()
                text = report[2:].decode("utf-8", "replace")
                raise Error(text or f"{command[0]} ended with {process.returncode} before it held the ring")
        except BaseException:
            ours.close()
            raise
        self._process, self._socket = process, ours
        return self

    def stop(self) -> None:
        """Lets the writer write what has been logged so far, and waits until it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self.wait()

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the writer ends by itself. Raises `subprocess.TimeoutExpired` if it has not in this time."""
        if self._process is None:
            return
        code = self._process.wait(timeout)
        self._process = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if code == 3:
            raise Error("the writer has left records unwritten; they wait in the ring for the next one")
        if code != 0:
            raise Error(f"the writer ended with code {code}")

    def __enter__(self) -> Writer:
        return self.start() if self._process is None else self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except Error:
            # What ended the block is the more important one.
            if error is None:
                raise


def _read_report(ours: socket.socket) -> bytes:
    """What the writer says first: `+` if it holds its rings, `-`, a code and a sentence if not."""
    ours.settimeout(_READY_WITHIN)
    try:
        report = ours.recv(1)
        if report == b"-":
            while more := ours.recv(4096):
                report += more
    except TimeoutError:
        raise Error(f"the writer did not say within {_READY_WITHIN:.0f} s that it holds the ring") from None
    except OSError:
        report = b""
    return report
