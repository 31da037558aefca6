"""What AWS components tell each other beyond the seam of all clouds; still plain data."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.outputs import ClusterOutputs


@dataclass(frozen=True, kw_only=True)
class AwsClusterOutputs(ClusterOutputs):
    """An EKS cluster as node pools, storage and identities of the same account see it."""

    account_id: str
    region: str
    physical_name: str
    """The cluster's name at AWS, known before the cluster exists."""
    arn: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """The cluster security group, which EKS makes and puts on the control plane and on every node."""
    addons_ready: pulumi.Output[str]
    """Resolves once what a node needs to become Ready (CNI, proxy, identity agent) is installed."""


@dataclass(frozen=True, kw_only=True)
class AddonOutputs:
    """Installed EKS add-ons."""

    ready: Mapping[str, pulumi.Output[str]]
    """Add-on name -> its id, once EKS calls it ACTIVE."""


@dataclass(frozen=True, kw_only=True)
class DataLakeOutputs:
    """The bucket that holds a platform's data."""

    name: str
    """Logical name."""
    physical_name: str
    """The bucket's name, known before the bucket exists."""
    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    kms_key_arn: pulumi.Output[str]
    uri: pulumi.Output[str]
    """``s3://<bucket>``."""
