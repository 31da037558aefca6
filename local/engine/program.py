"""Runs ``pulumi-language-python-exec`` and keeps an error from being told twice.

Run by path, with the program's own interpreter: ``python -u program.py <exec script> <its arguments>``. The script logs
a ``pulumi.RunError`` to the engine and exits with 1, upon which a host would report "exited with non-zero exit code: 1"
as a second error of the same failure.
"""

import os
import runpy
import sys
from typing import Any

_FAILED = 1
_ALREADY_REPORTED = 32


def main(arguments: list[str]) -> None:
    """``arguments``: the script and its own. Exits with its status, or 32 when the user has seen the error."""
    script = arguments[0]
    # As if Python had started the script itself: this folder's modules are nothing to the program.
    sys.path[0] = os.path.dirname(script)  # noqa: PTH120 (pathlib would be one more import in every run)
    sys.argv = arguments
    reported = _watch_errors()
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code == _FAILED and reported:
            sys.exit(_ALREADY_REPORTED)
        raise


def _watch_errors() -> list[str]:
    """A list that fills with the errors that the program logs; stays empty without a Pulumi SDK."""
    reported: list[str] = []
    try:
        from pulumi import log
    except ImportError:
        # The script explains this better than a traceback from here.
        return reported
    original = log.error

    def error(msg: str, *rest: Any, **named: Any) -> None:
        reported.append(msg)
        original(msg, *rest, **named)

    log.error = error
    return reported


if __name__ == "__main__":
    main(sys.argv[1:])
