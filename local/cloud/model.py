"""The words in which a cloud is described to the simulator.

A cloud package (``local/cloud/aws``; later gcp and azure-native) is data in these classes plus rules: pure functions
that refuse what the service refuses. The core (``simulator.py``) knows no cloud.

Flow of one create: Pulumi inputs -> schema and constraint check -> ``Binding.to_body`` -> rules -> store (the API's own
shape) -> effects -> ``Binding.to_state`` -> Pulumi outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from local.cloud.values import Json


class Operation(StrEnum):
    """What a request wants."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Maker(StrEnum):
    """Who made an object: the program, or the cloud behind the program's back (a leftover unless it is removed)."""

    PROGRAM = "program"
    SERVICE = "service"


@dataclass(kw_only=True)
class CloudObject:
    """One object of the account, in the shape in which the service's Describe call returns it."""

    kind: str
    """``service:Shape`` in the vendor's own words, for example ``ec2:Vpc`` or ``eks:Nodegroup``."""
    id: str
    """What the service calls it by: ``vpc-0a1b…``, a name, an ARN; unique within ``kind``."""
    region: str
    body: dict[str, Json]
    maker: Maker = Maker.PROGRAM
    created_at: float = 0.0
    """Seconds on the account's clock."""
    urn: str = ""
    """The Pulumi URN that made it, for the journal and for residue reports only: creation never looks at it."""


class ApiError(Exception):
    """A refusal in the service's own words."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Account(Protocol):
    """What rules, bindings and effects may ask of the account; the store implements it.

    All calls of one operation see one transaction.
    """

    account_id: str
    region: str

    def get(self, kind: str, identifier: str) -> CloudObject | None:
        """The object, or None."""

    def find(self, kind: str, **where: Json) -> list[CloudObject]:
        """Objects of ``kind`` whose top-level body members equal ``where``, oldest first."""

    def count(self, kind: str) -> int:
        """How many objects of ``kind`` there are; quotas ask it for every creation."""

    def put(self, item: CloudObject) -> None:
        """Insert or overwrite."""

    def remove(self, kind: str, identifier: str) -> None:
        """Delete; no error when absent."""

    def new_id(self, prefix: str, *, length: int = 17, alphabet: str = "0123456789abcdef") -> str:
        """``prefix`` plus ``length`` characters, never used before in this account."""

    def now(self) -> float:
        """Seconds since the epoch on the account's clock, which can be advanced."""

    def setting(self, name: str, default: Json = None) -> Json:
        """An account setting, for example a quota: ``quota:ec2:vpcs``."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a rule sees: the request body in the API's shape, and the object as it is (updates and deletes)."""

    operation: Operation
    token: str
    body: dict[str, Json]
    prior: CloudObject | None
    account: Account


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A request in Pulumi terms against an account that first gets ``given``; used by the tests that prove a rule.

    ``given`` is a sequence of (token, logical name, inputs). An input value ``"${name.output}"`` stands for an output
    of an earlier resource of the scenario (``${name}`` alone for its id).
    """

    given: Sequence[tuple[str, str, Mapping[str, Json]]] = ()
    inputs: Mapping[str, Json] = field(default_factory=dict)
    update_to: Mapping[str, Json] | None = None
    """For update rules: ``inputs`` is created first, then updated to this."""
    delete: str | None = None
    """For delete rules: the logical name (in ``given``) of the resource to delete."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """Account settings of the scenario, for example a lowered quota."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that the service refuses. ``check`` raises ``ApiError`` or returns; it has no side effect."""

    id: str
    """Stable, kebab-case, for example ``ec2-subnet-inside-vpc``."""
    tokens: Sequence[str]
    operations: Sequence[Operation]
    check: Callable[[Request], None]
    code: str
    """The error code that it raises."""
    source: str
    """Where the service says so: documentation page, botocore operation and member, issue thread."""
    accepts: Scenario
    refuses: Scenario


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What one property may be. ``path`` is dotted, ``[]`` for list items: ``vpcConfig.publicAccessCidrs[]``."""

    path: str
    values: Sequence[str] | None = None
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Autoname:
    """The physical name that the provider makes up: ``name-<hex>``; refused when it exceeds the service's limit."""

    property: str
    max_length: int
    separator: str = "-"
    lowercase: bool = False
    random_length: int = 7


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A property that names another object. Dangling ones are refused; the target refuses deletion meanwhile."""

    body_path: str
    """Dotted path in the body, ``[]`` for list items: ``VpcConfig.SubnetIds[]``."""
    kind: str
    by: str = "id"
    """``id``, or the body member of the target that the value equals (``Arn``, ``roleName`` …)."""
    missing_code: str = "InvalidParameterValue"
    missing_message: str = "{value} does not exist"
    holds: bool = True
    """Whether the target cannot be deleted while this object exists."""
    in_use_code: str = "DependencyViolation"
    in_use_message: str = "{target} has a dependent object {holder}"


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """An object that takes time. With an effect the supervisor moves it on; without one it is ready at once."""

    path: str
    """Body member that holds the status."""
    creating: str
    ready: str
    failed: str
    deleting: str
    updating: str | None = None
    effect: bool = False
    """True when the supervisor makes it real (control plane, nodes, add-ons)."""
    failure_path: str | None = None
    """Body member with the reasons of a failure, as the API reports them."""
    complete: "Callable[[dict[str, Json], Context], None] | None" = None
    """Adds, in place, what the supervisor would (endpoint, certificate) where nothing is made real."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What ``to_body`` and hooks may use besides the inputs."""

    account: Account
    name: str
    """Logical name of the resource, for generated descriptions only."""
    inputs: Mapping[str, Json] = field(default_factory=dict)
    """The resource's Pulumi inputs (on deletion and read: those in the state), for what only the provider knows,
    such as ``forceDestroy``."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """How one resource type of the provider maps to one kind of object of the API."""

    token: str
    kind: str
    operations: Mapping[Operation, str]
    """Names of the API calls, for errors and the journal: ``{CREATE: "CreateVpc", …}``."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Pulumi property -> dotted body path, where the default spelling (PascalCase) is wrong; nested objects are
    converted member by member with the same default unless a converter says otherwise."""
    identity: str = ""
    """Template over the body for the object's id and Pulumi's resource id, for example ``{VpcId}``."""
    pulumi_id: str = ""
    """Template for Pulumi's id when it differs from ``identity``, for example ``{clusterName}:{nodegroupName}``."""
    camel_case_body: bool = False
    """True for services whose API spells members in camelCase (EKS, CloudWatch Logs)."""
    client_only: Sequence[str] = ()
    """Properties that only the provider knows (``forceDestroy``): kept in state, not in the store."""
    create_only: Sequence[str] = ()
    """Dotted Pulumi paths whose change replaces the resource."""
    constraints: Sequence[Constraint] = ()
    autoname: Autoname | None = None
    references: Sequence[Reference] = ()
    lifecycle: Lifecycle | None = None
    defaults: Mapping[str, Json] = field(default_factory=dict)
    """Body members that the service fills in when the request leaves them out."""
    compute: Callable[[dict[str, Json], Context], None] | None = None
    """Adds the members that only the service knows (ids, ARNs, DNS names) to a new body, in place."""
    to_body: Callable[[dict[str, Json], Context], dict[str, Json]] | None = None
    """Replaces the default conversion; gets plain inputs."""
    to_state: Callable[[CloudObject, Account], dict[str, Json]] | None = None
    """Adds to, or overrides, the outputs of the default conversion."""
    after_create: Callable[[CloudObject, Context], None] | None = None
    """What the service makes besides (default security group, log group, network interfaces), or attaches elsewhere."""
    after_update: Callable[[CloudObject, CloudObject, Context], None] | None = None
    """Gets the object before and after."""
    before_delete: Callable[[CloudObject, Context], None] | None = None
    """Removes what the service removes along with the object."""
    delete_before_replace: bool = False
    adopts: bool = False
    """True when creation takes over what the service made (a default security group) and deletion leaves it."""
    overwrites: bool = False
    """True when creation is a Put, so that a second one replaces what is there instead of being refused."""
    tags: str | None = "Tags"
    """Body member that holds tags; None when the type has none."""
    tags_as_map: bool = False
    """True where the API spells tags as a map (EKS, Logs), False for a list of Key and Value."""


@dataclass(frozen=True, kw_only=True)
class Invoke:
    """One data source. Functions without an entry fail by name; none is ever made up."""

    token: str
    call: Callable[[dict[str, Json], Account], dict[str, Json]]


@dataclass(frozen=True, kw_only=True)
class CloudPackage:
    """Everything the simulator knows of one provider package."""

    name: str
    sdk: str
    """Python package of the SDK whose wheel holds the schema, for example ``pulumi_aws``."""
    bindings: Mapping[str, Binding]
    rules: Sequence[Rule]
    invokes: Mapping[str, Invoke]
    configure: Callable[[dict[str, Json]], None] | None = None
    """Refuses a provider configuration that is not the simulation's own, by raising ``ApiError``."""
    seed: Callable[[Account], None] | None = None
    """What an account holds from the beginning (zones, managed policies, default quotas)."""
    default_tags_path: str = "defaultTags.tags"
    service_names: Mapping[str, str] = field(default_factory=dict)
    """How the provider spells a service in errors, by the service part of the kind: ``{"ec2": "EC2"}``."""
    throttling: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Code and message of a service's throttling error, by the service part of the kind."""
