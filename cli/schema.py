"""``slipway schema``."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from cli import terminal
from cli.lazy import verb
from cli.project import project_directory
from stacks.schema import stack_file_schema

FILE: Final = Path("stacks") / "config" / "schema.json"


def text() -> str:
    """The document as it is committed."""
    return json.dumps(stack_file_schema(), indent=2, ensure_ascii=False) + "\n"


def schema(
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Write stacks/config/schema.json instead of printing it.")
    ] = False,
) -> None:
    """Print the JSON Schema (draft 2020-12) of a stack's settings file, for editors and other tools.

    Editors with the YAML language server complete and check settings by it, because each checked-in file names it in
    its first line. Rules between settings are checked by `slipway plan`.

    \b
    Examples:
      slipway schema | jq '.["$defs"].Pool'
      slipway schema --write      after a change of the settings' models
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    if not write:
        terminal.print_json(stack_file_schema())
        return
    path = project_directory() / FILE
    path.write_text(text(), encoding="utf-8")
    terminal.messages().print(f"wrote {path}", soft_wrap=True)


app = verb(schema)
