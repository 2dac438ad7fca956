"""The command `ringlog`, which lies in the wheel."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from ringlog._ringlog import Error


def find_binary() -> str:
    """The path of the command `ringlog`: that of `$RINGLOG_BINARY`, of this installation, or of the search path.

    Raises `Error` if there is none.
    """
    named = os.environ.get("RINGLOG_BINARY")
    if named:
        return named
    schemes = [sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")]
    places = [sysconfig.get_path("scripts", scheme) for scheme in schemes]
    places.append(str(Path(sys.executable).parent))
    # As with `pip install --target`: the folder `bin` beside the package.
    places.append(str(Path(__file__).parent.parent / "bin"))
    for place in places:
        path = Path(place, "ringlog")
        if os.access(path, os.X_OK):
            return str(path)
    found = shutil.which("ringlog")
    if found is None:
        raise Error(f"no command `ringlog` in {', '.join(places)} or on the PATH; set RINGLOG_BINARY to its path")
    return found
