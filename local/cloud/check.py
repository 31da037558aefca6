"""What is wrong with a resource's inputs before any API sees them, and what the provider adds to them."""

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from local.cloud.convert import ALL_TAGS, TAGS
from local.cloud.diff import DEFAULTS
from local.cloud.model import Autoname, Binding, Constraint
from local.cloud.paths import join, values_at
from local.cloud.schema import ResourceSchema, Shape, Type
from local.cloud.values import UNKNOWN, Json, Secret, contains_unknown, is_unknown, plain


class AutonameMode(StrEnum):
    """How the engine's ``autonaming`` setting wants a proposed name taken."""

    PROPOSE = "propose"
    ENFORCE = "enforce"
    DISABLE = "disable"


@dataclass(frozen=True)
class AutonameOptions:
    """The engine's ``autonaming`` setting for one resource."""

    proposed: str = ""
    mode: AutonameMode = AutonameMode.PROPOSE


@dataclass(frozen=True)
class Failure:
    """One problem: the property's path and one sentence with what, where, the value, what is allowed, what to do."""

    property: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """Inputs as the provider will use them, and everything that is wrong with them."""

    inputs: dict[str, Json]
    failures: list[Failure]


class Checker:
    """Checks one resource type."""

    def __init__(self, binding: Binding, schema: ResourceSchema) -> None:
        self._binding = binding
        self._schema = schema

    def check(
        self,
        name: str,
        news: Mapping[str, Json],
        *,
        olds: Mapping[str, Json] | None = None,
        seed: bytes = b"",
        autoname: AutonameOptions | None = None,
        default_tags: Json = None,
    ) -> Checked:
        """Validate ``news`` and complete them; ``olds`` are the checked inputs of the resource as it exists."""
        failures: list[Failure] = []
        inputs = {key: value for key, value in news.items() if key != DEFAULTS and value is not None}
        failures += self._add_name(name, inputs, olds or {}, seed, autoname or AutonameOptions())
        self._add_tags(inputs, default_tags)
        walk = _Walk(self._schema, failures)
        made_up = inputs.pop(DEFAULTS, None)
        checked: dict[str, Json] = walk.shape(inputs, self._schema.inputs, "", secret=False)
        if made_up:
            checked[DEFAULTS] = made_up
        _documents(checked, self._schema)
        for constraint in self._binding.constraints:
            failures += constraint_failures(constraint, checked)
        return Checked(checked, failures)

    def _add_name(
        self,
        name: str,
        inputs: dict[str, Json],
        olds: Mapping[str, Json],
        seed: bytes,
        options: AutonameOptions,
    ) -> Iterator[Failure]:
        rule = self._binding.autoname
        if rule is None or rule.property in inputs or f"{rule.property}Prefix" in inputs:
            return
        before = olds.get(rule.property)
        if before is not None and rule.property in (plain(olds.get(DEFAULTS)) or []):
            made: Json = before
        elif options.mode is AutonameMode.DISABLE:
            yield Failure(rule.property, f"is missing and automatic naming is disabled for {name!r}: give it a name")
            return
        elif options.proposed:
            made = options.proposed
        else:
            made = autoname_of(name, rule, seed)
        if isinstance(made, str) and len(made) > rule.max_length:
            # Not cut: the real provider refuses it too (pulumi/sdk, go/common/resource, NewUniqueName).
            yield Failure(
                rule.property,
                f"would be {made!r}: that is {len(made)} characters, at most {rule.max_length} are allowed; "
                f"shorten the logical name {name!r} or set {rule.property}",
            )
        inputs[rule.property] = made
        inputs[DEFAULTS] = [rule.property]

    def _add_tags(self, inputs: dict[str, Json], default_tags: Json) -> None:
        outputs = self._schema.outputs.properties
        if not default_tags or TAGS not in self._schema.inputs.properties or ALL_TAGS not in outputs:
            return
        own = inputs.get(TAGS)
        if is_unknown(own) or is_unknown(default_tags) or is_unknown(plain(own)):
            return
        merged = {**plain(default_tags), **(plain(own) or {})}
        inputs[TAGS] = Secret(merged) if isinstance(own, Secret) else merged


def autoname_of(name: str, rule: Autoname, seed: bytes) -> str:
    """``name-1a2b3c4``: random by ``seed`` (of the engine; without one, by the name)."""
    digits = hashlib.sha256(seed or name.encode()).hexdigest()[: rule.random_length]
    made = f"{name}{rule.separator}{digits}"
    return made.lower() if rule.lowercase else made


class _Walk:
    """Walks inputs along their types; returns them coerced as Terraform does it (8 for ``"8"``)."""

    def __init__(self, schema: ResourceSchema, failures: list[Failure]) -> None:
        self._shapes = schema.shapes
        self._failures = failures

    def shape(self, value: Mapping[str, Json], shape: Shape, path: str, *, secret: bool) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for name, item in value.items():
            at = join(path, name)
            if name not in shape.properties:
                self._failures.append(Failure(at, _unknown_property(name, shape)))
            elif item is not None:
                result[name] = self.value(item, shape.properties[name], at, secret=secret)
        for name in sorted(shape.required):
            if value.get(name) is None:
                self._failures.append(Failure(join(path, name), "is missing: it is required, give it a value"))
        return result

    def value(self, value: Json, kind: Type, at: str, *, secret: bool) -> Json:
        if isinstance(value, Secret):
            return Secret(self.value(value.value, kind, at, secret=True))
        if is_unknown(value) or kind.name == "any":
            return value
        item = kind.item or Type("any")
        coerced: Json
        if kind.name == "list" and isinstance(value, list):
            coerced = [self.value(part, item, f"{at}[{index}]", secret=secret) for index, part in enumerate(value)]
        elif kind.name == "map" and isinstance(value, dict):
            coerced = {key: self.value(part, item, join(at, key), secret=secret) for key, part in value.items()}
        elif kind.name == "object" and isinstance(value, dict):
            coerced = self.shape(value, self._shapes.get(kind.shape, Shape()), at, secret=secret)
        else:
            coerced = _SCALARS[kind.name](value) if kind.name in _SCALARS else None
        if coerced is None:
            shown = "a secret" if secret else repr(value)
            self._failures.append(Failure(at, f"is {shown} ({_name_of(value)}): expected {_EXPECTED[kind.name]}"))
            return value
        return coerced


_EXPECTED = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "map": "a map of keys to values",
    "object": "an object",
}


def _as_text(value: Json) -> Json:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _as_truth(value: Json) -> Json:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value)
    return value if isinstance(value, bool) else None


def _as_number(value: Json) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else number


def _as_integer(value: Json) -> Json:
    number = _as_number(value)
    return number if isinstance(number, int) else None


_SCALARS: Mapping[str, Callable[[Json], Json]] = {
    "string": _as_text,
    "boolean": _as_truth,
    "integer": _as_integer,
    "number": _as_number,
}
"""Conversions that lose nothing; None says that there is none."""


def _name_of(value: Json) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


def _unknown_property(name: str, shape: Shape) -> str:
    near = difflib.get_close_matches(name, shape.properties, n=1, cutoff=0.7)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(shape.properties)) or 'no properties'}"
    return f"is not a property of this type; {hint}"


def _documents(inputs: dict[str, Json], schema: ResourceSchema) -> None:
    """JSON documents (policies) may be given as objects; the provider keeps them as text."""
    for name, kind in schema.inputs.properties.items():
        output = schema.outputs.properties.get(name)
        is_text = kind.name == "any" and output is not None and output.name == "string"
        value = inputs.get(name)
        if is_text and isinstance(plain(value), dict):
            text: Json = UNKNOWN if contains_unknown(value) else json.dumps(plain(value))
            inputs[name] = Secret(text) if isinstance(value, Secret) else text


def constraint_failures(constraint: Constraint, inputs: Mapping[str, Json]) -> Iterator[Failure]:
    """What ``constraint`` has against ``inputs``; unknown values pass."""
    for path, wrapped in values_at(dict(inputs), constraint.path):
        secret = isinstance(wrapped, Secret)
        value = plain(wrapped)
        reason = None if is_unknown(value) else _violation(constraint, value)
        if reason:
            shown = "a secret" if secret else repr(value)
            source = f" ({constraint.source})" if constraint.source else ""
            yield Failure(path, f"is {shown}: {reason}{source}")


def _violation(constraint: Constraint, value: Json) -> str | None:
    if constraint.values is not None and str(value) not in constraint.values:
        near = difflib.get_close_matches(str(value), constraint.values, n=1, cutoff=0.7)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"allowed are {', '.join(constraint.values)}{hint}"
    if constraint.pattern is not None and isinstance(value, str) and not re.search(constraint.pattern, value):
        return f"it must match {constraint.pattern}"
    return _out_of_range(constraint, value) or _wrong_length(constraint, value)


def _out_of_range(constraint: Constraint, value: Json) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    low, high = constraint.minimum, constraint.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        return f"allowed is {_range(low, high)}"
    return None


def _wrong_length(constraint: Constraint, value: Json) -> str | None:
    if not isinstance(value, str | list | dict):
        return None
    low, high = constraint.min_length, constraint.max_length
    if (low is not None and len(value) < low) or (high is not None and len(value) > high):
        unit = "characters" if isinstance(value, str) else "items"
        return f"it has {len(value)} {unit}, allowed is {_range(low, high)}"
    return None


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
