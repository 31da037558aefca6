"""What an environment may be: how strictly rules hold there, their limits, and the exceptions that somebody signed."""

from datetime import date
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from stacks.fields import AwsRegion, InstanceTypeName, NamespaceName, Section, TagValue, Whole, matching
from stacks.problems import refusal


class PolicyLevel(StrEnum):
    """What happens when a rule is broken."""

    ADVISORY = "advisory"
    """It is shown."""
    MANDATORY = "mandatory"
    """Nothing is created or changed."""
    REMEDIATE = "remediate"
    """The engine puts the inputs right, where the rule knows how; else as ``mandatory``."""
    DISABLED = "disabled"
    """Nobody looks."""


PolicyName: TypeAlias = Annotated[
    str,
    matching(
        "policy-name",
        r"[a-z]+(-[a-z0-9]+)*",
        allowed="a family such as gpu, or the id of a rule such as `slipway policy rules` lists",
        fix="copy the id from the report",
    ),
]


def _day(value: str) -> str:
    try:
        known = date.fromisoformat(value).isoformat() == value
    except ValueError:
        known = False
    if not known:
        raise refusal("date", "this is no day", allowed='a day such as "2027-03-31"', fix="write year-month-day")
    return value


Day: TypeAlias = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})]


class Suppression(Section):
    """A violation that somebody answers for, until a day."""

    rule: PolicyName
    """Id of the rule, as the report prints it."""
    resource: Annotated[str, Field(min_length=1, max_length=512)]
    """Logical name or URN of the resource; ``*`` stands for any text."""
    reason: Annotated[str, Field(min_length=10, max_length=500)]
    """Why the rule need not hold here."""
    owner: TagValue
    """Who answers for it."""
    expires: Day
    """The last day on which it holds; from the next day on it is a failure of its own."""

    @property
    def last_day(self) -> date:
        """``expires`` as a date."""
        return date.fromisoformat(self.expires)


class PolicyLimits(Section):
    """What rules measure against."""

    regions: tuple[AwsRegion, ...] = ()
    """Regions that may be used; empty: any."""
    instance_types: tuple[InstanceTypeName, ...] = ()
    """Instance types that may be used; empty: any."""
    max_gpus: Annotated[Whole, Field(ge=0, le=100_000)] | None = None
    """GPUs and other accelerators that the stack may hold together, at its largest."""
    required_tags: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = ()
    """Tags that every resource must have, besides owner, cost centre and environment."""
    privileged_namespaces: tuple[NamespaceName, ...] = ()
    """Namespaces, besides those of the kit's own add-ons, whose pods may be privileged."""


class Policies(Section):
    """How the rules of ``policies/`` hold for this stack."""

    levels: dict[PolicyName, PolicyLevel] = Field(default_factory=dict)
    """By family or rule id; a rule's own entry goes before its family's. Unset: rules of high and critical severity are
    mandatory, the others advisory."""
    limits: PolicyLimits = PolicyLimits()
    suppressions: tuple[Suppression, ...] = ()
