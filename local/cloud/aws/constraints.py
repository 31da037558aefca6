"""Loads the generated constraints: ``data/constraints.json``, made by ``generate.py`` and checked in."""

import json
from functools import cache
from pathlib import Path

from local.cloud.model import Constraint
from local.cloud.values import Json

DATA = Path(__file__).parent / "data" / "constraints.json"


@cache
def document() -> dict[str, Json]:
    """The whole file: ``{"sources": …, "types": {token: {"schema": …, "properties": {path: {…}}}}}``."""
    return dict(json.loads(DATA.read_text())) if DATA.exists() else {"sources": {}, "types": {}}


def constraints_of(token: str) -> tuple[Constraint, ...]:
    """The constraints of one resource type, in the order of their paths; empty for a type without any."""
    entry = document()["types"].get(token, {})
    return tuple(
        Constraint(
            path=path,
            values=row.get("values"),
            pattern=row.get("pattern"),
            minimum=row.get("minimum"),
            maximum=row.get("maximum"),
            min_length=row.get("minLength"),
            max_length=row.get("maxLength"),
            source=row.get("source", ""),
        )
        for path, row in sorted(entry.get("properties", {}).items())
    )
