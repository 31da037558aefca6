"""The command-line page, from the commands' own help."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from cli.main import VERBS, app

_MARKUP = re.compile(r"\x1b\[[0-9;]*m|\[/?(?:bold|dim|red|green|yellow|cyan)\]|\x08\n?")


def page() -> str:
    """Markdown for every command: usage, help text, arguments and options."""
    parts = ["# Command line\n", _section("slipway", get_command(app))]
    for name, (module, _) in VERBS.items():
        for path, command in _walk(get_command(importlib.import_module(module).app), f"slipway {name}"):
            parts.append(_section(path, command))
    return "\n".join(parts)


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """``command`` and its subcommands. Typer's command classes are its own, so they are known by what they offer."""
    yield path, command
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if not child.hidden:
            yield from _walk(child, f"{path} {name}")


def _section(path: str, command: Any) -> str:
    context = command.context_class(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [f"## {path}\n", f"```text\n{usage}\n```\n"]
    if command.help:
        lines.append(f"```text\n{_plain(command.help)}\n```\n")
    rows = [record for item in command.get_params(context) if (record := item.get_help_record(context))]
    if rows:
        lines.append("| | |\n|---|---|")
        lines.extend(f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows)
        lines.append("")
    if command.epilog:
        lines.append(f"```text\n{_plain(command.epilog)}\n```\n")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return _MARKUP.sub("", text).strip()


def _cell(text: str) -> str:
    return _plain(" ".join(text.split())).replace("|", "\\|")
