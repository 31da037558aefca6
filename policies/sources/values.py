"""Pulumi's own notation inside JSON: secrets, outputs and what is not known yet."""

import contextlib
import gc
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.graph import SECRET, UNKNOWN, Json
from policies.sources.errors import SourceError

UNKNOWN_TEXTS: Final = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # text, and what has no kind
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # flag
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # mapping
    }
)
"""What stands for an unknown value (pulumi_policy/proxy.py 1.21; sdk/go/common/resource/plugin/rpc.go)."""
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (Pulumi's public mark of a secret, none itself)
OUTPUT_SIGNATURE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
"""Keys and marks of special objects (pulumi/runtime/rpc.py)."""
HIDDEN_TEXT: Final = "[secret]"
"""What ``pulumi preview --json`` prints in the place of a secret (pkg/backend/display/json.go)."""
_MARKS: Final[Mapping[str, Json]] = {**dict.fromkeys(UNKNOWN_TEXTS, UNKNOWN), HIDDEN_TEXT: SECRET}
_LONE_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_OPAQUE_OBJECT: Final = "kubernetes:core/v1:Secret"


def load(text: str) -> Any:
    """A JSON document of Pulumi with secrets and unknown values replaced.

    Raises:
        SourceError: it is no JSON, ends too early, or is nested deeper than anything that Pulumi writes.
    """
    hook = _special if SIGNATURE in text else None
    try:
        with collector_paused():
            document = json.loads(text, object_hook=hook)
            # Most documents hold none: going through ten thousand resources costs more than looking for the texts.
            if any(item in text for item in _MARKS):
                document = marked(document)
            if _LONE_SURROGATE.search(text):
                document = printable_throughout(document)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"this is no complete JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            hint="write the file again: a command that was interrupted, or whose messages went into it, leaves a part",
        ) from None
    except RecursionError:
        raise SourceError(
            "the document is nested too deeply", hint="no output of Pulumi is; write the file again"
        ) from None
    return document


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """A document is a million objects that all stay: looking for garbage among them takes half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _special(found: dict[str, Any]) -> Json:
    signature = found.get(SIGNATURE)
    if signature == SECRET_SIGNATURE:
        return SECRET
    if signature == OUTPUT_SIGNATURE:
        if found.get("secret"):
            return SECRET
        return found.get("value", UNKNOWN)
    return found


def marked(value: Json) -> Json:
    """``value``, changed in place, with the texts that stand for unknown and secret values replaced."""
    kind = type(value)
    if kind is str:
        return _MARKS.get(value, value)
    if kind is dict:
        for key, item in value.items():
            if type(item) is str:
                if item in _MARKS:
                    value[key] = _MARKS[item]
            else:
                marked(item)
    elif kind is list:
        value[:] = [marked(item) for item in value]
    return value


def printable_throughout(value: Json) -> Json:
    """``value`` with every text ``printable``."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): printable_throughout(item) for key, item in value.items()}
    return [printable_throughout(item) for item in value] if isinstance(value, list) else value


def printable(text: str) -> str:
    """``text`` without halves of surrogate pairs, which no terminal and no file takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def properties(token: str, given: object) -> dict[str, Json]:
    """Inputs or outputs of one resource: without the provider's own notes, and with a Secret's contents hidden."""
    if not isinstance(given, Mapping):
        return {}
    found = {name: item for name, item in given.items() if name[:2] != "__"}
    if token == _OPAQUE_OBJECT:
        found.update({name: SECRET for name in ("data", "stringData") if found.get(name) is not None})
    return found


def texts(given: object) -> tuple[str, ...]:
    """The texts of a list, whatever else lies in it."""
    return tuple(item for item in given if isinstance(item, str)) if isinstance(given, list) else ()


def text(given: object) -> str:
    """A text, or nothing."""
    return given if isinstance(given, str) else ""


def type_of(urn: str) -> str:
    """``urn:pulumi:stack::project::a$b::name`` -> ``b``."""
    parts = urn.split("::", 3)
    return parts[2].rpartition("$")[2] if len(parts) == 4 else ""  # noqa: PLR2004 (the parts of a URN)


def name_of(urn: str) -> str:
    """The logical name in a URN; it may hold ``::`` itself."""
    parts = urn.split("::", 3)
    return parts[3] if len(parts) == 4 else urn  # noqa: PLR2004 (the parts of a URN)


def place_of(urns: list[str]) -> tuple[str, str]:
    """(stack, project) as the first URN names them."""
    for urn in urns:
        head, _, rest = urn.partition("::")
        if head.startswith("urn:pulumi:"):
            return head.removeprefix("urn:pulumi:"), rest.partition("::")[0]
    return "", ""
