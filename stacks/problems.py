"""What is wrong with a settings file, told so that its author can correct it: every problem at once, no traceback."""

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from pydantic_core import ErrorDetails, PydanticCustomError

NAMESPACE = "slipway"
"""Pulumi's configuration namespace of this project: the project's name in Pulumi.yaml."""
HIDDEN = "(secret)"
"""Shown instead of a value that is, or may be, a secret."""
_SHOWN_CHARACTERS = 120
_SECRET_WORDS = ("password", "passwd", "token", "secret", "credential", "apikey", "privatekey")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing to correct.

    Attributes:
        path: Where in the YAML file, for example ``slipway:pools[1].instanceType``.
        value: What stands there, as text; never a secret.
        rule: Stable kebab-case id.
        what: What is wrong.
        allowed: What would be accepted.
        fix: What to do.
    """

    path: str
    value: str
    rule: str
    what: str
    allowed: str
    fix: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.what} [{self.rule}]\n"
            f"    received: {self.value}\n    allowed:  {self.allowed}\n    do:       {self.fix}"
        )


class SettingsError(Exception):
    """The settings cannot be used. ``problems`` holds every fault found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], *, source: str) -> None:
        self.problems: list[Problem] = list(problems)
        self.source = source
        count = len(self.problems)
        heading = f"{source}: {count} problem{'' if count == 1 else 's'} in the settings, so nothing was done"
        super().__init__("\n".join([heading, *(f"  {problem}" for problem in self.problems)]))


NO_SECRET = (
    "secret-unexpected",
    "this setting is no secret: it shows in names, tags or outputs",
    "a plain value",
    "write it without `secure:`",
)
"""(rule, what, allowed, fix) for an encrypted value where none belongs."""


class _Missing:
    """Marks a place of the file at which nothing stands."""


MISSING = _Missing()


def refusal(
    rule: LiteralString, what: str, *, allowed: str, fix: str, at: Sequence[str | int] = ()
) -> PydanticCustomError:
    """The exception with which a field's validator refuses a value; ``at`` leads from the field to the culprit."""
    return PydanticCustomError(rule, "{what}", {"what": what, "allowed": allowed, "fix": fix, "at": list(at)})


def near(value: object, known: Iterable[str]) -> str | None:
    """The known name that ``value`` was probably meant to be."""
    matches = difflib.get_close_matches(str(value), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def yaml_path(steps: Sequence[str | int]) -> str:
    """``("pools", 1, "instanceType")`` -> ``slipway:pools[1].instanceType``."""
    text = NAMESPACE
    for depth, step in enumerate(steps):
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f"{':' if depth == 0 else '.'}{step}"
    return text


def shown(value: object, *, secret: bool = False) -> str:
    """``value`` as the file spells it, shortened; a secret is never shown."""
    if secret or _holds_secret(value):
        return HIDDEN
    if isinstance(value, _Missing):
        return "nothing"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _holds_secret(value: object) -> bool:
    if isinstance(value, dict):
        return any(key == "secure" or sounds_secret(str(key)) or _holds_secret(item) for key, item in value.items())
    if isinstance(value, list):
        return any(_holds_secret(item) for item in value)
    return False


def sounds_secret(name: str) -> bool:
    """Whether a key of this name probably holds a secret: a misspelt ``password`` must not be printed either."""
    plain = name.lower().replace("_", "").replace("-", "")
    return any(word in plain for word in _SECRET_WORDS) or near(plain, ("password",)) is not None


def lookup(data: Any, steps: Sequence[str | int]) -> Any:
    """What stands at ``steps`` in the raw settings, or ``MISSING``."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(data, list) or not 0 <= step < len(data):
                return MISSING
        elif not isinstance(data, dict) or step not in data:
            return MISSING
        data = data[step]
    return data


def from_pydantic(error: ErrorDetails, raw: dict[str, Any], known_keys: Sequence[str], *, secret: bool) -> Problem:
    """One of pydantic's errors as a problem.

    Args:
        error: As ``ValidationError.errors()`` lists it.
        raw: The whole settings as read.
        known_keys: Spellings of the keys of the model in which an unknown key was found.
        secret: The section holds encrypted values, so no value of it is shown.
    """
    steps = _file_steps(error, raw)
    value = lookup(raw, steps)
    hidden = secret or any(isinstance(step, str) and sounds_secret(step) for step in steps)
    context: dict[str, Any] = error.get("ctx") or {}
    encrypted = isinstance(value, dict) and set(value) == {"secure"}
    rule, what, allowed, fix = NO_SECRET if encrypted else _explain(error, context, steps, known_keys)
    return Problem(
        path=yaml_path(steps),
        value=shown(value, secret=hidden and value is not MISSING),
        rule=rule,
        what=what,
        allowed=allowed,
        fix=fix,
    )


def _file_steps(error: ErrorDetails, raw: dict[str, Any]) -> list[str | int]:
    """The error's place in the file: pydantic also lists the tags of unions, which no file spells."""
    location = [step for step in error["loc"] if step != "[key]"]
    steps: list[str | int] = []
    tagged: list[str | int] | None = None
    for number, step in enumerate(location):
        last = number == len(location) - 1
        here = lookup(raw, steps)
        if tagged != steps and isinstance(here, dict) and step in (here.get("kind"), here.get("cloud")):
            # A tag may have the name of a key beside it (kind: runtime, runtime: …); pydantic names the tag first.
            tagged = list(steps)
            continue
        stands = not isinstance(lookup(raw, [*steps, step]), _Missing)
        if stands or (last and error["type"] == "missing"):
            steps.append(step)
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        steps.append(error["ctx"]["discriminator"].strip("'"))
    extra: list[str | int] = (error.get("ctx") or {}).get("at", [])
    return [*steps, *extra]


_TYPE_RULES = {
    "string_type": ("text-expected", "text", "put it in quotes"),
    "int_type": ("number-expected", "a whole number", "write a plain number without quotes"),
    "int_from_float": ("number-expected", "a whole number", "write a whole number"),
    "float_type": ("number-expected", "a number", "write a plain number without quotes"),
    "bool_type": ("flag-expected", "true or false", "write true or false without quotes"),
    "bool_parsing": ("flag-expected", "true or false", "write true or false"),
    "list_type": ("list-expected", "a list", "write the items with leading dashes"),
    "tuple_type": ("list-expected", "a list", "write the items with leading dashes"),
    "dict_type": ("mapping-expected", "a mapping", "write indented `key: value` lines"),
    "model_type": ("mapping-expected", "a mapping", "write indented `key: value` lines"),
    "model_attributes_type": ("mapping-expected", "a mapping", "write indented `key: value` lines"),
}


def _explain(
    error: ErrorDetails, context: dict[str, Any], steps: Sequence[str | int], known_keys: Sequence[str]
) -> tuple[str, str, str, str]:
    """(rule, what, allowed, fix) of one error."""
    kind = error["type"]
    name = str(steps[-1]) if steps else ""
    if "fix" in context:
        return kind, str(context["what"]), str(context["allowed"]), str(context["fix"])
    if kind == "missing":
        return "setting-missing", "this setting is required", "see the setting's description", f"add `{name}`"
    if kind == "extra_forbidden":
        guess = near(name, known_keys)
        fix = f"did you mean `{guess}`? Rename or remove it" if guess else "remove it, or correct its name"
        return "unknown-key", "there is no setting of this name here", ", ".join(sorted(known_keys)), fix
    if kind in _TYPE_RULES:
        rule, allowed, fix = _TYPE_RULES[kind]
        return rule, f"{allowed} is expected here", allowed, fix
    if kind in ("union_tag_invalid", "union_tag_not_found", "enum", "literal_error"):
        allowed = str(context.get("expected_tags", context.get("expected", "one of the documented kinds")))
        return "choice-unknown", "this is none of the choices", allowed, f"set `{name}` to one of them"
    return _bounds(kind, context, error["msg"])


def _bounds(kind: str, context: dict[str, Any], message: str) -> tuple[str, str, str, str]:
    if kind in ("greater_than_equal", "greater_than"):
        low = context.get("ge", context.get("gt"))
        bound = f"{low} or more" if "ge" in context else f"more than {low}"
        return "out-of-range", "the number is too small", bound, "use a larger number"
    if kind in ("less_than_equal", "less_than"):
        return "out-of-range", "the number is too large", f"at most {context.get('le', context.get('lt'))}", "reduce it"
    if kind in ("too_short", "string_too_short"):
        return "too-few", "too little stands here", f"at least {context.get('min_length')}", "add what is missing"
    if kind in ("too_long", "string_too_long"):
        return "too-many", "too much stands here", f"at most {context.get('max_length')}", "shorten it"
    return "value-refused", message, "see the setting's description", "correct the value"
