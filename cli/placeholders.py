"""Secrets of a stack's file that nobody has written yet."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

import yaml

from cli.errors import UserError
from cli.exits import Exit
from cli.project import Stack

_WORD: Final = b"placeholder"


def refuse_placeholders(stack: Stack) -> None:
    """Stop before the engine meets a ``secure:`` value that stands for a secret and decrypts to nothing.

    Raises:
        UserError: there are some; it names all of them.
    """
    document = yaml.safe_load(stack.file.read_text(encoding="utf-8"))
    found = list(_placeholders(document.get("config") or {}, ""))
    if found:
        raise UserError(
            "these secrets are still the placeholders of the checked-in file",
            where=str(stack.file),
            value=", ".join(found),
            allowed="values that the stack's own secrets provider encrypted (a rehearsal makes up its own)",
            fix=f"`pulumi config set --stack {stack.name} --secret --path '{found[0]}'`, for each of them",
            status=Exit.USAGE,
        )


def _placeholders(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            if is_placeholder(str(value["secure"])):
                yield path
            return
        for key, item in value.items():
            yield from _placeholders(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _placeholders(item, f"{path}[{number}]")


def is_placeholder(text: str) -> bool:
    """Whether ``text`` has the form of a ciphertext and says that it is none: its parts are the word itself."""
    parts = text.split(":")[1:]
    try:
        return bool(parts) and all(base64.b64decode(part, validate=True) == _WORD for part in parts)
    except (binascii.Error, ValueError):
        return False
