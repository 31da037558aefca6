"""What a stack is, as typed values: read from Pulumi's configuration, or from a stack file without an engine.

Every fault is told at once, in one ``SettingsError``; nothing is created before the settings are whole.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

# Imported for their effect: each registers its rules.
from stacks import (  # noqa: F401
    capacity_rules,
    inference_rules,
    model_access_rules,
    pool_rules,
    queue_rules,
    spending_rules,
    storage_rules,
    workload_rules,
)
from stacks.fields import EnvironmentName, Section, TagKey, TagValue, TimeToLive
from stacks.governance import Budget, Policies, Usage
from stacks.inference import Inference
from stacks.places import AwsPlace, AzurePlace, GcpPlace, OnPremisesPlace, Place
from stacks.problems import (
    HIDDEN,
    MISSING,
    NAMESPACE,
    NO_SECRET,
    Problem,
    SettingsError,
    from_pydantic,
    lookup,
    refusal,
    yaml_path,
)
from stacks.queueing import Queueing, TrainingOperator
from stacks.rules import RULES
from stacks.sections import (
    ENVIRONMENT_REFERENCE,
    Access,
    Charts,
    Cluster,
    DataLake,
    NothingYet,
    Pool,
    Registry,
    StateBackend,
    Storage,
    Team,
)
from stacks.sources import Raw, from_engine, read_file
from stacks.training import Training

if TYPE_CHECKING:
    import pulumi

__all__ = ["AwsPlace", "AzurePlace", "GcpPlace", "OnPremisesPlace", "Settings", "SettingsError", "load", "load_file"]


def _flag(value: Any) -> Any:
    """The engine hands a top-level flag over as text."""
    if value in ("true", "false"):
        return value == "true"
    raise refusal("flag-expected", "this is neither true nor false", allowed="true, false", fix="write one of them")


class Settings(Section):
    """Everything that a stack is made from."""

    environment: EnvironmentName
    """Stacks that name the same environment belong together."""
    owner: TagValue
    cost_center: TagValue
    ttl: TimeToLive | None = None
    """How long the stack may live; a tag that cleaners and reports read."""
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=30)] = Field(default_factory=dict)
    """On every resource that takes tags. A resource takes 50, of which the kit uses up to 10."""
    protect: Annotated[bool, BeforeValidator(_flag)] = True
    """Whether what holds data refuses to be deleted."""
    access: Access
    place: Place
    state_backend: StateBackend
    registry: Registry = Registry()
    charts: Charts
    budget: Budget | None = None
    policies: Policies = Policies()
    usage: Usage = Field(default_factory=Usage)
    cluster: Cluster = Cluster()
    pools: Annotated[tuple[Pool, ...], Field(min_length=1, max_length=20)]
    storage: tuple[Storage, ...] = ()
    data_lake: DataLake | None = None
    teams: tuple[Team, ...] = ()
    queueing: Queueing | None = None
    training_operator: TrainingOperator | None = None
    training: tuple[Training, ...] = ()
    inference: tuple[Inference, ...] = ()
    links: NothingYet = ()

    @property
    def simulated(self) -> bool:
        """Whether the account is the one that only a simulation has; for reports, never for decisions."""
        return isinstance(self.place, AwsPlace) and self.place.account_id == "0" * 12


def load(config: "pulumi.Config | None" = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of the running program, with references to environment variables replaced by their values.

    Args:
        config: Pulumi's configuration; only its namespace is looked at, since the engine gives all values at once.
        environ: Where ``env:NAME`` is looked up; the process's own environment by default.

    Raises:
        SettingsError: Something is wrong; it lists everything.
    """
    from pulumi.runtime import config as engine  # noqa: PLC0415 -- load_file must work without the engine's runtime
    from pulumi.runtime import settings as engine_settings  # noqa: PLC0415

    if config is not None and config.name != NAMESPACE:
        raise ValueError(f"settings live in the namespace {NAMESPACE}, not in {config.name}")
    values = engine.CONFIG.get() or engine.get_config_env()
    secrets = frozenset(key for key in values if engine.is_config_secret(key))
    source = f"Pulumi.{engine_settings.get_stack()}.yaml"
    settings = validate(from_engine(values, secrets, source=source), encrypted_values_are_clear=True)
    return _resolve(settings, os.environ if environ is None else environ, source=source)


def load_file(path: Path) -> Settings:
    """The settings of a stack file; ``secure:`` values become placeholders and ``env:`` references stay as they are.

    Raises:
        SettingsError: Something is wrong; it lists everything.
    """
    return validate(read_file(path), encrypted_values_are_clear=False)


def validate(raw: Raw, *, encrypted_values_are_clear: bool) -> Settings:
    """Typed settings of ``raw``.

    Args:
        raw: What was read.
        encrypted_values_are_clear: The engine decrypted them, so a secret is told by its key; in a file, plain text
            in the place of a secret was never encrypted.

    Raises:
        SettingsError: Something is wrong; it lists everything.
    """
    problems = [*raw.problems, *_misplaced_secrets(raw, clear=encrypted_values_are_clear)]
    broken: set[str] = set()
    try:
        settings = Settings.model_validate(raw.values)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            top = str(item["loc"][0]) if item["loc"] else ""
            broken.add(top)
            problems.append(
                from_pydantic(item, raw.values, list(_known_keys(item["loc"])), secret=top in raw.encrypted)
            )
        settings = Settings.model_construct(**dict(_valid_sections(raw.values, broken)))
    broken_names = {name for name, info in Settings.model_fields.items() if _key(name, info) in broken}
    for entry in RULES:
        if not entry.needs & broken_names:
            problems.extend(entry.check(settings))
    if problems:
        raise SettingsError(sorted(problems, key=lambda problem: _order(problem, raw)), source=raw.source)
    return settings


def _key(name: str, info: FieldInfo) -> str:
    return info.alias or name


def _valid_sections(values: Mapping[str, Any], broken: set[str]) -> Iterator[tuple[str, Any]]:
    """The sections that stand on their own, so that rules can look at them although others are broken."""
    for name, info in Settings.model_fields.items():
        key = _key(name, info)
        if key in values and key not in broken:
            annotation: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
            if info.discriminator is not None:
                annotation = Annotated[annotation, Field(discriminator=info.discriminator)]
            yield name, TypeAdapter(annotation).validate_python(values[key])


def _known_keys(location: tuple[int | str, ...]) -> Iterator[str]:
    """Keys that the model at the parent of ``location`` has."""
    model: Any = Settings
    for step in location[:-1]:
        model = _descend(model, step)
    if isinstance(model, type) and issubclass(model, BaseModel):
        yield from (_key(name, info) for name, info in model.model_fields.items())


def _descend(model: Any, step: int | str) -> Any:
    """The type below ``model`` at one step of an error's location (a key, an index or a union's tag)."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, info in model.model_fields.items():
            if _key(name, info) == step:
                return _models(info.annotation)
        return model
    if isinstance(model, list) and isinstance(step, str):
        return next((item for item in model if _tag(item) == step), model)
    return model


def _models(annotation: Any) -> Any:
    """The model in ``annotation``, or the list of a union's models."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found: list[Any] = []
    for argument in getattr(annotation, "__args__", ()):
        inner = _models(argument)
        found.extend(inner if isinstance(inner, list) else [inner])
    return found[0] if len(found) == 1 else found


def _tag(model: type[BaseModel]) -> object:
    info = model.model_fields.get("kind") or model.model_fields.get("cloud")
    arguments = getattr(info.annotation, "__args__", ()) if info else ()
    return arguments[0] if arguments else None


_SECRETS = (("registry", "credentials", "password"),)
"""Settings that must be encrypted; a test compares them with the models."""


def _misplaced_secrets(raw: Raw, *, clear: bool) -> Iterator[Problem]:
    """Secrets in plain text and, where the engine decrypted them so that no type tells, secrets in the wrong place."""
    for key in sorted(raw.encrypted - {steps[0] for steps in _SECRETS}) if clear else ():
        rule, what, allowed, fix = NO_SECRET
        yield Problem(path=yaml_path((key,)), value=HIDDEN, rule=rule, what=what, allowed=allowed, fix=fix)
    for steps in _SECRETS:
        value = lookup(raw.values, steps)
        encrypted = steps[0] in raw.encrypted if clear else isinstance(value, dict)
        if value is not MISSING and not encrypted:
            yield Problem(
                path=yaml_path(steps),
                value="(not shown)",
                rule="secret-in-plain-text",
                what="this secret is not encrypted, and the file is shared",
                allowed="an encrypted value",
                fix=f"take it out, change it where it is used, and run `pulumi config set --secret --path "
                f"'{yaml_path(steps)}'`",
            )


def _order(problem: Problem, raw: Raw) -> tuple[int, str]:
    """Problems in the order of the sections in the file."""
    keys = list(raw.values)
    section = problem.path.partition(":")[2].split(".")[0].split("[")[0]
    return (keys.index(section) if section in keys else len(keys), "")


def _resolve(settings: Settings, environ: Mapping[str, str], *, source: str) -> Settings:
    """``settings`` with ``env:NAME`` replaced."""
    mirror = settings.charts.mirror
    if not mirror.startswith(ENVIRONMENT_REFERENCE):
        return settings
    name = mirror.removeprefix(ENVIRONMENT_REFERENCE)
    value = environ.get(name, "")
    try:
        # The variable holds an address, never a reference to the next variable.
        charts = Charts.model_validate({"mirror": "" if value.startswith(ENVIRONMENT_REFERENCE) else value})
    except ValidationError:
        problem = Problem(
            path=yaml_path(("charts", "mirror")),
            value=f"{mirror} ({name} is {value!r})" if value else f"{mirror} ({name} is not set)",
            rule="environment-variable",
            what="the setting refers to an environment variable that holds no chart repository",
            allowed="the URL of a Helm repository in that variable",
            fix=f'export {name}, for the local environment with: eval "$(slipway local env)"',
        )
        raise SettingsError([problem], source=source) from None
    return settings.model_copy(update={"charts": charts})
