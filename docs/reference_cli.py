"""The command-line page, from the commands' own help."""

from collections.abc import Iterator

import click
import typer.main
from cli.main import app


def page(root: click.Command | None = None) -> str:
    """Markdown for every command: help text, usage, arguments and options."""
    command = root or typer.main.get_command(app)
    parts = ["# Command line\n"]
    for path, item in _walk(command, "slipway"):
        parts.append(_section(path, item))
    return "\n".join(parts)


def _walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            if not command.commands[name].hidden:
                yield from _walk(command.commands[name], f"{path} {name}")


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [f"## {path}\n", f"```text\n{usage}\n```\n"]
    if command.help:
        lines.append(f"```text\n{click.unstyle(command.help).strip()}\n```\n")
    rows = [record for item in command.get_params(context) if (record := item.get_help_record(context))]
    if rows:
        lines.append("| | |\n|---|---|")
        lines.extend(f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows)
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
