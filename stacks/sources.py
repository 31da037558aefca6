"""Raw settings from a file or from the engine, and the faults that a file can have before any setting is read."""

import json
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stacks.problems import NAMESPACE, Problem, SettingsError, near, shown

_FILE_KEYS = ("config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment")
"""What Pulumi itself keeps in a stack file (sdk/v3/go/common/workspace, ProjectStack)."""
_OTHER_NAMESPACES = ("pulumi",)
"""Settings of the engine itself. Provider namespaces are refused: the kit makes its providers explicitly."""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Settings as found: ``values`` by key without the namespace, ``encrypted`` the keys that hold secrets."""

    source: str
    values: dict[str, Any]
    encrypted: frozenset[str]
    problems: tuple[Problem, ...] = ()


class _Loader(yaml.SafeLoader):
    """YAML as Pulumi's own parser reads it: no key twice, no dates, no ``yes`` for true, no base-60 numbers."""


class _DuplicateKeyError(yaml.MarkedYAMLError):
    pass


_CORE = {
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "tag:yaml.org,2002:int": (r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", list("-+0123456789")),
    "tag:yaml.org,2002:float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    "tag:yaml.org,2002:merge": (r"<<", ["<"]),
}
_Loader.yaml_implicit_resolvers = {}
for _tag, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    loader.flatten_mapping(node)
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise _DuplicateKeyError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
        seen.add(key)
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value
    }


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _fault(path: Path, rule: str, what: str, *, value: str, allowed: str, fix: str) -> SettingsError:
    problem = Problem(path=path.name, value=value, rule=rule, what=what, allowed=allowed, fix=fix)
    return SettingsError([problem], source=str(path))


def read_file(path: Path) -> Raw:
    """The settings of a ``Pulumi.<stack>.yaml``.

    Raises:
        SettingsError: The file is missing, is no UTF-8, no YAML, or not shaped as a stack file.
    """
    document = _parse(path, _text(path))
    if not isinstance(document, dict):
        raise _fault(
            path,
            "file-mapping",
            "the file holds no mapping" if document is not None else "the file is empty",
            value=shown(document),
            allowed="a mapping with `config:` and, below it, keys such as `slipway:environment:`",
            fix="compare it with stacks/config/Pulumi.local.yaml",
        )
    problems = [_unknown_file_key(path, str(key)) for key in document if key not in _FILE_KEYS]
    config = document.get("config")
    if not isinstance(config, dict):
        raise _fault(
            path,
            "file-config",
            "`config:` holds no settings",
            value=shown(config),
            allowed="a mapping of keys such as `slipway:environment:`",
            fix="put the settings below `config:`, indented",
        )
    raw = from_mapping({str(key): value for key, value in config.items()}, source=str(path))
    return Raw(source=raw.source, values=raw.values, encrypted=raw.encrypted, problems=(*problems, *raw.problems))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        stacks = sorted(item.name for item in path.parent.glob("Pulumi.*.yaml")) if path.parent.is_dir() else []
        raise _fault(
            path,
            "file-missing",
            "there is no such file",
            value="nothing",
            allowed=", ".join(stacks) or "a Pulumi.<stack>.yaml",
            fix="correct the stack's name, or copy one of those files",
        ) from None
    except UnicodeDecodeError as error:
        raise _fault(
            path,
            "file-utf8",
            f"the file is not UTF-8 text (byte {error.start})",
            value="bytes",
            allowed="UTF-8",
            fix="save it as UTF-8",
        ) from None
    except OSError as error:
        raise _fault(
            path,
            "file-unreadable",
            f"it cannot be read: {error.strerror}",
            value="nothing",
            allowed="a readable file",
            fix="check its permissions",
        ) from None


def _parse(path: Path, text: str) -> Any:
    for number, line in enumerate(text.splitlines(), start=1):
        if "\t" in line[: len(line) - len(line.lstrip())]:
            raise _fault(
                path,
                "file-tabs",
                f"line {number} is indented with a tab, which YAML forbids",
                value=shown(line[:40]),
                allowed="spaces",
                fix="replace the tabs with spaces",
            )
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- _Loader is a SafeLoader
    except _DuplicateKeyError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}" if mark else "somewhere"
        raise _fault(
            path,
            "file-duplicate-key",
            f"{error.problem} ({place})",
            value="two values",
            allowed="each key once",
            fix="remove one of them",
        ) from None
    except yaml.YAMLError as error:
        found = getattr(error, "problem_mark", None)
        place = f"line {found.line + 1}, column {found.column + 1}" if found else "somewhere"
        raise _fault(
            path,
            "file-yaml",
            f"this is no YAML ({place}): {getattr(error, 'problem', None) or error}",
            value="text",
            allowed="YAML",
            fix="correct the line, and look at the one before it",
        ) from None


def _unknown_file_key(path: Path, key: str) -> Problem:
    guess = "config" if key.startswith(f"{NAMESPACE}:") else near(key, _FILE_KEYS)
    fix = "indent it below `config:`" if key.startswith(f"{NAMESPACE}:") else f"did you mean `{guess or 'config'}`?"
    return Problem(
        path=f"{path.name}: {key}",
        value="a key",
        rule="file-key",
        what="Pulumi knows no such key in a stack file",
        allowed=", ".join(_FILE_KEYS),
        fix=fix,
    )


def from_mapping(config: Mapping[str, Any], *, source: str) -> Raw:
    """Settings from ``config`` of a stack file: namespaced keys with YAML values."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    encrypted: set[str] = set()
    for full_key, value in config.items():
        key = _own_key(full_key, problems)
        if key is not None:
            values[key] = _as_engine(value)
            if _has_secure(value):
                encrypted.add(key)
    return Raw(source=source, values=values, encrypted=frozenset(encrypted), problems=tuple(problems))


def _as_engine(value: Any) -> Any:
    """A top-level scalar as the engine would hand it over: text, whatever YAML made of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _own_key(full_key: str, problems: list[Problem]) -> str | None:
    """The key without its namespace; None for the engine's own keys and, with a problem noted, for foreign ones."""
    namespace, colon, key = full_key.partition(":")
    if colon and namespace == NAMESPACE:
        return key
    if colon and namespace in _OTHER_NAMESPACES:
        return None
    guess = near(namespace, (NAMESPACE,)) if colon else NAMESPACE
    problems.append(
        Problem(
            path=full_key,
            value="a key",
            rule="key-namespace",
            what="this key is not in the project's namespace" if colon else "this key has no namespace",
            allowed=f"{NAMESPACE}:<setting>, and pulumi:<option>",
            fix=f"write {NAMESPACE}:{key if colon else full_key}"
            if guess
            else "remove it: providers are made from slipway:place, and read no configuration of their own",
        )
    )
    return None


def _has_secure(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(_has_secure(item) for item in value.values())
    return isinstance(value, list) and any(_has_secure(item) for item in value)


def from_engine(config: Mapping[str, str], encrypted: frozenset[str], *, source: str) -> Raw:
    """Settings as the engine hands them to a program: every value is text, structured ones are JSON.

    Args:
        config: Full keys and their text.
        encrypted: Full keys whose value holds a secret.
        source: How errors call the settings.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for full_key, text in config.items():
        key = _own_key(full_key, problems)
        if key is not None:
            values[key] = _structured(text)
    own = frozenset(key.partition(":")[2] for key in encrypted if key.startswith(f"{NAMESPACE}:"))
    return Raw(source=source, values=values, encrypted=own, problems=tuple(problems))


def _structured(text: str) -> Any:
    """JSON objects and lists parsed; other text as it is, since the engine writes 12 and "12" alike."""
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
