"""What the tests share: rings of their own, and programs that run in processes of their own."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ringlog

#: Nothing here takes so long; it only keeps a fault from hanging.
WITHIN = 60


class Place:
    """A directory in shared memory with a ring in it, and one for files."""

    def __init__(self, shared: Path, files: Path) -> None:
        self.ring = str(shared / "app")
        self.files = files

    def drain(self, **options: object) -> str:
        """Writes all that is in the ring, and returns it."""
        out = self.files / "drained"
        with ringlog.Writer(self.ring, out=out, truncate=True, create=None, **options):
            pass
        return out.read_text("utf-8")

    def records(self) -> list[dict[str, Any]]:
        """The records in the ring, as JSON. Processes that ended by `os._exit` are no records."""
        lines = self.drain(format="json", no_exit_notices=True).splitlines()
        return [json.loads(line) for line in lines]

    def command(self, *arguments: str) -> str:
        """Runs the command `ringlog`."""
        done = subprocess.run(
            [ringlog.find_binary(), *arguments], capture_output=True, text=True, timeout=WITHIN, check=False
        )
        assert done.returncode == 0, f"ringlog {' '.join(arguments)}: {done.returncode}\n{done.stderr}"
        return done.stdout

    def python(self, program: str, *arguments: str, code: int = 0, **environment: str) -> str:
        """Runs a program in a Python of its own, and returns what it prints."""
        path = self.files / "program.py"
        path.write_text(textwrap.dedent(program), "utf-8")
        done = subprocess.run(
            [sys.executable, str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
            cwd=self.files,
            env={"PATH": "/usr/bin:/bin", "RINGLOG_DIR": str(Path(self.ring).parent), "TZ": "UTC", **environment},
        )
        assert done.returncode == code, f"{done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="ringlog-pytest-") as shared:
        yield Place(Path(shared), tmp_path)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger that no other test has, and that stands alone."""
    log = logging.Logger("shop.orders", logging.DEBUG)
    yield log
    for handler in log.handlers:
        handler.close()
