"""The interpreter in which this package can be imported: the main one of a process."""

from __future__ import annotations

import sys


def require_main() -> None:
    """Raises `ImportError` in a sub-interpreter.

    The native part keeps objects of the interpreter that imports it first. Since Python 3.12 its own import is refused.
    """
    if sys.version_info >= (3, 12):
        return
    try:
        import _xxsubinterpreters as interpreters  # type: ignore[import-not-found]
    except ImportError:
        # Left out of this build: what it does not have cannot be asked for.
        return
    if interpreters.get_current() != interpreters.get_main():
        raise ImportError(
            "ringlog does not support loading in subinterpreters; import it in the main interpreter of the process "
            "(with mod_wsgi: WSGIApplicationGroup %{GLOBAL})"
        )
