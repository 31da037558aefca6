"""What a rehearsal does to a platform: small YAML files, each with what a stack must have for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from cli.errors import UserError
from cli.exits import Exit
from components.accelerators import UnknownInstanceTypeError, instance
from local.cloud.faults import FaultType
from stacks.settings import Settings

FOLDER: Final = Path(__file__).parent / "scenarios"


class Needs(StrEnum):
    """What a stack must have for a scenario to say anything about it."""

    ANYTHING = "anything"
    NODES = "nodes"
    ACCELERATORS = "accelerators"
    SEVERAL_ZONES = "several-zones"
    """A pool whose nodes are in more than one zone."""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class PlantedFault(_Model):
    """A fault of the simulated account; the members of ``slipway local faults add``."""

    type: FaultType
    operation: str = "*"
    kind: str = "*"
    id: str = "*"
    count: Annotated[int, Field(ge=1)] = 1
    after: Annotated[int, Field(ge=0)] = 0
    parameters: dict[str, str | int | float | bool] = Field(default_factory=dict)


class Change(_Model):
    """A member of a cloud object that somebody changes by hand; the first object of the kind that matches."""

    kind: str
    id: str = "*"
    path: Annotated[str, Field(min_length=1)]
    value: Any


class _Scenario(_Model):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    needs: Needs = Needs.ANYTHING
    otherwise: str = ""
    """Why a stack that lacks it passes the scenario over."""


class UpdateScenario(_Scenario):
    """Goes wrong while the platform is being built."""

    during: Literal["up"]
    faults: Annotated[tuple[PlantedFault, ...], Field(min_length=1)]
    expect: Literal["absorbed", "refused"]
    """Whether the update gets over it by itself, or fails and converges once it is over."""
    message: str = ""
    """With ``refused``: what the failure must say."""


class KillStep(StrEnum):
    """What the engine is killed in."""

    UP = "up"
    """Everything is created from nothing, in a new account."""
    UPDATE = "update"
    """A tag of every resource changes."""
    REFRESH = "refresh"
    DESTROY = "destroy"
    """Everything is deleted: how the rehearsal ends."""


class KillScenario(_Scenario):
    """The engine dies again and again; each time ``recover`` and the same command must go on."""

    during: Literal["kill"]
    steps: Annotated[tuple[KillStep, ...], Field(min_length=1)] = tuple(KillStep)
    every: Annotated[int, Field(ge=1, le=1000)]
    """Calls of the step's kind (creations, updates, reads, deletions) from one kill to the next."""
    when: Literal["before", "after", "alternate"] = "alternate"
    """On which side of the call."""
    most: Annotated[int, Field(ge=1, le=200)] = 20
    """Kills of each step at most; then it may end in peace."""


class RunningScenario(_Scenario):
    """Goes wrong on the running platform."""

    during: Literal["running"]
    lose: Literal["node", "zone", "control-plane"] | None = None
    change: tuple[Change, ...] = ()
    repaired_by: Literal["itself", "up"]
    """What puts it right: the platform, or ``slipway up --refresh``."""
    within_seconds: Annotated[int, Field(ge=5, le=600)] = 90


Scenario: TypeAlias = Annotated[UpdateScenario | KillScenario | RunningScenario, Field(discriminator="during")]
_ADAPTER: Final[TypeAdapter[UpdateScenario | KillScenario | RunningScenario]] = TypeAdapter(Scenario)


def names() -> list[str]:
    """The scenarios that come with the kit."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> UpdateScenario | KillScenario | RunningScenario:
    """A scenario of the kit by its name, or one of your own by its path.

    Raises:
        UserError: there is none, or its file cannot be used; the first fault, with its place.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise UserError(
            "there is no such scenario",
            where="--scenario",
            value=name,
            allowed=f"{', '.join(names())}, all, none, or the path of a YAML file",
            fix="choose one of them",
            status=Exit.USAGE,
        )
    try:
        return _ADAPTER.validate_python(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise _unusable(path, str(error).partition("\n")[0], "") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"] if step not in {"up", "kill", "running"})
        value = "" if first["type"] == "missing" else repr(first["input"])[:80]
        raise _unusable(path, f"{place}: {first['msg']}" if place else str(first["msg"]), value) from None


def _unusable(path: Path, what: str, value: str) -> UserError:
    return UserError(
        f"the scenario cannot be used: {what}",
        where=str(path),
        value=value,
        fix="docs/how-to/rehearse.md lists every member",
        status=Exit.USAGE,
    )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The scenarios of a rehearsal, and those that say nothing about this stack."""

    play: Sequence[UpdateScenario | KillScenario | RunningScenario]
    skipped: Mapping[str, str]
    """Name to reason."""


def choose(wanted: Sequence[str], settings: Settings) -> Chosen:
    """The scenarios by name; ``all`` is every one of the kit, ``none`` is none."""
    asked = names() if "all" in wanted else [name for name in wanted if name != "none"]
    loaded = [load(name) for name in dict.fromkeys(asked)]
    skipped = {item.name: item.otherwise or _WHY[item.needs] for item in loaded if not _HAS[item.needs](settings)}
    return Chosen(play=[item for item in loaded if item.name not in skipped], skipped=skipped)


def _accelerators(settings: Settings) -> bool:
    return any(has_accelerators(pool.instance_type) and pool.nodes for pool in settings.pools)


def has_accelerators(instance_type: str) -> bool:
    """Whether the catalogue knows accelerators of the type."""
    try:
        return instance(instance_type).accelerator_count > 0
    except UnknownInstanceTypeError:
        return False


def _several_zones(settings: Settings) -> bool:
    zones = getattr(getattr(settings.place, "network", None), "zones", ())
    return any(len(pool.zones or zones) > 1 and pool.nodes > 1 for pool in settings.pools)


_HAS: Final[Mapping[Needs, Callable[[Settings], bool]]] = {
    Needs.ANYTHING: lambda _: True,
    Needs.NODES: lambda settings: any(pool.nodes for pool in settings.pools),
    Needs.ACCELERATORS: _accelerators,
    Needs.SEVERAL_ZONES: _several_zones,
}
_WHY: Final = {
    Needs.ANYTHING: "",
    Needs.NODES: "the stack has no nodes",
    Needs.ACCELERATORS: "the stack has no accelerators",
    Needs.SEVERAL_ZONES: "no pool of the stack spans two zones",
}
