"""`ringlog.basicConfig`: one call in each process, and no second terminal."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from conftest import Place

import ringlog

WORK = """
    import logging, multiprocessing, os, ringlog, sys

    def configure():
        ringlog.basicConfig(filename=sys.argv[1], level=logging.INFO, format="%(processName)s %(message)s")

    def work(number):
        configure()
        for line in range(300):
            logging.getLogger("w").info("%d %d", number, line)
"""


def test_a_plain_script_needs_one_call(place: Place) -> None:
    place.python(
        """
        import logging, ringlog
        ringlog.basicConfig(filename="app.log", level=logging.INFO)
        logging.info("hello")
        logging.debug("not wanted")
        logging.getLogger("db").warning("3 left")
        """
    )
    assert (place.files / "app.log").read_text() == "INFO:root:hello\nWARNING:db:3 left\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_log_into_the_same_file(place: Place, method: str) -> None:
    program = WORK + """
    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[2])
        children = [context.Process(target=work, args=(number,), name=f"child{number}") for number in range(4)]
        [child.start() for child in children]
        [child.join() for child in children]
        # A child ends when its lines are in the file.
        assert len(open(sys.argv[1]).readlines()) == 1200
        assert [child.exitcode for child in children] == [0] * 4
    """
    file = place.files / "app.log"
    place.python(program, str(file), method)
    lines = file.read_text().splitlines()
    for number in range(4):
        own = [line for line in lines if line.startswith(f"child{number} ")]
        assert own == [f"child{number} {number} {line}" for line in range(300)]


def test_children_of_a_configured_parent_inherit(place: Place) -> None:
    program = WORK + """
    if __name__ == "__main__":
        configure()
        logging.info("parent")
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=work, args=(number,), name=f"child{number}") for number in range(3)]
        [child.start() for child in children]
        [child.join() for child in children]
        assert len(open(sys.argv[1]).readlines()) == 901
    """
    place.python(program, str(place.files / "app.log"))


def test_killed_processes_lose_nothing(place: Place) -> None:
    program = WORK + """
    if __name__ == "__main__":
        import signal
        work(0)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    file = place.files / "app.log"
    place.python(program, str(file), code=-signal.SIGKILL)
    until = time.monotonic() + 30
    while len(file.read_text().splitlines()) < 300 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(file.read_text().splitlines()) == 300


def test_the_file_rotates_by_size(place: Place) -> None:
    place.python(
        """
        import logging, ringlog
        ringlog.basicConfig(filename="app.log", level=20, maxBytes=1024, backupCount=3, format="%(message)s")
        for number in range(100):
            logging.info("line %04d %s", number, "x" * 50)
        """
    )
    files = sorted(path.name for path in place.files.iterdir() if re.fullmatch(r"app\.log(\.\d+)?", path.name))
    assert files == ["app.log", "app.log.1", "app.log.2", "app.log.3"]
    closed = [place.files / name for name in files[1:]]
    assert all(path.stat().st_size <= 1024 for path in closed)
    assert (place.files / "app.log").read_text().splitlines()[-1].startswith("line 0099")


def test_the_file_begins_anew_with_mode_w(place: Place) -> None:
    program = """
        import logging, ringlog, sys
        ringlog.basicConfig(filename="app.log", filemode="w", level=20, format="%(message)s")
        logging.info(sys.argv[1])
    """
    for word in ("first", "second"):
        place.python(program, word)
        wait_for_the_writer(place)
    assert (place.files / "app.log").read_text() == "second\n"


def wait_for_the_writer(place: Place) -> None:
    """Waits until the writer of the last program has ended, which it does by itself."""
    until = time.monotonic() + 30
    shared = Path(place.ring).parent
    rings = [str(path) for path in shared.iterdir() if not path.name.startswith(".")]
    while any(map(has_writer, rings)) and time.monotonic() < until:
        time.sleep(0.01)


def has_writer(ring: str) -> bool:
    try:
        return ringlog._ringlog.writer_pid(ring) is not None
    except ringlog.NoSuchRing:
        # The last writer has removed it.
        return False


def test_the_ring_is_removed_after_its_last_user(place: Place) -> None:
    place.python(
        """
        import logging, ringlog
        ringlog.basicConfig(filename="app.log", level=20, format="%(message)s")
        logging.info("x")
        """
    )
    wait_for_the_writer(place)
    until = time.monotonic() + 30
    while list(Path(place.ring).parent.iterdir()) and time.monotonic() < until:
        time.sleep(0.01)
    assert list(Path(place.ring).parent.iterdir()) == []
    assert (place.files / "app.log").read_text() == "x\n"


def test_as_pythons_it_does_nothing_twice(place: Place) -> None:
    place.python(
        """
        import logging, ringlog
        ringlog.basicConfig(filename="one.log", level=20, format="%(message)s")
        ringlog.basicConfig(filename="two.log", level=20, format="%(message)s")
        logging.info("to one")
        ringlog.basicConfig(filename="three.log", level=20, format="%(message)s", force=True)
        logging.info("to three")
        """
    )
    assert (place.files / "one.log").read_text() == "to one\n"
    assert not (place.files / "two.log").exists()
    assert (place.files / "three.log").read_text() == "to three\n"


def test_further_handlers_are_of_this_process(place: Place) -> None:
    shown = place.python(
        """
        import logging, ringlog
        ringlog.basicConfig(filename="app.log", level=20, format="<%(message)s>", handlers=[logging.StreamHandler()])
        logging.info("both")
        """
    )
    assert shown == "<both>\n"
    assert (place.files / "app.log").read_text() == "<both>\n"


def test_wrong_arguments_are_named(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="style"):
        ringlog.basicConfig(filename=tmp_path / "a", style="?", force=True)
    with pytest.raises(ValueError, match="maxBytes and when"):
        ringlog.basicConfig(filename=tmp_path / "a", maxBytes=1, when="midnight", force=True)
    with pytest.raises(ValueError, match="filemode"):
        ringlog.basicConfig(filename=tmp_path / "a", filemode="x", force=True)
    with pytest.raises(ValueError, match="encoding"):
        ringlog.basicConfig(filename=tmp_path / "a", encoding="latin-1", force=True)
    with pytest.raises(ValueError, match="NOPE"):
        ringlog.basicConfig(filename=tmp_path / "a", level="NOPE", force=True)
    assert not list(tmp_path.glob("a*"))
    missing = place.files / "missing"
    shown = place.python(
        f"import ringlog; ringlog.basicConfig(filename={os.fspath(missing / 'app.log')!r})", code=1
    )
    assert "mkdir -p" in shown


def test_a_killed_writer_is_replaced(place: Place) -> None:
    place.python(
        """
        import logging, os, ringlog, signal, time
        ringlog.basicConfig(filename="app.log", level=20, format="%(message)s", size="256KiB")
        logging.info("first")
        writer = ringlog.config._writers[0]
        os.kill(writer.pid, signal.SIGKILL)
        writer._process.wait()
        for number in range(2000):
            logging.info("line %04d %s", number, "x" * 200)
        """
    )
    lines = (place.files / "app.log").read_text().splitlines()
    written = [line for line in lines if line.startswith("line ")]
    # The ring was full once, and then had a writer again.
    assert lines[0] == "first" and len(written) >= 1990 and written[-1].startswith("line 1999"), len(written)


def test_the_writer_keeps_no_stream_of_the_program(place: Place) -> None:
    # A daemon goes on logging; what reads the program's output ends with the program.
    shown = place.python(
        """
        import logging, os, ringlog, sys, time
        ringlog.basicConfig(filename="app.log", level=20, format="%(message)s")
        if os.fork() == 0:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            [os.dup2(null, stream) for stream in (0, 1, 2)]
            deadline = time.monotonic() + 50
            while not os.path.exists("shown") and time.monotonic() < deadline:
                time.sleep(0.01)
            logging.info("from the daemon")
            os._exit(0)
        print("ended")
        """
    )
    assert shown == "ended\n"
    (place.files / "shown").touch()
    until = time.monotonic() + 30
    while "daemon" not in (place.files / "app.log").read_text() and time.monotonic() < until:
        time.sleep(0.01)
    assert (place.files / "app.log").read_text() == "from the daemon\n"


def test_one_file_by_two_paths_has_one_writer(place: Place) -> None:
    (place.files / "real").mkdir()
    (place.files / "link").symlink_to(place.files / "real")
    program = """
        import logging, ringlog, sys
        ringlog.basicConfig(filename=sys.argv[1], level=20, format="%(message)s")
        logging.info(sys.argv[1])
        if len(sys.argv) > 2:
            import subprocess
            subprocess.run([sys.executable, sys.argv[0], sys.argv[2]], check=True)
    """
    place.python(program, "real/app.log", "link/app.log")
    assert (place.files / "real/app.log").read_text() == "real/app.log\nlink/app.log\n"


def test_a_child_that_logs_after_the_writer_has_ended(place: Place) -> None:
    # A daemon: its parent ends, and it closes what it has inherited, with that the socket by which the writer sees it.
    # It is not attached to the ring before its first record. So the ring has to stay when the writer ends.
    place.python(
        """
        import logging, os, ringlog, time
        from ringlog._ringlog import writer_pid

        ringlog.basicConfig(filename="app.log", level=20, format="%(message)s")
        logging.info("parent")
        ring = logging.getLogger().handlers[0].ring_path
        if os.fork():
            os._exit(0)
        os.closerange(3, 1024)
        until = time.monotonic() + 30
        while writer_pid(ring) is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert writer_pid(ring) is None
        logging.info("child")
        """
    )
    assert (place.files / "app.log").read_text() == "parent\nchild\n"
