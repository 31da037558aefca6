"""``NodeSettings`` as a file: what the supervisor hands to an agent."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from local.cluster.files import write_private
from local.cluster.process_node.seams import NodeSettings

_PATHS = frozenset(field.name for field in fields(NodeSettings) if field.type in {Path, "Path"})


def save(settings: NodeSettings, path: Path) -> None:
    """Write the settings (no secret among them: keys are named by their files)."""
    members = {field.name: getattr(settings, field.name) for field in fields(settings)}
    text = json.dumps({name: str(value) if name in _PATHS else value for name, value in members.items()}, indent=1)
    write_private(path, text + "\n")


def load(path: Path) -> NodeSettings:
    """Read them again.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    written = json.loads(path.read_text())
    members: dict[str, Any] = {name: Path(value) if name in _PATHS else value for name, value in written.items()}
    try:
        return NodeSettings(**members)
    except TypeError as error:
        raise ValueError(f"{path} holds no settings of a process node: {error}") from error
