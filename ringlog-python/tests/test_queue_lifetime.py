"""The processes of a `ringlog.Queue`: Ctrl-C, the interpreter's end, and what is left when the last user is gone."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import WITHIN, Place
from test_queue import METHODS, claim_and_stay, killed_after, put_and_stay, rings

import ringlog


@pytest.fixture(autouse=True)
def own_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Queues of the test lie in its own directory."""
    monkeypatch.setenv("RINGLOG_DIR", str(Path(place.ring).parent))
    yield


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds; the time only keeps a fault from hanging."""
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, "this never came to hold"
        time.sleep(0.005)


def is_waiting(pid: int) -> bool:
    """Whether all threads of a process sleep."""
    tasks = Path(f"/proc/{pid}/task")
    try:
        return all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "S" for task in tasks.iterdir())
    except OSError:
        return False


WAITS = {
    "get": "items = ringlog.Queue(); call = items.get",
    "get(timeout)": "items = ringlog.Queue(); call = lambda: items.get(timeout=1000)",
    "claim": "items = ringlog.Queue(); call = lambda: items.get(ack=False)",
    "put over the bound": "items = ringlog.Queue(1); items.put(1); call = lambda: items.put(2)",
    "put with a timeout": "items = ringlog.Queue(1); items.put(1); call = lambda: items.put(2, timeout=1000)",
    "put into a full ring": """
items = ringlog.Queue(size="1MiB", full_timeout=0)
try:
    while True:
        items.put(b"x" * 10_000)
except queue.Full:
    items._full_timeout = 1000
call = lambda: items.put(b"x" * 10_000)
""",
    "join": "items = ringlog.Queue(); items.put(1); call = items.join",
    "BytesQueue.get": "items = ringlog.BytesQueue('jobs'); call = items.get",
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_a_wait(wait: str) -> None:
    program = f"""
import queue, ringlog
{WAITS[wait]}
try:
    print("waits", flush=True)
    call()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        until(lambda: is_waiting(process.pid))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=WITHIN)
    assert (out, process.returncode) == ("interrupted\n", 0)


def test_it_is_removed_with_its_last_object(place: Place) -> None:
    items = ringlog.Queue()
    items.put(1)
    assert len(rings(place)) == 1
    del items
    gc.collect()
    assert rings(place) == []


def test_it_is_removed_at_the_end_of_the_program(place: Place) -> None:
    assert place.python("import ringlog\nitems = ringlog.Queue()\nitems.put(1)\nassert items.empty() is False") == ""
    assert rings(place) == []


def use(items: ringlog.Queue) -> None:
    items.put(items.get(timeout=WITHIN) + 1)


@pytest.mark.parametrize("method", METHODS)
def test_a_child_that_ends_does_not_remove_it(place: Place, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    items = ringlog.Queue()
    items.put(1)
    child = context.Process(target=use, args=(items,))
    child.start()
    child.join(WITHIN)
    assert child.exitcode == 0
    assert len(rings(place)) == 1
    assert items.get_nowait() == 2
    # Also with what the process object has kept.
    del items, child
    gc.collect()
    assert rings(place) == []


#: The parent ends as soon as the child is there; the child does this once it has no parent any more.
ORPHAN = """
import os, sys, time
import ringlog

items = ringlog.Queue()
items.put("kept")
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.005)
    {does}
    sys.exit()
print(items.name)
"""


@pytest.mark.parametrize(
    "does",
    [
        "assert items.get(timeout=10) == 'kept'; items.put('again'); open('done', 'w').write('used')",
        "open('done', 'w').write('unused')",
    ],
    ids=["used", "unused"],
)
def test_a_forked_child_outlives_its_parent(place: Place, does: str) -> None:
    out = place.python(ORPHAN.format(does=does))
    assert out.startswith(str(Path(place.ring).parent / "nameless-")), out
    until(lambda: (place.files / "done").exists())
    until(lambda: rings(place) == [])


def outlive(items: ringlog.Queue, parent: int) -> None:
    until(lambda: os.getppid() != parent)
    items.put(2)
    assert items.get_nowait() == 2


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_removes_it_if_its_parent_was_killed(place: Place, method: str) -> None:
    program = f"""
import multiprocessing, os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import ringlog
from test_queue_lifetime import begin

if __name__ == "__main__":
    items, begun = ringlog.Queue(), ringlog.Queue()
    child = multiprocessing.get_context({method!r}).Process(target=begin, args=(items, begun, os.getpid()))
    child.start()
    begun.get()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    place.python(program, code=-signal.SIGKILL)
    until(lambda: rings(place) == [])


def begin(items: ringlog.Queue, begun: ringlog.Queue, parent: int) -> None:
    begun.put(None)
    outlive(items, parent)


def test_a_pickled_one_is_a_user(place: Place) -> None:
    items = ringlog.Queue()
    items.put(1)
    other = pickle.loads(pickle.dumps(items))
    del items
    gc.collect()
    assert len(rings(place)) == 1
    assert other.get_nowait() == 1
    del other
    gc.collect()
    assert rings(place) == []


def test_a_forked_child_that_is_killed_leaves_it_to_its_parent(place: Place) -> None:
    items = ringlog.Queue()
    killed_after(multiprocessing.get_context("fork"), put_and_stay, items, [1, 2])
    # A sweep finds it in use.
    other = ringlog.Queue()
    assert len(rings(place)) == 2
    assert [items.get_nowait(), items.get_nowait()] == [1, 2]
    del items, other
    gc.collect()
    assert rings(place) == []


def test_what_killed_programs_leave_is_swept_by_the_next_queue(place: Place) -> None:
    program = """
import os, signal, ringlog
items = ringlog.Queue()
items.put(1)
if os.fork() == 0:
    items.get()
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
signal.pause()
"""
    place.python(program, code=-signal.SIGKILL)
    left = rings(place)
    assert len(left) == 1

    def is_swept() -> bool:
        # The child is killed a moment after its parent.
        items = ringlog.Queue()
        return rings(place) == [Path(items.name).name]

    until(is_swept)
    assert rings(place) == []


def test_named_queues_stay(place: Place) -> None:
    place.python("import ringlog\nringlog.Queue(name='jobs').put(1)")
    gc.collect()
    ringlog.Queue()
    assert "jobs" in rings(place)
    assert ringlog.Queue(name="jobs").get_nowait() == 1


@pytest.mark.parametrize("call", ["items.get()", "items.get(ack=False)", "bounded.put(2)"])
def test_a_daemon_thread_may_wait_at_the_end(place: Place, call: str) -> None:
    program = f"""
import threading, time
import ringlog

items = ringlog.Queue()
bounded = ringlog.Queue(1)
bounded.put(1)
threading.Thread(target=lambda: {call}, daemon=True).start()
time.sleep(0.1)
"""
    assert place.python(program) == ""


def test_a_writer_and_getters_exclude_each_other(place: Place) -> None:
    items = ringlog.Queue(name=place.ring)
    items.put("a")
    with ringlog.Writer(place.ring, out=place.files / "out", create=None):
        for ack in (True, False):
            with pytest.raises(ringlog.Error, match=rf"^{place.ring} is drained by ringlog \(pid \d+\)"):
                items.get(ack=ack)
    # The writer has written what was there.
    items.put("b")
    assert items.get_nowait() == "b"
    with pytest.raises(ringlog.Error, match=rf"\b{os.getpid()}\b"):
        with ringlog.Writer(place.ring, out=place.files / "out", create=None):
            pass


def test_the_command_takes_items_out(place: Place) -> None:
    items = ringlog.BytesQueue(place.ring, namespace="")
    for item in ("one", "two", "three"):
        items.put(item)
    assert place.command("size", place.ring).split()[0] == "3"
    assert place.command("get", place.ring) == "one\n"
    assert items.get_nowait() == b"two"
    assert place.command("clear", place.ring).split()[0] == "1"
    assert items.empty()


def test_the_example_of_the_documentation_runs(place: Place) -> None:
    text = (Path(__file__).parents[2] / "docs/python.md").read_text("utf-8")
    program = re.search(r"```python\n(# squares\.py\n.*?)```", text, re.DOTALL)
    prints = re.search(r"```console\n[^\n]*squares\.py\n(.*?)```", text, re.DOTALL)
    assert program is not None and prints is not None
    assert place.python(program[1]) == prints[1]
    assert rings(place) == []


def test_a_claim_of_a_killed_process_shows_in_unacked(place: Place) -> None:
    items = ringlog.Queue()
    items.put("a")
    killed_after(multiprocessing.get_context("fork"), claim_and_stay, items)
    item = items.get(timeout=WITHIN, ack=False)
    assert items.unacked() == 1
    item.ack()
    assert items.unacked() == 0


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_may_begin_when_its_parent_ends(place: Place, method: str) -> None:
    printed = place.python(
        """
        import multiprocessing, multiprocessing.util, ringlog, sys

        def work(items):
            items.put("from the child")
            print(items.get())

        if __name__ == "__main__":
            items = ringlog.Queue()
            multiprocessing.get_context(sys.argv[1]).Process(target=work, args=(items,)).start()
        """,
        method,
    )
    assert printed == "from the child\n"
    assert list(Path(place.ring).parent.glob("nameless-*")) == []


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_that_is_the_last_user_removes_it(place: Place, method: str) -> None:
    place.python(
        """
        import multiprocessing, ringlog, sys, time

        def work(items, let_go):
            items.put("x")
            let_go.wait(30)
            assert items.get() == "x"

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            items, let_go = ringlog.Queue(), context.Event()
            child = context.Process(target=work, args=(items, let_go))
            child.start()
            while items.empty():
                time.sleep(0.01)
            # The process object has its arguments.
            child._args = ()
            del items
            let_go.set()
            child.join()
        """,
        method,
    )
    assert list(Path(place.ring).parent.glob("nameless-*")) == []
