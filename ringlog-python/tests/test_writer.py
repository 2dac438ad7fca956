"""`ringlog.Writer`, and the command in the wheel."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import Place

import ringlog


def test_a_block_writes_what_is_logged_in_it(place: Place, logger: logging.Logger) -> None:
    out = place.files / "app.log"
    with ringlog.Writer(place.ring, out=out, format="raw") as writer:
        logger.addHandler(ringlog.Handler(place.ring))
        logger.info("one")
        logger.info("two")
        assert writer.pid is not None
    assert out.read_text() == "one\ntwo\n"
    assert writer.pid is None


def test_sync_waits_until_lines_are_written(place: Place, logger: logging.Logger) -> None:
    out = place.files / "app.log"
    handler = ringlog.Handler(place.ring)
    logger.addHandler(handler)
    logger.info("one")
    with pytest.raises(ringlog.Error, match="no consumer"):
        handler.sync(0.05)
    with ringlog.Writer(place.ring, out=out, format="raw"):
        handler.sync(10)
        assert out.read_text() == "one\n"


def test_a_writer_that_cannot_start_says_why(place: Place) -> None:
    with pytest.raises(ringlog.Error, match="mkdir -p"):
        ringlog.Writer(place.ring, out=place.files / "missing" / "app.log").start()
    with pytest.raises(ringlog.Error, match="no ring|No such ring|is not there|there is no"):
        ringlog.Writer(place.ring + "x", create=None, out=place.files / "app.log").start()
    with ringlog.Writer(place.ring, out=place.files / "one.log"):
        with pytest.raises(ringlog.Error, match="one consumer|drain"):
            ringlog.Writer(place.ring, out=place.files / "two.log").start()


def test_what_is_left_is_an_error(place: Place, logger: logging.Logger) -> None:
    fifo = place.files / "fifo"
    os.mkfifo(fifo)
    writer = ringlog.Writer(place.ring, out=fifo, stop_timeout="0s")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer.start()
    logger.addHandler(ringlog.Handler(place.ring))
    for _ in range(3000):
        logger.info("x" * 100)
    with pytest.raises(ringlog.Error, match="unwritten"):
        writer.stop()
    os.close(reader)


def test_ctrl_c_does_not_end_the_writer(place: Place, logger: logging.Logger) -> None:
    out = place.files / "app.log"
    with ringlog.Writer(place.ring, out=out, format="raw") as writer:
        assert writer.pid is not None
        assert os.getpgid(writer.pid) != os.getpgid(0)
        logger.addHandler(ringlog.Handler(place.ring))
        logger.info("after")
    assert out.read_text() == "after\n"


def test_a_killed_program_leaves_a_writer_that_ends(place: Place) -> None:
    out = place.files / "app.log"
    program = """
        import logging, os, ringlog, signal, sys
        writer = ringlog.Writer(sys.argv[1], out=sys.argv[2], format="raw").start()
        logging.basicConfig(level=20, handlers=[ringlog.Handler(sys.argv[1])])
        logging.info("last words")
        print(writer.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    pid = int(place.python(program, place.ring, str(out), code=-signal.SIGKILL).split()[0])
    until = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < until:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}")
    assert out.read_text() == "last words\n"


def test_a_writer_without_its_directory_ends_too(place: Place) -> None:
    directory = place.files / "logs"
    directory.mkdir()
    program = """
        import logging, os, ringlog, shutil, signal, sys
        out = sys.argv[2] + "/app.log"
        writer = ringlog.Writer(sys.argv[1], out=out, format="raw", stop_timeout="10ms").start()
        handler = ringlog.Handler(sys.argv[1])
        logging.basicConfig(level=20, handlers=[handler])
        logging.info("written")
        handler.sync(30)
        shutil.rmtree(sys.argv[2])
        logging.info("left")
        print(writer.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    said = place.python(program, place.ring, str(directory), code=-signal.SIGKILL)
    pid = int(said.split()[0])
    until = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < until:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}")
    # The next one has what is left.
    assert [record["message"] for record in place.records()] == ["left"]


def test_python_m_ringlog_is_the_command() -> None:
    by_module = subprocess.run([sys.executable, "-m", "ringlog", "--version"], capture_output=True, text=True)
    by_name = subprocess.run([ringlog.find_binary(), "--version"], capture_output=True, text=True)
    assert (by_module.stdout, by_module.returncode) == (by_name.stdout, 0)
    assert by_module.stdout.startswith("ringlog ")
    wrong = subprocess.run([sys.executable, "-m", "ringlog", "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 2


def test_a_missing_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGLOG_BINARY", "/no/such/program")
    assert ringlog.find_binary() == "/no/such/program"


IMPORTED = """
import pathlib

LEVEL = "WARN" + "ING"
LOGGING = {
    "version": 1,
    "formatters": {"line": {"format": "%(levelname)s %(message)s"}},
    "handlers": {
        "file": {"class": "logging.FileHandler", "filename": pathlib.Path("app.log"), "formatter": "line", "level": LEVEL}
    },
    "root": {"handlers": ("file",), "level": "INFO"},
}
NUMBER = 7
"""


def run_import(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ringlog", "import", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=place.files, timeout=60)


def test_a_dictionary_of_a_python_file_is_imported(place: Place) -> None:
    (place.files / "settings.py").write_text(IMPORTED)
    done = run_import(place, "settings.py:LOGGING", "-o", "ringlog.toml")
    assert done.returncode == 0, done.stderr
    assert "settings.py is executed, for its LOGGING" in done.stderr
    written = (place.files / "ringlog.toml").read_text()
    assert 'path = "app.log"' in written and 'level = "WARN"' in written
    for name, expected in (("MISSING", "has no MISSING"), ("NUMBER", "is of type int; expected a dictionary")):
        wrong = run_import(place, f"settings.py:{name}")
        assert (wrong.returncode, expected in wrong.stderr) == (1, True), wrong.stderr
    (place.files / "broken.py").write_text("1 / 0")
    broken = run_import(place, "broken.py:LOGGING")
    assert (broken.returncode, "ZeroDivisionError" in broken.stderr) == (1, True), broken.stderr
    assert run_import(place, "absent.py:LOGGING").returncode == 1


def test_yaml_is_imported(place: Place) -> None:
    pytest.importorskip("yaml")
    (place.files / "logging.yaml").write_text(
        "version: 1\nhandlers:\n  file: {class: logging.FileHandler, filename: app.log}\nroot: {handlers: [file]}\n"
    )
    done = run_import(place, "logging.yaml")
    assert (done.returncode, 'path = "app.log"' in done.stdout) == (0, True), done.stderr
    (place.files / "broken.yaml").write_text("a: [")
    assert "is no YAML" in run_import(place, "broken.yaml").stderr
