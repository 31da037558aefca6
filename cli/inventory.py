"""What an account holds of a stack, whatever the state says: found by the kit's tags.

One reads a simulated account's store, with what no tag can mark; the other asks any account through boto3, the
simulated one too. A real account is only listed: a wrong guess there costs data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cli.removal import Clients, UnknownKindError, delete
from local.cloud.failures import CloudError
from local.cloud.lifecycle import Effects
from local.cloud.model import Binding, CloudObject, CloudPackage, Maker
from local.cloud.paths import lookup
from local.cloud.session import render
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.paths import SIMULATED_ACCOUNT_ID

STACK_TAG: Final = "slipway:stack"
NAME_TAG: Final = "slipway:resource"
_IN_NETWORK: Final = (
    ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "vpc-endpoint"),
    ("describe_nat_gateways", "NatGateways", "NatGatewayId", "natgateway"),
    ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", "network-interface"),
    ("describe_security_groups", "SecurityGroups", "GroupId", "security-group"),
    ("describe_route_tables", "RouteTables", "RouteTableId", "route-table"),
    ("describe_subnets", "Subnets", "SubnetId", "subnet"),
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId", "internet-gateway"),
)
"""EC2 calls by network: their collection, the id's member, the resource type in the ARN."""
_HOLDS_DATA: Final = frozenset({"fsx:FileSystem", "s3:Bucket", "kms:Key"})


@dataclass(frozen=True, kw_only=True)
class Owned:
    """One object of the stack at the cloud."""

    kind: str
    types: tuple[str, ...]
    """Type tokens that such an object may have in the state."""
    id: str
    """As Pulumi knows it."""
    name: str
    """Logical name (tag ``slipway:resource``), or empty."""
    holds_data: bool
    failed: bool = False
    """The cloud gave up on making it."""
    status: str = ""


class RemovalRefusedError(Exception):
    """The cloud does not delete it (yet); the message says why."""


class Inventory(Protocol):
    """Looks at the account behind the engine's back."""

    can_remove: bool

    def owned(self, project: str, stack: str) -> Sequence[Owned]:
        """Everything that carries the stack's tags."""

    def remove(self, item: Owned) -> None:
        """Delete it.

        Raises:
            RemovalRefusedError: something still needs it, or it may not be deleted now.
        """


class SimulatedInventory:
    """The account of a simulated environment."""

    can_remove = True

    def __init__(self, package: CloudPackage, store: SqliteStore, *, effects: Effects = Effects.SUPERVISOR) -> None:
        self._package = package
        self._store = store
        self._effects = effects
        self._bindings: dict[str, list[Binding]] = {}
        for binding in package.bindings.values():
            self._bindings.setdefault(binding.kind, []).append(binding)

    def owned(self, project: str, stack: str) -> list[Owned]:
        """By the tags; what cannot be tagged (routes, attachments) belongs to the stack that its URN names."""
        mine = []
        for item in self._store.objects(maker=Maker.PROGRAM):
            bindings = self._bindings.get(item.kind, [])
            tags = next((found for binding in bindings if (found := tags_of(binding, item.body))), {})
            tagged = tags.get(STACK_TAG) == f"{project}/{stack}"
            untaggable = all(binding.tags is None for binding in bindings)
            if bindings and (tagged or (untaggable and item.urn.startswith(f"urn:pulumi:{stack}::{project}::"))):
                mine.append(self._owned(item, bindings, tags))
        return mine

    def _owned(self, item: CloudObject, bindings: Sequence[Binding], tags: Mapping[str, str]) -> Owned:
        lifecycle = next((binding.lifecycle for binding in bindings if binding.lifecycle is not None), None)
        status = str(lookup(item.body, lifecycle.path) or "") if lifecycle else ""
        identifiers = [
            text for binding in bindings if binding.pulumi_id and (text := render(binding.pulumi_id, item.body))
        ]
        return Owned(
            kind=item.kind,
            types=tuple(binding.token for binding in bindings),
            id=identifiers[0] if identifiers else item.id,
            name=tags.get(NAME_TAG, item.urn.rpartition("::")[2]),
            holds_data=item.kind in _HOLDS_DATA,
            failed=lifecycle is not None and status == lifecycle.failed,
            status=status,
        )

    def remove(self, item: Owned) -> None:
        """Delete through the simulator, which refuses what the service refuses."""
        simulator = Simulator(self._package, self._store, self._effects)
        try:
            simulator.delete(item.types[0], item.id)
        except CloudError as error:
            raise RemovalRefusedError(str(error)) from None


class AwsInventory:
    """An account through boto3: the tagging API and EC2. Lists any account; removes from the simulated one only.

    Args:
        region: the stack's.
        client: a tagging client; by default made by ``clients``.
        clients: boto3 clients by service name; by default from the process's own credentials and endpoint.
        simulated: whether deletion is allowed at all; each deletion also asks STS whose account it is.
    """

    def __init__(
        self, region: str, client: Any | None = None, *, clients: Clients | None = None, simulated: bool = False
    ) -> None:
        self._region = region
        self._client = client
        self._clients = clients or self._default
        self.can_remove = simulated

    def _default(self, service: str) -> Any:
        import boto3

        return boto3.client(service, region_name=self._region)

    def owned(self, project: str, stack: str) -> list[Owned]:
        """Every tagged resource of the region; ids are ARNs."""
        client = self._client or self._clients("resourcegroupstaggingapi")
        found: list[Owned] = []
        query = {"TagFilters": [{"Key": STACK_TAG, "Values": [f"{project}/{stack}"]}]}
        for page in client.get_paginator("get_resources").paginate(**query):
            for entry in page["ResourceTagMappingList"]:
                arn = str(entry["ResourceARN"])
                tags = {item["Key"]: item["Value"] for item in entry["Tags"]}
                service = arn.split(":")[2]
                found.append(
                    Owned(
                        kind=service,
                        types=(),
                        id=arn,
                        name=tags.get(NAME_TAG, ""),
                        holds_data=service in {"fsx", "s3", "kms"},
                    )
                )
        return found

    def in_network(self, vpc: str) -> list[Owned]:
        """What lies in a VPC, whatever its tags; ids are ARNs. Its main table and default group go with it."""
        ec2 = self._clients("ec2")
        account = self._clients("sts").get_caller_identity()["Account"]
        found: list[Owned] = []
        for operation, member, key, kind in _IN_NETWORK:
            argument = "Filter" if operation == "describe_nat_gateways" else "Filters"
            name = "attachment.vpc-id" if kind == "internet-gateway" else "vpc-id"
            pages = ec2.get_paginator(operation).paginate(**{argument: [{"Name": name, "Values": [vpc]}]})
            for entry in (entry for page in pages for entry in page[member]):
                main = any(one.get("Main") for one in entry.get("Associations") or [])
                gone = entry.get("State") in {"deleted", "deleting"}
                if main or gone or (kind == "security-group" and entry["GroupName"] == "default"):
                    continue
                tags = {item["Key"]: item["Value"] for item in entry.get("Tags") or entry.get("TagSet") or []}
                arn = f"arn:aws:ec2:{self._region}:{account}:{kind}/{entry[key]}"
                found.append(Owned(kind="ec2", types=(), id=arn, name=tags.get(NAME_TAG, ""), holds_data=False))
        return found

    def remove(self, item: Owned) -> None:
        """Delete it in the simulated account; in a real one never: that is for a person to decide."""
        if not self.can_remove:
            raise RemovalRefusedError(f"{item.id} is in a real account: delete it with the cloud's own tools")
        from botocore.exceptions import ClientError

        account = self._clients("sts").get_caller_identity()["Account"]
        if account != SIMULATED_ACCOUNT_ID:
            raise RemovalRefusedError(f"the credentials are those of account {account}, which is a real account")
        try:
            delete(item.id, self._clients)
        except (ClientError, UnknownKindError) as error:
            raise RemovalRefusedError(str(error)) from None


def tags_of(binding: Binding, body: Mapping[str, Any]) -> dict[str, str]:
    """The tags in an object's body, in either of the two forms in which services keep them."""
    if binding.tags is None:
        return {}
    found = lookup(dict(body), binding.tags)
    if isinstance(found, dict):
        return {str(key): str(value) for key, value in found.items()}
    if isinstance(found, list):
        return {
            str(item.get("Key", item.get("TagKey"))): str(item.get("Value", item.get("TagValue"))) for item in found
        }
    return {}
