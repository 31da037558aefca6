"""Holds objects against a CRD's OpenAPI schema as an API server does: structure, types, bounds and unknown fields.

Enough of it to find misspelt and misplaced fields without a cluster; CEL rules and webhooks are the simulation tests'.
"""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TRAINER_MODULE = "github.com/kubeflow/trainer/v2@v2.3.0"


@cache
def module_directory(module: str) -> Path | None:
    """Where a Go module's sources lie, if they were downloaded."""
    try:
        found = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    path = Path(found.stdout.strip()) / re.sub(r"[A-Z]", lambda letter: f"!{letter[0].lower()}", module)
    return path if path.is_dir() else None


@cache
def trainer_schemas() -> dict[str, Any]:
    """Schema by kind, from the CRDs of Kubeflow Trainer; empty where its sources are not on this machine."""
    root = module_directory(TRAINER_MODULE)
    files = sorted((root / "manifests/base/crds").glob("trainer*.yaml")) if root else []
    found = {}
    for file in files:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        found[document["spec"]["names"]["kind"]] = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def complaints(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """What a strict API server would say about ``value``."""
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str):
            yield f"{at}: neither number nor text"
        return
    kind = schema.get("type")
    accepted = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}.get(str(kind), object)
    if not isinstance(value, accepted) or (kind == "integer" and isinstance(value, bool)):
        yield f"{at}: {value!r} is no {kind}"
    elif isinstance(value, dict):
        yield from _object(value, schema, at)
    elif isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            yield f"{at}: {len(value)} items, at most {schema['maxItems']}"
        for number, item in enumerate(value):
            yield from complaints(item, schema.get("items", {}), f"{at}[{number}]")
    else:
        yield from _scalar(value, schema, at)


def _object(value: dict[str, Any], schema: dict[str, Any], at: str) -> Iterator[str]:
    members, more = schema.get("properties"), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}.{name}: required"
    for name, item in value.items():
        if members is not None and name in members:
            yield from complaints(item, members[name], f"{at}.{name}")
        elif isinstance(more, dict):
            yield from complaints(item, more, f"{at}.{name}")
        elif members is not None and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{at}.{name}: unknown field"


def _scalar(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{at}: longer than {schema['maxLength']}"
    if isinstance(value, int) and value < schema.get("minimum", value):
        yield f"{at}: {value} is less than {schema['minimum']}"
