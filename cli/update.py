"""One update by the engine, told from its command line to its errors: what `up`, `destroy`, `refresh` share."""

from collections.abc import Sequence

from rich.console import Console

from cli.engine import Engine, Outcome
from cli.errors import UserError, show_one
from cli.events import Diagnostic, short_type, urn_name, urn_type
from cli.hints import hint_for
from cli.progress import UpdateProgress, told
from cli.terminal import clock


class UpdateFailedError(UserError):
    """The engine gave up; its reasons have been shown already."""


def run_update(engine: Engine, arguments: Sequence[str], console: Console, *, spoken: str = "") -> Outcome:
    """Run ``pulumi <arguments>`` with progress; ``spoken`` is said in the place of a command line that is too long.

    Raises:
        UpdateFailedError: it failed; every error was shown once.
        KeyboardInterrupt: it was interrupted, and the engine has ended.
    """
    said = spoken or f"$ {engine.spoken(engine.command(*arguments))}"
    console.print(said, style="dim", soft_wrap=True)
    with UpdateProgress(console, arguments[0]) as progress:
        outcome = engine.follow(arguments, progress.show)
        elapsed = progress.elapsed
    if outcome.interrupted:
        raise KeyboardInterrupt
    if outcome.status != 0:
        raise failure(engine, outcome, console)
    console.print(f"  {told(outcome.picture)} in {clock(elapsed)}", style="dim")
    for warning in outcome.picture.diagnostics:
        if warning.severity == "warning":
            console.print(f"  warning: {_place(warning)}{warning.message}", style="yellow", soft_wrap=True)
    return outcome


def failure(engine: Engine, outcome: Outcome, console: Console) -> UpdateFailedError:
    """Show each error of the engine once; returns the last word, with the log and what is known to help."""
    errors = outcome.errors
    for error in errors:
        show_one(UserError(error.message, where=_place(error).removesuffix(": "), fix=""), console)
    remedy = (
        hint_for(errors, stack=engine.stack) or "correct the cause and run the same command again: it goes on from here"
    )
    return UpdateFailedError(
        f"`{outcome.command[1]}` of {engine.stack} failed: {len(errors)} error{'' if len(errors) == 1 else 's'}",
        where=f"engine log {outcome.log}",
        fix=remedy,
    )


def _place(item: Diagnostic) -> str:
    token = urn_type(item.urn)
    if not token or token == "pulumi:pulumi:Stack":  # noqa: S105 (a type token, no secret)
        return ""
    return f"{short_type(token)} {urn_name(item.urn)}: "
