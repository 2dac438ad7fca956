"""What runs when a process ends, whichever way it was started."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import Any


def at_end_of_process(function: Callable[[Any], None], argument: Any) -> None:
    """Calls the function when this process ends, and each one that is forked from it.

    The children of `multiprocessing` end by `os._exit` and run no functions of `atexit`, but those of
    `multiprocessing.util`.
    """
    _register(function, argument)
    os.register_at_fork(after_in_child=lambda: _after_fork(function, argument))


def _register(function: Callable[[Any], None], argument: Any) -> None:
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, function, (argument,), exitpriority=0)
    else:
        atexit.register(function, argument)


def _after_fork(function: Callable[[Any], None], argument: Any) -> None:
    # A child of `os.fork` has inherited the functions of `atexit`; one of `multiprocessing` first forgets what it has
    # inherited of its own kind, and then runs these.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(argument, lambda argument: _register(function, argument))
