"""Which Python runs a program: the project's virtual environment when its options name one, else the host's own."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class InterpreterError(Exception):
    """The project names a virtual environment that is not there."""


def interpreter(root_directory: str, options: Mapping[str, Any]) -> str:
    """The Python for ``root_directory`` (where Pulumi.yaml is); ``options`` are the runtime options of that file.

    Raises:
        InterpreterError: ``virtualenv`` names a directory without a Python.
    """
    named = options.get("virtualenv")
    if not named:
        return sys.executable
    candidate = Path(root_directory, str(named)) / "bin" / "python"
    if candidate.is_file():
        return str(candidate)
    message = (
        f"runtime.options.virtualenv of {Path(root_directory, 'Pulumi.yaml')} names {str(named)!r}, and there is no "
        f"{candidate}: run `uv sync` in {root_directory}"
    )
    raise InterpreterError(message)


def environment_for(python: str, base: Mapping[str, str]) -> dict[str, str]:
    """``base`` as that interpreter's ``activate`` would leave it, so that the program's own subprocesses agree."""
    bin_directory = str(Path(python).parent)
    activated = {name: value for name, value in base.items() if name != "PYTHONHOME"}
    activated["PATH"] = os.pathsep.join([bin_directory, base.get("PATH", os.defpath)])
    if (Path(bin_directory).parent / "pyvenv.cfg").is_file():
        activated["VIRTUAL_ENV"] = str(Path(bin_directory).parent)
    return activated
