"""STS: who the caller is."""

from collections.abc import Mapping

from local.cloud.endpoint.registry import Asked, serves
from local.cloud.values import Json


@serves("sts", "GetCallerIdentity")
def get_caller_identity(asked: Asked) -> Mapping[str, Json]:
    """The principal whose key signed, as an assumed role's session."""
    role = asked.caller.principal.rpartition("/")[2]
    return {
        "Account": asked.store.account_id,
        "Arn": f"arn:aws:sts::{asked.store.account_id}:assumed-role/{role}/simulated",
        "UserId": "AROASIMULATEDDEPLOYER:simulated",
    }
