"""What runs when a process ends, whichever way it was started."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from collections.abc import Callable


def at_end_of_process(method: Callable[[], None]) -> None:
    """Calls a method when this process ends, and each one that is forked from it, if its object is still there.

    The children of `multiprocessing` end by `os._exit` and run no functions of `atexit`, but those of
    `multiprocessing.util`.
    """
    ending = _Ending(method)
    ending.register()
    os.register_at_fork(after_in_child=ending.after_fork)


class _Ending:
    """A method to call at the end. It does not keep the method's object."""

    def __init__(self, method: Callable[[], None]) -> None:
        self._method = weakref.WeakMethod(method)

    def run(self) -> None:
        method = self._method()
        if method is not None:
            method()

    def register(self) -> None:
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            from multiprocessing.util import Finalize

            Finalize(None, self.run, exitpriority=0)
        else:
            atexit.register(self.run)

    def after_fork(self) -> None:
        # A child of `os.fork` has inherited the functions of `atexit`; one of `multiprocessing` first forgets what it
        # has inherited of its own kind, and then runs these.
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.register_after_fork(self, _Ending.register)
