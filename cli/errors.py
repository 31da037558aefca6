"""One clear error: what is wrong, where, the value received, what is allowed, what to do. Never a traceback."""

import os
import sys
import traceback
from typing import Final

from rich.console import Console
from rich.text import Text

from cli.exits import Exit

DEBUG_VARIABLE: Final = "SLIPWAY_DEBUG"


class UserError(Exception):
    """Something that the user can put right."""

    def __init__(
        self,
        what: str,
        *,
        fix: str,
        where: str = "",
        value: str = "",
        allowed: str = "",
        status: Exit = Exit.FAILED,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.value = value
        self.allowed = allowed
        self.fix = fix
        self.status = status


def show(error: BaseException, console: Console) -> Exit:
    """Print ``error`` and return the status to exit with; with SLIPWAY_DEBUG=1 the traceback comes first."""
    if os.environ.get(DEBUG_VARIABLE) == "1":
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, KeyboardInterrupt):
        _line(console, "interrupted", "")
        return Exit.INTERRUPTED
    for one in (translated := _translate(error)):
        show_one(one, console)
    return translated[0].status


def show_one(error: UserError, console: Console) -> None:
    """One error, at most five lines and a blank one."""
    _line(console, "error", error.what)
    for label, text in (
        ("where", error.where),
        ("value", error.value),
        ("allowed", error.allowed),
        ("do this", error.fix),
    ):
        if text:
            line = Text(f"  {label + ':':<9}", style="bold")
            line.append(text, style="not bold")
            console.print(line, soft_wrap=True, highlight=False)


def _line(console: Console, label: str, text: str) -> None:
    line = Text(f"{label}{':' if text else ''}", style="bold red")
    if text:
        line.append(f" {text}", style="not bold default")
    console.print(line, soft_wrap=True, highlight=False)


def _translate(error: BaseException) -> list[UserError]:
    """Errors of the other rooms in the words of this one.

    They are told by their attributes: importing settings and toolchain to report a typing error costs half a second.
    """
    if isinstance(error, UserError):
        return [error]
    problems = getattr(error, "problems", None)
    if problems:
        return [_problem(problem, str(getattr(error, "source", ""))) for problem in problems]
    hint = getattr(error, "hint", None)
    if hint is not None:
        message = str(getattr(error, "message", error))
        status = Exit.NO_TOOLCHAIN if "toolchain" in type(error).__module__ else Exit.FAILED
        return [UserError(message, fix=str(hint), status=status)]
    if type(error).__module__.startswith("local."):
        # The simulation's own refusals: their messages say what is wrong and mostly what to do.
        return [UserError(str(error), fix="`slipway local status` and `slipway local logs` say more")]
    if isinstance(error, OSError) and error.filename is not None:
        # Only files have names: a full disk, a read-only directory, a path that is a file.
        return [
            UserError(
                f"the operating system refused: {error.strerror}",
                where=str(error.filename),
                fix="free or open up that place, or point SLIPWAY_STATE_DIR and SLIPWAY_CACHE_DIR somewhere else",
            )
        ]
    return [
        UserError(
            f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
            fix=f"this is a fault of slipway itself: run again with {DEBUG_VARIABLE}=1 and report the traceback",
        )
    ]


def _problem(problem: object, source: str) -> UserError:
    def text(name: str) -> str:
        return str(getattr(problem, name, ""))

    rule = text("rule")
    path = text("path")
    return UserError(
        f"{text('what') or 'the settings cannot be used'}{f' [{rule}]' if rule else ''}",
        where=f"{source}: {path}" if source else path,
        value=text("value"),
        allowed=text("allowed"),
        fix=text("fix"),
        status=Exit.USAGE,
    )
