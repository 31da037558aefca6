"""What an environment may be: how strictly rules hold there, their limits, the exceptions that somebody signed, what it
may cost and what is used of it.
"""

import json
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from stacks.fields import (
    AwsRegion,
    CapacityReservationId,
    InstanceTypeName,
    Name,
    NamespaceName,
    Section,
    TagValue,
    Whole,
    matching,
)
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
        raise refusal("day-format", "this is no day", allowed='a day such as "2027-03-31"', fix="write year-month-day")
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


# --- what may be spent, and what is used ----------------------------------------------------------------------------
def _amount(value: object) -> object:
    """Money and quantities are decimal numbers: a float of YAML is read by its shortest text, not by its bits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise refusal(
            "number-expected", "this is no number", allowed="a number, 0 or more", fix="write digits, such as 12.5"
        )
    return str(value)


def _number(schema: dict[str, Any]) -> None:
    """For editors: a number, with its default as one."""
    schema.pop("anyOf", None)
    schema["type"] = "number"
    for bound, word in (("ge", "minimum"), ("gt", "exclusiveMinimum"), ("le", "maximum")):
        if bound in schema:
            schema[word] = schema.pop(bound)
    if isinstance(schema.get("default"), str):
        schema["default"] = json.loads(schema["default"])


Amount: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(ge=0, le=10**12, allow_inf_nan=False, json_schema_extra=_number),
]
Share: TypeAlias = Annotated[
    Decimal, BeforeValidator(_amount), Field(ge=0, le=100, allow_inf_nan=False, json_schema_extra=_number)
]
"""Per cent."""
PositiveShare: TypeAlias = Annotated[
    Decimal, BeforeValidator(_amount), Field(gt=0, le=100, allow_inf_nan=False, json_schema_extra=_number)
]
PositiveAmount: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(gt=0, le=10**12, allow_inf_nan=False, json_schema_extra=_number),
]

EmailAddress: TypeAlias = Annotated[
    str,
    matching(
        "email-address",
        r"[^@\s,;]{1,64}@[A-Za-z0-9.-]{1,180}",
        allowed="one address, such as gpu-costs@example.com",
        fix="write one address per entry",
    ),
]
TopicArn: TypeAlias = Annotated[
    str,
    matching(
        "topic-arn",
        r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}",
        allowed="arn:aws:sns:<region>:<account>:<topic>",
        fix="copy the topic's ARN",
    ),
]


class BudgetNotice(Section):
    """Who is told; AWS Budgets and Cost Anomaly Detection are set up for the stack when this is given."""

    emails: Annotated[tuple[EmailAddress, ...], Field(min_length=1, max_length=10)]
    """AWS mails when the stack's tagged cost passes ``warnPercent`` of the budget, or all of it, or is forecast to."""
    topic_arn: TopicArn | None = None
    """An SNS topic that also gets the budget's alarms. Its policy must let budgets.amazonaws.com publish."""
    anomaly_usd: PositiveAmount = Decimal(500)
    """By how many USD a day must differ from what is usual to be reported."""


class Budget(Section):
    """What the stack may cost: estimates and rules measure against it beforehand, AWS Budgets afterwards."""

    monthly_usd: PositiveAmount
    """A month of 730 hours."""
    hourly_usd: PositiveAmount | None = None
    """On average over the month, of everything that the stack holds."""
    gpu_hours: PositiveAmount | None = None
    """Accelerator-hours a month that may be paid for, used or not."""
    warn_percent: PositiveShare = Decimal(80)
    """From which part of each limit on a report warns."""
    notify: BudgetNotice | None = None


class RunUsage(Section):
    """How a training run is used."""

    name: Name
    """Of the run in ``training``."""
    expected_hours: PositiveAmount | None = None
    """How long it takes without interruption. Unset: its ``maxHours``, the longest it can."""
    runs_per_month: Amount = Decimal(1)
    restart_overhead_percent: Share = Decimal(5)
    """Time lost to restarts since the last checkpoint, on top of the expected hours."""


class ServiceUsage(Section):
    """How a model service is used; nothing is known about its speed unless somebody measured it."""

    name: Name
    """Of the service in ``inference``."""
    tokens_per_second: PositiveAmount | None = None
    """Output tokens of one replica at full load."""
    requests_per_second: PositiveAmount | None = None
    """Requests that one replica answers at full load."""
    busy_percent: Share = Decimal(50)
    """How much of that load it gets on average."""


class Usage(Section):
    """What is used month by month and no resource says; each figure is a guess that stands on the cost report."""

    nat_gb: Amount = Decimal(100)
    """Through each NAT gateway, GB a month."""
    endpoint_gb: Amount = Decimal(10)
    """Through each interface endpoint, GB a month."""
    zones_gb: Amount = Decimal(500)
    """Between zones, GB a month; each is billed twice, once in either direction."""
    internet_gb: Amount = Decimal(100)
    """To the internet, GB a month."""
    transit_gateway_gb: Amount = Decimal(100)
    """Through each attachment of a transit gateway, GB a month."""
    load_balancer_units: Amount = Decimal(1)
    """Capacity units (LCU) of each load balancer, on average."""
    bucket_gb: Amount = Decimal(1000)
    """In each bucket, current objects, GB."""
    bucket_noncurrent_percent: Amount = Decimal(10)
    """Overwritten and deleted objects that a versioned bucket keeps, in per cent of the current ones."""
    bucket_cold_percent: Share = Decimal(0)
    """How much of a bucket that tiers what rests has come to rest: it costs S3's infrequent-access price."""
    bucket_objects_thousands: Amount = Decimal(100)
    bucket_writes_thousands: Amount = Decimal(100)
    """PUT, COPY, POST and LIST requests to each bucket, thousands a month."""
    bucket_reads_thousands: Amount = Decimal(1000)
    """GET requests to each bucket, thousands a month."""
    control_plane_log_gb: Amount = Decimal(30)
    """That each cluster's control plane writes, GB a month."""
    flow_log_gb: Amount = Decimal(50)
    """Of each flow log, GB a month."""
    other_log_gb: Amount = Decimal(1)
    """Of every other log group, GB a month."""
    key_requests_thousands: Amount = Decimal(100)
    """To each KMS key, thousands a month."""
    secret_requests_thousands: Amount = Decimal(10)
    """To each secret, thousands a month."""
    backup_percent: Amount = Decimal(50)
    """What all kept backups of a file system hold together, in per cent of its size: backups are incremental."""
    tiering_gb: Amount = Decimal(1000)
    """In each file system of FSx Intelligent-Tiering, GB."""
    registry_gb: Amount = Decimal(50)
    """In each ECR repository, GB."""
    capacity_block_fees: dict[CapacityReservationId, PositiveAmount] = Field(default_factory=dict)
    """USD that AWS took for a capacity block when it was bought, by the block's id. Unset: AWS's list price."""
    runs: tuple[RunUsage, ...] = ()
    services: tuple[ServiceUsage, ...] = ()
