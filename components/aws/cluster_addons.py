"""Add-ons whose pods need a machine to run on: EKS calls them ACTIVE only once nodes have joined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import eks

from components import tokens
from components.aws.addons import KNOWN, create_addon, node_addon_role
from components.aws.cluster import NODE_ADDONS
from components.aws.outputs import AddonOutputs, AwsClusterOutputs
from components.ordering import after
from components.outputs import PoolOutputs
from components.problems import refuse

DEFAULT_ADDONS = ("coredns", "aws-fsx-csi-driver")


@dataclass(frozen=True, kw_only=True)
class ClusterAddonsArgs:
    """Which add-ons, and the pools that can run them."""

    cluster: AwsClusterOutputs
    pools: Sequence[PoolOutputs]
    """Pools whose nodes must have joined first; at least one without taints, for the add-ons' own pods."""
    addons: Sequence[str] = DEFAULT_ADDONS
    addon_versions: Mapping[str, str] = field(default_factory=dict)
    """EKS versions by add-on, in place of those of ``components/versions.py``."""


class ClusterAddons(pulumi.ComponentResource):
    """DNS and the Lustre CSI driver, installed after the first nodes.

    Created with the cluster they would stay DEGRADED until a node exists, and an update would wait for them in vain.

    Raises:
        ValueError: an unknown add-on, or no pool that can run one.
    """

    outputs: AddonOutputs

    def __init__(self, name: str, args: ClusterAddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("ClusterAddons", name, _problems(args))
        super().__init__(tokens.of(self), name, None, opts)
        addons = {addon: self._create_addon(name, addon, args) for addon in args.addons}
        self.outputs = AddonOutputs(ready={addon: resource.id for addon, resource in addons.items()})
        self.register_outputs({})

    def _create_addon(self, name: str, addon: str, args: ClusterAddonsArgs) -> eks.Addon:
        cluster = args.cluster
        role = node_addon_role(f"{name}-{addon}", addon, cluster.account_id, cluster.region, parent=self)
        first = after(cluster.addons_ready, *(pool.ready for pool in args.pools))
        return create_addon(
            f"{name}-{addon}",
            addon,
            cluster.cluster_name,
            role=role,
            version=args.addon_versions.get(addon),
            opts=pulumi.ResourceOptions(parent=self, depends_on=first),
        )


def _problems(args: ClusterAddonsArgs) -> list[str]:
    problems = []
    for addon in args.addons:
        if addon in NODE_ADDONS:
            problems.append(f"add-on {addon!r} is already installed by the cluster itself: leave it out")
        elif addon not in KNOWN:
            problems.append(f"add-on {addon!r} is not in components/versions.py; known are {', '.join(KNOWN)}")
    if not any(pool.nodes and not pool.profile.taints for pool in args.pools):
        problems.append("no pool without taints has nodes: add-on pods would stay Pending; give the system pool")
    return problems
