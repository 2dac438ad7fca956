"""What runs when a process ends, whichever way it was started."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from collections.abc import Callable


def at_end_of_process(method: Callable[[], None], *, after_children: bool = False) -> None:
    """Calls a method when this process ends, and each one that is forked from it, if its object is still there.

    With `after_children` once the children of `multiprocessing` have been waited for.

    The children of `multiprocessing` end by `os._exit` and run no functions of `atexit`, but those of
    `multiprocessing.util`.
    """
    ending = _Ending(method, after_children)
    ending.register()
    util = sys.modules.get("multiprocessing.util")
    if after_children and util is not None:
        # A child that is spawned gets its arguments before it forgets what is to be done at its end.
        util.register_after_fork(ending, _Ending.register)
    os.register_at_fork(after_in_child=ending.after_fork)


class _Ending:
    """A method to call at the end. It does not keep the method's object."""

    def __init__(self, method: Callable[[], None], after_children: bool) -> None:
        self._method = weakref.WeakMethod(method)
        self._after_children = after_children

    def run(self) -> None:
        method = self._method()
        if method is not None:
            method()

    def register(self) -> None:
        process = sys.modules.get("multiprocessing.process")
        if self._after_children and "multiprocessing.util" in sys.modules:
            from multiprocessing.util import Finalize

            # Those with a priority below 0 come after the children.
            Finalize(None, self.run, exitpriority=-100)
        elif process is not None and process.parent_process() is not None:
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
            if self._after_children:
                self.register()
