"""What ``slipway init`` asks, in order: each question with its default and the settings that it decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cli.init_document import NONE, Answers, simulated

Default = Callable[[Answers], str]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing to decide."""

    key: str
    """Name of the answer; the option is the same with hyphens."""
    text: str
    default: Default
    settles: tuple[str, ...]
    """Paths of the settings whose problems this answer must answer for."""
    applies: Callable[[Answers], bool] = lambda _answers: True


def _fixed(value: str) -> Default:
    return lambda _answers: value


def _kind(*kinds: str) -> Callable[[Answers], bool]:
    return lambda answers: answers["access"] in kinds or answers["capacity"] in kinds


def _fabric(answers: Answers) -> str:
    from components.accelerators import UnknownInstanceTypeError, instance

    try:
        return "efa" if instance(answers["gpu_type"]).efa_interfaces else NONE
    except UnknownInstanceTypeError:
        return NONE


def _state(answers: Answers) -> str:
    if simulated(answers):
        return f"file://.slipway/{answers['environment']}/backend"
    return f"s3://slipway-state-{answers['account']}?region={answers['region']}"


def _secrets(answers: Answers) -> str:
    if simulated(answers):
        return "passphrase"
    return f"awskms://alias/slipway-{answers['environment']}?region={answers['region']}"


QUESTIONS: Final = (
    Question(
        key="environment",
        text="Name of the environment",
        default=_fixed("dev2"),
        settles=("slipway:environment", "slipway:protect"),
    ),
    Question(key="owner", text="Team that owns it", default=_fixed("platform-team"), settles=("slipway:owner",)),
    Question(key="cost_center", text="Cost centre", default=_fixed("0000"), settles=("slipway:costCenter",)),
    Question(
        key="ttl",
        text="How long it may live, such as 8h or 14d; none protects its data instead",
        default=lambda answers: NONE if answers["environment"].startswith("prod") else "14d",
        settles=("slipway:ttl", "slipway:protect"),
    ),
    Question(
        key="account",
        text="AWS account; twelve zeros are a simulated one",
        default=_fixed("0" * 12),
        settles=("slipway:place.accountId",),
    ),
    Question(key="region", text="Region", default=_fixed("us-east-1"), settles=("slipway:place.region",)),
    Question(
        key="zones",
        text="Zones, the one with the GPUs first",
        default=lambda answers: ",".join(f"{answers['region']}{letter}" for letter in "abc"),
        settles=("slipway:place.network.zones",),
    ),
    Question(
        key="cidr",
        text="Addresses of the network",
        default=_fixed("10.64.0.0/16"),
        settles=("slipway:place.network.cidr",),
    ),
    Question(
        key="deployer_role",
        text="Role that deploys",
        default=lambda answers: f"arn:aws:iam::{answers['account']}:role/slipway-deployer",
        settles=("slipway:place.deployerRoleArn", "slipway:access.admins"),
    ),
    Question(
        key="access",
        text="How the API server is reached: public, tunnel or runner",
        default=lambda answers: "tunnel" if answers["ttl"] == NONE else "public",
        settles=("slipway:access.kind",),
    ),
    Question(
        key="allow",
        text="Blocks that may reach it",
        default=_fixed("203.0.113.0/24"),
        settles=("slipway:access.cidrs",),
        applies=_kind("public"),
    ),
    Question(
        key="proxy_url",
        text="Proxy into the network",
        default=_fixed("http://localhost:8888"),
        settles=("slipway:access.proxyUrl",),
        applies=_kind("tunnel"),
    ),
    Question(key="state_url", text="Where state lies", default=_state, settles=("slipway:stateBackend.url",)),
    Question(
        key="secrets_provider",
        text="What encrypts secrets",
        default=_secrets,
        settles=("slipway:stateBackend.secretsProvider",),
    ),
    Question(
        key="charts",
        text="Helm repository with the kit's charts, or env:NAME",
        default=_fixed("env:SLIPWAY_CHARTS_MIRROR"),
        settles=("slipway:charts",),
    ),
    Question(
        key="gpu_type",
        text="Instance type of the GPU nodes",
        default=_fixed("g6e.12xlarge"),
        settles=("slipway:pools[1].instanceType",),
    ),
    Question(key="gpu_nodes", text="How many", default=_fixed("2"), settles=("slipway:pools[1].nodes",)),
    Question(
        key="fabric",
        text="Fabric between them: efa or none",
        default=_fabric,
        settles=("slipway:pools[1].fabric",),
    ),
    Question(
        key="capacity",
        text="Capacity: onDemand, spot, reservation or capacityBlock",
        default=_fixed("onDemand"),
        settles=("slipway:pools[1].capacity.kind",),
    ),
    Question(
        key="reservation",
        text="Id of the reservation or block",
        default=_fixed(""),
        settles=("slipway:pools[1].capacity",),
        applies=_kind("reservation", "capacityBlock"),
    ),
    Question(
        key="storage_gib",
        text="Lustre file system, GiB, or none",
        default=_fixed("1200"),
        settles=("slipway:storage",),
    ),
    Question(key="team", text="First team", default=_fixed("research"), settles=("slipway:teams",)),
    Question(
        key="queues",
        text="Queues for training runs, and Kubeflow Trainer: BestEffortFIFO, StrictFIFO (nobody passes), or none",
        default=_fixed("BestEffortFIFO"),
        settles=("slipway:queueing", "slipway:trainingOperator"),
    ),
)


def defaults(given: Mapping[str, str]) -> dict[str, str]:
    """An answer to every question: the given one, else the default that follows from the earlier answers."""
    answers: dict[str, str] = {"access": "", "capacity": ""}
    for question in QUESTIONS:
        answers[question.key] = given.get(question.key, question.default(answers))
    return answers
