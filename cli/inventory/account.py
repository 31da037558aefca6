"""An account through boto3. Lists any account; deletes only in the one account that it was told of."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from cli.inventory import billing, ec2, services
from cli.inventory.controllers import Orphans, orphans
from cli.inventory.kinds import ASKED, arn_type
from cli.inventory.owned import STACK_TAG, Clients, Owned, RemovalRefusedError, pages
from cli.inventory.removal import UnknownKindError, delete

_WAIT_SECONDS: Final = 1800
"""Longest wait for one deletion: a cluster takes about ten minutes at AWS."""
_GONE: Final = ("NotFound", "NotFoundException", ".Unknown", "NoSuchEntity", "NoSuchBucket")
"""Ends of the codes of what is no more: it went along with another object, or somebody else was quicker."""


class AwsInventory:
    """One account in one region.

    Args:
        clients: boto3 clients by service name.
        removes_in: the only account in which anything may be deleted, asked for at each deletion; none when empty.
        poll_seconds: between two looks at something that is being deleted.
    """

    def __init__(self, clients: Clients, *, removes_in: str = "", poll_seconds: float = 15.0) -> None:
        self._clients = clients
        self._removes_in = removes_in
        self._poll = poll_seconds
        self.can_remove = bool(removes_in)

    def owned(self, project: str, stack: str) -> list[Owned]:
        """Everything that carries the stack's tags, and what hangs on it and cannot be tagged; each as it is now."""
        tag = f"{project}/{stack}"
        query = {"TagFilters": [{"Key": STACK_TAG, "Values": [tag]}]}
        tagging = self._clients("resourcegroupstaggingapi")
        listed = pages(tagging, "get_resources", "ResourceTagMappingList", **query)
        others = [entry for entry in listed if arn_type(str(entry["ResourceARN"])) not in ASKED]
        clusters = services.eks(self._clients("eks"), tag)
        groups = [item for item in clusters if item.kind == "eks:Nodegroup"]
        return [
            *ec2.tagged(self._clients("ec2"), tag),
            *clusters,
            *services.schedules(self._clients("eks"), self._clients("autoscaling"), groups),
            *services.fsx(self._clients("fsx"), tag),
            *services.iam(self._clients("iam"), tag),
            *billing.anomalies(self._clients("ce"), tag),
            *billing.budgets(self._clients("budgets"), self._account(), tag),
            *services.from_tagging(self._clients, others),
        ]

    def in_networks(self, networks: Sequence[str]) -> list[Owned]:
        """What lies in the VPCs, whatever its tags, and the VPCs themselves."""
        if not networks:
            return []
        return [*ec2.in_networks(self._clients("ec2"), networks), *services.in_networks(self._clients, networks)]

    def of_controllers(self, networks: Sequence[str], clusters: Collection[str]) -> Orphans:
        """What controllers of the clusters left behind."""
        return orphans(self._clients, networks, clusters)

    def remove(self, item: Owned) -> None:
        """Delete it, and wait until it is gone.

        Raises:
            RemovalRefusedError: the service refuses, or this is not the account in which anything may be deleted.
        """
        if not self._removes_in:
            raise RemovalRefusedError(f"{item.id} is in a real account: delete it with the cloud's own tools")
        from botocore.exceptions import ClientError, WaiterError

        account = self._account()
        if account != self._removes_in:
            raise RemovalRefusedError(f"the credentials are those of account {account}, not of {self._removes_in}")
        try:
            delete(item, self._clients, self._wait)
        except ClientError as error:
            if not error.response["Error"]["Code"].endswith(_GONE):
                raise RemovalRefusedError(str(error)) from None
        except (UnknownKindError, WaiterError) as error:
            raise RemovalRefusedError(str(error)) from None

    def _account(self) -> str:
        return str(self._clients("sts").get_caller_identity()["Account"])

    def _wait(self, client: Any, name: str, asked: dict[str, Any]) -> None:
        attempts = max(int(_WAIT_SECONDS / self._poll), 1)
        client.get_waiter(name).wait(**asked, WaiterConfig={"Delay": self._poll, "MaxAttempts": attempts})
