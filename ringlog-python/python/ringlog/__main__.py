"""`python -m ringlog ...`: the command `ringlog`.

`python -m ringlog import FILE.py:NAME` takes the dictionary NAME of a Python file, which is executed for it, and
`python -m ringlog import FILE.yaml` a dictionary in YAML, if PyYAML is installed.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
from typing import Any

from ringlog._ringlog import Error
from ringlog.binary import find_binary
from ringlog.config import as_json


def main() -> None:
    """Becomes the command, with the arguments of this process."""
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["import"]:
            arguments = [_replaced(argument) for argument in arguments]
        os.execv(find_binary(), ["ringlog", *arguments])
    except (Error, OSError) as error:
        sys.exit(f"ringlog: {error}")


def _replaced(argument: str) -> str:
    """The argument; for a dictionary that the command cannot read `-`, and the dictionary is its standard input."""
    path, colon, name = argument.rpartition(":")
    if colon and path.endswith(".py") and name.isidentifier():
        return _as_input(_of_python(path, name))
    if argument.endswith((".yaml", ".yml")) and os.path.isfile(argument):
        return _as_input(_of_yaml(argument))
    return argument


def _of_python(path: str, name: str) -> Any:
    print(f"ringlog: {path} is executed, for its {name}", file=sys.stderr)
    # As if it were the program: its imports are looked for beside it.
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        values = runpy.run_path(path)
    except OSError:
        raise
    except Exception as error:
        raise Error(f"{path} cannot be executed: {type(error).__name__}: {error}") from error
    if name not in values:
        raise Error(f"{path} has no {name}; expected the dictionary that the program gives to dictConfig")
    if not isinstance(values[name], dict):
        raise Error(f"{name} of {path} is of type {type(values[name]).__name__}; expected a dictionary for dictConfig")
    return values[name]


def _of_yaml(path: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise Error(f"{path} is YAML, which takes PyYAML: pip install PyYAML") from None
    with open(path, encoding="utf-8") as file:
        try:
            return yaml.safe_load(file)
        except yaml.YAMLError as error:
            raise Error(f"{path} is no YAML: {error}") from error


def _as_input(config: Any) -> str:
    """Makes the configuration, as JSON, the standard input of the command."""
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(config, default=as_json).encode())
        file.seek(0)
        os.dup2(file.fileno(), 0)
    return "-"


if __name__ == "__main__":
    main()
