"""The access key of a simulated role, straight from the account's file.

A simulated account has no STS. Any shell may use the kubeconfig of a simulated cluster, also one with real credentials
in it: those must not sign a request to a simulation.
"""

from typing import Any

from cli.errors import UserError
from local.cloud.store import SqliteStore
from local.paths import SIMULATED_ACCOUNT_ID, state_root


def is_simulated(role_arn: str | None) -> bool:
    """Whether the role lives in the account that no cloud has."""
    return role_arn is not None and role_arn.split(":")[4:5] == [SIMULATED_ACCOUNT_ID]


def credentials_for(cluster: str, role_arn: str) -> Any:
    """Botocore credentials of ``role_arn`` in the simulated account that holds ``cluster``.

    Raises:
        UserError: no environment on this machine has that cluster.
    """
    from botocore.credentials import Credentials

    for path in sorted(state_root().glob("*/account.db")):
        store = SqliteStore(path)
        try:
            if store.get("eks:Cluster", cluster) is not None:
                key = store.credentials(role_arn)
                return Credentials(key.access_key_id, key.secret_access_key)
        finally:
            store.close()
    raise UserError(
        "no simulated environment on this machine has a cluster of this name",
        where=str(state_root()),
        value=cluster,
        fix="run `slipway up local`, or set SLIPWAY_STATE_DIR to where the environment keeps its state",
    )
