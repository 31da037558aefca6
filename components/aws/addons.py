"""EKS add-ons: which role each needs, how each is configured, and one way to install them."""

import json
from types import MappingProxyType
from typing import Any

import pulumi
from pulumi_aws import eks

from components import versions
from components.aws.documents import lustre_csi_document, pod_identity_trust_document
from components.aws.roles import Role, create_role
from components.tags import resource_tags

SERVICE_ACCOUNTS = MappingProxyType({"vpc-cni": "aws-node", "aws-fsx-csi-driver": "fsx-csi-controller-sa"})
"""Service account of the add-ons that call AWS (kube-system)."""
CONFIGURATION: MappingProxyType[str, Any] = MappingProxyType(
    {
        # Without it NetworkPolicy objects exist and nothing enforces them (EKS user guide, network policies).
        "vpc-cni": {"enableNetworkPolicy": "true"},
    }
)
KNOWN = tuple(sorted(versions.EKS_ADDONS))


def addon_configuration(addon: str) -> str | None:
    """``configurationValues`` of ``addon`` as JSON text; None when its defaults are right."""
    values = CONFIGURATION.get(addon)
    return json.dumps(values, sort_keys=True) if values else None


def node_addon_role(name: str, addon: str, account_id: str, region: str, *, parent: pulumi.Resource) -> Role | None:
    """The role of ``addon``'s service account; None for add-ons that never call AWS."""
    if addon not in SERVICE_ACCOUNTS:
        return None
    documents = {"look-up": lustre_csi_document(account_id, region)} if addon == "aws-fsx-csi-driver" else {}
    return create_role(
        f"{name}-role",
        parent=parent,
        region=region,
        trust=pod_identity_trust_document(account_id),
        description=f"EKS add-on {addon}",
        managed_policies=("AmazonEKS_CNI_Policy",) if addon == "vpc-cni" else (),
        documents=documents,
    )


def create_addon(
    name: str,
    addon: str,
    cluster_name: pulumi.Output[str],
    *,
    role: Role | None,
    version: str | None,
    opts: pulumi.ResourceOptions,
) -> eks.Addon:
    """Install ``addon`` at ``version``, or else at the version of ``components/versions.py``."""
    association = (
        [eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=SERVICE_ACCOUNTS[addon])]
        if role
        else None
    )
    return eks.Addon(
        name,
        cluster_name=cluster_name,
        addon_name=addon,
        addon_version=version or versions.EKS_ADDONS[addon],
        configuration_values=addon_configuration(addon),
        pod_identity_associations=association,
        # The program owns an add-on's settings: what somebody changed by hand goes back at the next update.
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="OVERWRITE",
        tags=resource_tags(name),
        opts=opts,
    )
