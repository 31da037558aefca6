"""Commands that are imported when they are called, so that ``slipway --help`` is there at once."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command


class LazyGroup(TyperGroup):
    """A group whose listed commands are one-line stand-ins until one of them is called."""

    modules: ClassVar[Mapping[str, str]] = {}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Swap the stand-in for the real command: the ``app`` of its module."""
        if args and args[0] in self.modules:
            real = get_command(importlib.import_module(self.modules[args[0]]).app)
            real.name = args[0]
            self.commands[args[0]] = real
        return super().resolve_command(ctx, args)


class DefaultGroup(TyperGroup):
    """A group whose first word is an argument of its ``default`` command unless it names a command."""

    default: ClassVar[str] = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """``policy prod`` is ``policy check prod``, and so is ``policy`` alone with the default environment."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def group(default: str) -> typer.Typer:
    """A Typer application of several commands, of which one is meant when none is named."""
    return typer.Typer(
        cls=type(f"Group_{default}", (DefaultGroup,), {"default": default}),
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def stand_in(summary: str) -> Callable[[], None]:
    """A command that only ``--help`` of the group ever sees."""

    def command() -> None:
        raise AssertionError("a stand-in is never called")

    command.__doc__ = summary
    return command


def verb(function: Callable[..., None]) -> typer.Typer:
    """A Typer application of one command, in the form in which ``LazyGroup`` wants it."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(function)
    return app
