"""The sections of a stack's settings besides its place."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from components.kubernetes.names import STORAGE_NAMESPACE_PREFIX
from stacks.fields import (
    AbsolutePath,
    AddonName,
    AddonVersion,
    AmiRelease,
    AwsPrincipalArn,
    AwsZone,
    CapacityReservationId,
    EncryptedText,
    Flag,
    Gib,
    HttpUrl,
    InstanceTypeName,
    KubernetesVersion,
    LogRetentionDays,
    Name,
    NamespaceName,
    NodeCount,
    PublicCidr,
    S3Prefix,
    Section,
    UtcTime,
    Whole,
)
from stacks.labels import NodeLabels
from stacks.model_access import ModelAccessList
from stacks.problems import refusal
from stacks.queueing import TeamQueue


# --- how the API server is reached ---------------------------------------------------------------------------------
class _Access(Section):
    admins: Annotated[tuple[AwsPrincipalArn, ...], Field(min_length=1)]
    """IAM roles or users that administer the cluster; EKS access entries are made for them."""


class PublicAccess(_Access):
    """A public endpoint that answers only these blocks."""

    kind: Literal["public"]
    cidrs: tuple[PublicCidr, ...]

    @model_validator(mode="after")
    def _someone_may_enter(self) -> "PublicAccess":
        if not self.cidrs:
            raise refusal(
                "public-access-empty",
                "no address may reach the API server (AWS would read an empty list as everybody)",
                allowed="one block at least",
                fix="list the blocks of your offices, VPN and runners",
                at=("cidrs",),
            )
        return self


class TunnelAccess(_Access):
    """A private endpoint, reached through a proxy that has a leg in the network."""

    kind: Literal["tunnel"]
    proxy_url: HttpUrl

    @model_validator(mode="before")
    @classmethod
    def _there_is_a_way(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("proxyUrl"):
            raise refusal(
                "private-endpoint-needs-path",
                "the endpoint is private and nothing says how to reach it",
                allowed="the URL of a proxy in the network, for example http://localhost:8888",
                fix="add proxyUrl, or use access.kind runner when the deployment runs inside the network",
                at=("proxyUrl",),
            )
        return data


class RunnerAccess(_Access):
    """A private endpoint; the deployment itself runs inside the network."""

    kind: Literal["runner"]


Access: TypeAlias = Annotated[PublicAccess | TunnelAccess | RunnerAccess, Field(discriminator="kind")]


# --- where state, images and charts come from ----------------------------------------------------------------------
def _backend_url(value: str) -> str:
    schemes = ("file://", "s3://", "gs://", "azblob://", "https://")
    if not value.startswith(schemes):
        raise refusal(
            "state-backend-url", "this is no state backend", allowed=", ".join(schemes), fix="write its login URL"
        )
    return value


def _secrets_provider(value: str) -> str:
    kinds = ("passphrase", "awskms://", "gcpkms://", "azurekeyvault://", "hashivault://", "default")
    if not value.startswith(kinds):
        raise refusal("secrets-provider", "this is no secrets provider", allowed=", ".join(kinds), fix="choose one")
    return value


class StateBackend(Section):
    """Pulumi's state: where it lies and what encrypts its secrets."""

    url: Annotated[str, AfterValidator(_backend_url)]
    secrets_provider: Annotated[str, AfterValidator(_secrets_provider)] = "passphrase"


class RegistryCredentials(Section):
    """What nodes need to pull images from a registry that is not the cloud's own."""

    username: Annotated[str, Field(min_length=1, max_length=256)]
    password: EncryptedText


class Registry(Section):
    """Where container images come from."""

    prefix: Annotated[str, Field(max_length=200)] = ""
    """Put before every image of the workloads; empty leaves them as they are written."""
    credentials: RegistryCredentials | None = None


ENVIRONMENT_REFERENCE = "env:"


def _mirror(value: str) -> str:
    if value.startswith(ENVIRONMENT_REFERENCE):
        name = value.removeprefix(ENVIRONMENT_REFERENCE)
        if name.isidentifier():
            return value
    elif value.startswith(("http://", "https://", "oci://")) and len(value.split("//", 1)[1]) > 0:
        return value
    raise refusal(
        "charts-mirror",
        "this is no chart repository",
        allowed="http(s)://… or oci://… of a Helm repository, or env:NAME to read it from an environment variable",
        fix="write the URL of the repository that holds the kit's charts",
    )


class Charts(Section):
    """Where Helm charts come from: one repository that holds every chart at its pinned version."""

    mirror: Annotated[str, AfterValidator(_mirror)]


# --- the cluster and its nodes -------------------------------------------------------------------------------------
class Cluster(Section):
    """The Kubernetes cluster."""

    name: Name = "main"
    version: KubernetesVersion = "1.36"
    log_retention_days: LogRetentionDays = 90
    addon_versions: dict[AddonName, AddonVersion] = Field(default_factory=dict)
    """Versions of EKS add-ons by name. Those not named here get EKS's default for the cluster's version."""


class OnDemand(Section):
    """Capacity as it is available, at list price."""

    kind: Literal["onDemand"]


class Spot(Section):
    """Spare capacity that can be taken away at two minutes' notice."""

    kind: Literal["spot"]


class Reservation(Section):
    """An on-demand capacity reservation (ODCR); it decides the placement of its instances itself."""

    kind: Literal["reservation"]
    id: CapacityReservationId


class CapacityBlock(Section):
    """Capacity bought for a period. Instances end with the block."""

    kind: Literal["capacityBlock"]
    id: CapacityReservationId
    confirm: Flag = False
    """True when its owner knows that the block is paid for from its start to its end, used or not."""
    starts: UtcTime | None = None
    """When the block begins, as AWS told it when it was bought; a scheduled action then starts the pool's ``nodes``.
    Unset: somebody else starts them."""
    ends: UtcTime | None = None
    """When the block ends; EKS empties the pool before that. Runs on the pool must fit in between."""


Capacity: TypeAlias = Annotated[OnDemand | Spot | Reservation | CapacityBlock, Field(discriminator="kind")]


class Scaling(Section):
    """Who decides how many nodes of a pool run now."""

    owner: Literal["settings", "autoscaler", "schedule"] = "settings"
    """``settings``: every update restores ``nodes``. Otherwise the pool begins with ``minNodes``, grows to ``nodes`` at
    most, and updates leave the number alone."""
    min_nodes: Annotated[Whole, Field(ge=0, le=450)] = 0
    """How small an autoscaler or a schedule may make the pool."""


class Pool(Section):
    """Nodes of one instance type."""

    name: Name
    instance_type: InstanceTypeName
    nodes: NodeCount
    zones: tuple[AwsZone, ...] = ()
    """Empty: every zone of the network."""
    fabric: Literal["efa", "none"] = "none"
    """``efa`` attaches every fabric interface of the type; the nodes then share one zone."""
    placement_group: Flag | None = None
    """A cluster placement group. Unset: yes with a fabric, unless a reservation decides the placement."""
    capacity: Capacity = OnDemand(kind="onDemand")
    scaling: Scaling = Scaling()
    disk_gib: Annotated[Gib, Field(ge=30, le=16384)] = 200
    node_repair: Flag = True
    ami_release: AmiRelease | None = None
    """The release of EKS's node image, for example 1.36.1-20261105. Unset: the newest when the pool is made, and again
    when the cluster's version changes."""
    replacement: Literal["deleteFirst", "createFirst"] | None = None
    """What goes first when a change replaces the pool (instance type, zones, kind of capacity). Unset: ``deleteFirst``
    for accelerated pools, because quota and capacity seldom hold such a pool twice, and ``createFirst`` for others."""
    labels: NodeLabels = Field(default_factory=dict)
    """Kubernetes labels of the nodes, besides those that the cloud and the kit give them."""
    dedicated: Flag = False
    """Whether only pods that name the pool run on it: its nodes repel all others (a taint ``slipway.dev/pool``)."""


# --- storage -------------------------------------------------------------------------------------------------------
class DataRepository(Section):
    """A prefix of the data lake that shows up as a directory of a file system, and is loaded on first use."""

    path: AbsolutePath
    prefix: S3Prefix
    auto_export: Flag = False
    """Whether changed files are written back to the lake."""

    @property
    def key(self) -> str:
        """Part of the association's name: it stays the same when a repository is added before this one."""
        return self.path.strip("/").replace("/", "-")


class LustreStorage(Section):
    """FSx for Lustre. Which sizes go with which speeds is checked by the component's own rules."""

    kind: Literal["fsx-lustre"]
    name: Name
    zone: AwsZone
    capacity_gib: Gib
    deployment_type: Literal["PERSISTENT_2", "SCRATCH_2"] = "PERSISTENT_2"
    throughput_mb_per_tib: Whole | None = None
    """Throughput per TiB of storage, MB/s; required for PERSISTENT_2, not accepted for SCRATCH_2."""
    compression: Literal["NONE", "LZ4"] = "LZ4"
    data_repositories: tuple[DataRepository, ...] = ()
    backup_days: Whole = 0
    """How long daily backups are kept; 0 makes none. FSx makes none of scratch file systems and of linked ones."""
    final_backup: Flag = False
    """Whether FSx makes a last backup when the file system is deleted; it is billed until somebody removes it."""


Storage: TypeAlias = LustreStorage
"""One kind until other clouds bring theirs; ``kind`` tells them apart from the beginning."""


class DataLake(Section):
    """The bucket of datasets and checkpoints: versioned, encrypted, private."""

    name: Name = "lake"
    noncurrent_days: Annotated[Whole, Field(ge=1, le=3650)] = 30
    """How long overwritten and deleted objects can be brought back."""
    retain: Flag = False
    """Whether the bucket and its key stay at the cloud when the stack is destroyed. A file system cannot stay, since
    its network goes: ``finalBackup`` keeps what is on it."""


# --- who works here, and on what -----------------------------------------------------------------------------------
class Team(Section):
    """A namespace with limits."""

    name: NamespaceName
    """Also the namespace."""
    gpus: Annotated[Whole, Field(ge=0)] = 0
    """GPUs that the team's pods may hold together."""
    cpus: Annotated[Whole, Field(ge=1)] = 32
    memory_gib: Gib = 128
    storage: tuple[Name, ...] = ()
    """File systems that the namespace gets a claim for."""
    model_access: ModelAccessList = ()
    """What the team's model services may read: they share one role of the cloud that allows just that."""
    queue: TeamQueue = TeamQueue()
    """The team's part of the pools; needs ``queueing``."""

    @model_validator(mode="after")
    def _namespace_is_free(self) -> "Team":
        if self.name.startswith(("kube-", STORAGE_NAMESPACE_PREFIX)) or self.name in ("default", "gpu-system"):
            raise refusal(
                "namespace-reserved",
                "this namespace belongs to the cluster",
                allowed="a name of your own, not default, gpu-system, kube-… or slipway-storage-…",
                fix="rename the team",
                at=("name",),
            )
        return self


def _nothing_yet(value: Any) -> Any:
    if value:
        raise refusal("not-built-yet", "this is not built yet", allowed="[]", fix="leave the list empty")
    return value


NothingYet: TypeAlias = Annotated[tuple[str, ...], AfterValidator(_nothing_yet)]
"""A setting that has its place from the start and no use yet."""
