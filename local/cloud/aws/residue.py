"""What is left in an account: everything besides what an empty one holds."""

from typing import Protocol

from local.cloud.aws.iam import managed_arn
from local.cloud.model import CloudObject

_OURS = managed_arn("")


class Inventory(Protocol):
    """What can list a whole account: the store."""

    def objects(self) -> list[CloudObject]:
        """Everything in the account, oldest first."""


def residue(account: Inventory) -> list[CloudObject]:
    """Objects that somebody would still find, and mostly pay for, oldest first; empty for an empty account.

    Not counted: AWS's managed policies, which every account has.
    """
    return [item for item in account.objects() if not (item.kind == "iam:Policy" and item.id.startswith(_OURS))]
