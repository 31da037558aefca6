"""What a rule is: a plain object that looks at one resource of a graph and says what is wrong with it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from components import tags
from components.kubernetes.names import STORAGE_NAMESPACE_PREFIX
from policies.cost.budgets import Spending
from policies.graph import Json, Resource, ResourceGraph


class Severity(StrEnum):
    """How bad a violation is; in this order."""

    LOW = "low"
    """Untidy: costs money or time some day."""
    MEDIUM = "medium"
    """Will hurt: an outage, a bill or a finding in an audit."""
    HIGH = "high"
    """Hurts as soon as it is applied: a failed update, idle GPUs, data at risk."""
    CRITICAL = "critical"
    """Opens the platform to others, loses data, or spends without limit."""

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Severity).index(self)


class Family(StrEnum):
    """What a rule is about; the first part of its id."""

    GPU = "gpu"
    STORAGE = "storage"
    NETWORK = "network"
    IDENTITY = "identity"
    KUBERNETES = "kubernetes"
    INFERENCE = "inference"
    TRAINING = "training"
    COST = "cost"
    HYGIENE = "hygiene"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A requirement of a published framework that a rule checks (a part of)."""

    framework: str
    """For example ``CIS Amazon EKS Benchmark``."""
    version: str
    requirement: str
    """Its number or its title there."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One thing that is wrong with one resource."""

    message: str
    """What is wrong, with the value and what is allowed."""
    property: str = ""
    """Path of the input that is at fault, as in ``Resource.get``."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an environment allows; rules that measure against a limit read it here. From the settings, else these."""

    production: bool = True
    """Whether deletion protection and the like are demanded; unless told otherwise, yes."""
    required_tags: frozenset[str] = frozenset({tags.OWNER, tags.COST_CENTER, tags.ENVIRONMENT})
    regions: frozenset[str] = frozenset()
    """Allowed regions; empty: any."""
    instance_types: frozenset[str] = frozenset()
    """Allowed instance types; empty: any."""
    max_gpus: int | None = None
    privileged_namespaces: frozenset[str] = frozenset(
        {
            *("kube-system", "kube-node-lease", "kube-public", "gpu-system", "cert-manager", "kserve"),
            f"{STORAGE_NAMESPACE_PREFIX}*",
        }
    )
    """Patterns of namespaces whose pods may do what Pod Security Standards forbid elsewhere: device plugins, CSI
    drivers, operators with their webhooks, the Jobs that make directories on a file system."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The environment's own tags, which a remediation writes where they are missing."""
    spending: Spending = field(default_factory=Spending)
    """Budget, usage and capacity blocks: what estimates are made with and measured against."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a rule may look at besides the resource itself."""

    graph: ResourceGraph
    limits: Limits = Limits()
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    """For what ends on a date, such as the support of a version."""


Check = Callable[[Resource, Context], Iterable[Violation]]
"""Yields what is wrong with the resource. It reads inputs with ``Resource.get``, which raises ``UndecidedError`` where
a preview cannot know: the evaluation then lists the rule as decided at update. It raises nothing else."""

Remediation = Callable[[Mapping[str, Json], Limits], dict[str, Json] | None]
"""All inputs of the resource put right (a new mapping), or None when nothing is to be done or too little is known."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A graph that obeys the rule and the one change that makes it break it."""

    passing: tuple[Resource, ...]
    resource: str
    """Logical name of the resource that the violation is reported on."""
    changed: str
    """Logical name of the resource that is changed; mostly the same."""
    path: str
    """The property that is changed: the one that the rule cites. ``protect`` and other options are
    written ``options.protect``."""
    value: Any
    """What it is changed to; ``REMOVED`` takes it away."""
    limits: Limits = Limits()


REMOVED: Final = object()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One requirement. Plain data and one pure function; ``policies/pack.py`` makes a Pulumi policy of it."""

    id: str
    """``<family>-<what must be so>``; never changes once released."""
    title: str
    """What must be so, in one sentence."""
    severity: Severity
    rationale: str
    """What happens otherwise."""
    source: str
    """Where that is known from: a document's title and section, or an issue thread, with its date where it has one."""
    fix: str
    """What to write in the settings (or in the program)."""
    types: frozenset[str]
    """Type tokens of the resources that it looks at."""
    check: Check
    example: Example
    references: tuple[Reference, ...] = ()
    whole_stack: bool = False
    """Whether it looks at other resources too, so that it can only be decided when all are known."""
    remediate: Remediation | None = None

    @property
    def family(self) -> Family:
        """The first part of the id."""
        return Family(self.id.split("-", 1)[0])
