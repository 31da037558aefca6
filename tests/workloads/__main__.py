"""Runs this tier in the workloads' own environment, the only one with torch: ``python -m tests.workloads [options]``.

The options are pytest's. ``python -m tests.workloads types`` checks the types of workloads/trainer and workloads/data
against the libraries of that environment instead. Without it both say what waits for `make toolchain`; with CI=true
nothing may be left out.
"""

import os
import sys
from pathlib import Path
from typing import Never

from local.toolchain.errors import ToolchainError
from local.toolchain.workloads import environment

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = 4
"""pytest's own code for "cannot run as asked"; tests/conftest.py ends with it too."""


def main(options: list[str]) -> Never:
    """Replaces this process by pytest or mypy, or tells why not."""
    try:
        python = environment() / "bin/python"
    except ToolchainError as error:
        if os.environ.get("CI") == "true":
            sys.stderr.write(f"CI=true leaves no tier out, but the workloads' tier cannot run: {error}\n")
            sys.exit(LEFT_OUT)
        sys.stdout.write("The tests and types of the trainer wait for `make toolchain`\n")
        sys.exit()
    os.chdir(ROOT)
    if options == ["types"]:
        checker = [sys.executable, "-m", "mypy", "--config-file", "workloads/mypy.ini"]
        os.execv(sys.executable, [*checker, "--python-executable", str(python)])  # noqa: S606  (no shell is wanted)
    # One thread per process: several processes train side by side, and threads that wait for a core spin.
    os.environ.update(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    chosen = options if any(not option.startswith("-") for option in options) else [*options, "tests/workloads"]
    os.execv(python, [str(python), "-m", "pytest", *chosen])  # noqa: S606  (as above)


if __name__ == "__main__":
    main(sys.argv[1:])
