"""Service accounts whose pods get a role of the cloud."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components import tokens
from components.ordering import after, ready
from components.outputs import WorkloadIdentity


@dataclass(frozen=True, kw_only=True)
class BoundServiceAccountArgs:
    """The service account that ``identity`` names, in ``namespace``, which is an Output of that namespace."""

    identity: WorkloadIdentity
    namespace: pulumi.Input[str]
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()


class BoundServiceAccount(pulumi.ComponentResource):
    """A service account with what binds it to its role: annotations, labels, or an association made at the cloud.

    Its pods get no token for the Kubernetes API: a role of the cloud is all that they have it for.
    """

    ready: pulumi.Output[str]
    """The account's name, once pods that name it get the role."""

    def __init__(self, name: str, args: BoundServiceAccountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(tokens.of(self), name, None, opts)
        identity = args.identity
        bound = [identity.role] if identity.role is not None else []
        account = k8s.core.v1.ServiceAccount(
            f"{name}-service-account",
            metadata={
                "name": identity.service_account,
                "namespace": args.namespace,
                "annotations": dict(identity.annotations),
                "labels": {"app.kubernetes.io/managed-by": "slipway", **identity.labels},
            },
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after(*bound, *args.ready)),
        )
        self.ready = ready(account.metadata.name.apply(lambda text: text or ""), account)
        self.register_outputs({"ready": self.ready})
