"""Objects of the cluster from plain manifests."""

from collections.abc import Mapping
from typing import Any

import pulumi


class ClusterObject(pulumi.CustomResource):
    """One Kubernetes object of any kind.

    The SDK's own ``apiextensions.CustomResource`` takes a ``spec`` and nothing else, and some kinds keep their content
    beside it (a WorkloadPriorityClass has ``value``). Type and URN are the same as that class's.
    """

    def __init__(self, name: str, manifest: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(f"kubernetes:{manifest['apiVersion']}:{manifest['kind']}", name, dict(manifest), opts)
