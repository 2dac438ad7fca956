"""CPython's own `test_logging`, of the interpreter that runs: its stream handlers write through a ring and a writer.

`programs/cpython_logging.py` puts a handler in the place of `logging.StreamHandler` whose stream gets, for each record,
the bytes that the writer has put into a file. The tests compare them with what Python's handler would have written.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import WITHIN, Place

PROGRAM = Path(__file__).parent / "programs/cpython_logging.py"

#: The classes that log through stream handlers or formatters, with the records that go through a ring at least.
#: `QueueListenerTest` shuts its listeners down while records arrive, so it counts what has come by then.
THROUGH = {
    "BasicConfigTest": 5,
    "BasicFilterTest": 4,
    "BuiltinLevelsTest": 23,
    "ConfigDictTest": 29,
    "ConfigFileTest": 16,
    "CustomLevelsAndFiltersTest": 27,
    "EncodingTest": 3,
    "ExceptionTest": 1,
    "FormatterTest": 2500,
    "LogRecordFactoryTest": 1,
    "LogRecordTest": 1,
    "ManagerTest": 1,
    "MemoryHandlerTest": 26,
    "MemoryTest": 2,
    "ModuleLevelMiscTest": 8,
    "QueueHandlerTest": 3,
    "QueueListenerTest": 1,
    "WarningsTest": 3,
    # What they prove is that handlers can be made, named, filtered, forked and ended as Python's own.
    "ChildLoggerTest": 0,
    "HandlerTest": 0,
    "LastResortTest": 0,
    "LoggerAdapterTest": 0,
    "LoggerTest": 0,
    "ShutdownTest": 0,
    "StreamHandlerTest": 0,
}

OWN_FILE = "what is tested is how Python's handler opens, names and closes its file; the writer's own tests do that"
NETWORK = "what is tested is another transport of Python's"

#: The classes that do not apply.
NOT_APPLICABLE = {
    "BaseTest": "it has no tests",
    "BaseFileTest": "it has no tests",
    "BufferingFormatterTest": "it joins lines that Python has formatted",
    "MiscTestCase": "it lists the names of the module `logging`",
    "FileHandlerTest": OWN_FILE,
    "RotatingFileHandlerTest": OWN_FILE,
    "TimedRotatingFileHandlerTest": OWN_FILE,
    "SMTPHandlerTest": NETWORK,
    "SocketHandlerTest": NETWORK,
    "UnixSocketHandlerTest": NETWORK,
    "DatagramHandlerTest": NETWORK,
    "UnixDatagramHandlerTest": NETWORK,
    "SysLogHandlerTest": NETWORK,
    "UnixSysLogHandlerTest": NETWORK,
    "IPv6SysLogHandlerTest": NETWORK,
    "HTTPHandlerTest": NETWORK,
    "NTEventLogHandlerTest": NETWORK,
}

ELSEWHERE = "it reads what Python's formatter leaves in the record; the line is made in another process"
MISSING = "the writer leaves out an attribute that a record lacks; Python raises ValueError"

#: Tests that fail, and why they may.
DIFFERENT = {
    "ConfigDictTest": {"test_config14_ok": "it sets `terminator`; the writer's lines end with a newline"},
    "ExceptionTest": {"test_formatting": ELSEWHERE},
    "FormatterTest": {
        "test_braces": MISSING,
        "test_defaults_parameter": "`defaults` of a formatter stay in the program; the writer does not know them",
        "test_dollars": MISSING,
        "test_percent": MISSING,
        "test_time": ELSEWHERE,
    },
    "LogRecordTest": {"test_dict_arg": ELSEWHERE},
    "StreamHandlerTest": {
        "test_can_represent_stream_with_int_name": "the handler is shown with its ring",
        "test_error_handling": "its record has no level, which `Handler` refuses",
    },
}
if sys.version_info >= (3, 13):
    DIFFERENT["HandlerTest"] = {"test_post_fork_child_no_deadlock": "it takes the lock of the handler, which has none"}


def run(place: Place, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(Path(place.ring).parent), *arguments],
        capture_output=True,
        text=True,
        timeout=2 * WITHIN,
        check=False,
        cwd=place.files,
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("test.test_logging") is None,
    reason="SKIPPED: this Python has no test.test_logging; on Debian: apt-get install libpython3-testsuite",
)


@pytest.mark.parametrize("name", THROUGH)
def test_cpythons_tests_pass_through_a_ring(place: Place, name: str) -> None:
    if name == "QueueListenerTest" and name not in run(place):
        pytest.skip("CPython was built without it")
    result = run(place, name)
    failed = {test: why for test, why in result["outcomes"].items() if not why.startswith(("passed", "skipped"))}
    unexpected = {test: why for test, why in failed.items() if test not in DIFFERENT.get(name, {})}
    assert not unexpected, "\n".join(f"{test}: {why}" for test, why in unexpected.items())
    # What passes meanwhile is to be taken out of the table.
    assert set(failed) == set(DIFFERENT.get(name, {}))
    assert result["through"] >= THROUGH[name]
    print(f"{name}: {list(result['outcomes'].values()).count('passed')} pass")


def test_each_class_of_cpython_is_run_or_has_a_reason(place: Place) -> None:
    assert set(run(place)) <= THROUGH.keys() | NOT_APPLICABLE.keys()
