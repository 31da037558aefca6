"""What controllers in a cluster made at the cloud and left there: nothing of it is in any state.

A controller that is gone, or whose cluster is, cleans up no more. Tags by which its things are known:
``kubernetes.io/cluster/NAME`` (cloud controller manager, EBS CSI driver), ``elbv2.k8s.aws/cluster`` (AWS load balancer
controller), ``cluster.k8s.amazonaws.com/name`` (VPC CNI), ``ebs.csi.aws.com/cluster`` (EBS CSI driver, without a name).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.inventory import ec2
from cli.inventory.owned import STACK_TAG, Clients, Owned, pages, tags_of
from cli.inventory.services import made

_BY_NAME: Final = "kubernetes.io/cluster/"
_BY_VALUE: Final = ("elbv2.k8s.aws/cluster", "cluster.k8s.amazonaws.com/name", "KubernetesCluster")
_CSI: Final = "ebs.csi.aws.com/cluster"
_PAGE: Final = 20
"""Load balancers per DescribeTags (Elastic Load Balancing API Reference)."""


@dataclass(frozen=True, kw_only=True)
class Orphans:
    """What controllers of a stack's clusters left."""

    items: tuple[Owned, ...]
    unsure: tuple[Owned, ...]
    """Volumes of some cluster that their tags do not name: never deleted, only told."""


def orphans(clients: Clients, networks: Sequence[str], clusters: Collection[str]) -> Orphans:
    """Load balancers, target groups, security groups, interfaces and volumes that nobody looks after any more.

    Args:
        clients: boto3's.
        networks: VPCs of the stack.
        clusters: Names of its clusters. In its networks other names count too when no such cluster is there any more:
            an earlier, interrupted destruction may have taken the cluster out of the state.
    """
    living = set(pages(clients("eks"), "list_clusters", "clusters")) - set(clusters)
    found = [*_balancers(clients, networks), *_of_ec2(clients("ec2"), networks)]
    named = {name for _, tags in found for name in names_in(tags)} - living
    names = sorted(named | set(clusters))
    items = [
        item
        for item, tags in found
        if not _in_the_state(item, tags) and names_in(tags) & set(names) and not living & names_in(tags)
    ]
    mine, unsure = _volumes(clients("ec2"), names, living)
    return Orphans(items=(*items, *mine), unsure=tuple(unsure))


def names_in(tags: Mapping[str, str]) -> set[str]:
    """Names of the clusters whose controllers put such tags on an object."""
    found = {key.removeprefix(_BY_NAME) for key, value in tags.items() if key.startswith(_BY_NAME) and value == "owned"}
    return found | {tags[key] for key in _BY_VALUE if key in tags}


def _balancers(clients: Clients, networks: Sequence[str]) -> Iterator[tuple[Owned, Mapping[str, str]]]:
    elb, elbv2 = clients("elb"), clients("elbv2")
    classic = pages(elb, "describe_load_balancers", "LoadBalancerDescriptions")
    names = [str(one["LoadBalancerName"]) for one in classic if one.get("VPCId") in networks]
    for chunk in _chunks(names):
        for one in elb.describe_tags(LoadBalancerNames=chunk)["TagDescriptions"]:
            yield made("elb:LoadBalancer", str(one["LoadBalancerName"]), ""), tags_of(one)
    for operation, member, kind, key in (
        ("describe_load_balancers", "LoadBalancers", "elbv2:LoadBalancer", "LoadBalancerArn"),
        ("describe_target_groups", "TargetGroups", "elbv2:TargetGroup", "TargetGroupArn"),
    ):
        arns = [str(one[key]) for one in pages(elbv2, operation, member) if one.get("VpcId") in networks]
        for chunk in _chunks(arns):
            for one in elbv2.describe_tags(ResourceArns=chunk)["TagDescriptions"]:
                yield made(kind, str(one["ResourceArn"]), ""), tags_of(one)


def _of_ec2(client: Any, networks: Sequence[str]) -> Iterator[tuple[Owned, Mapping[str, str]]]:
    """Interfaces that nothing uses, and groups; interfaces of a load balancer go with it."""
    if not networks:
        return
    free = {"vpc-id": networks, "status": ["available"]}
    for kind, filters in (("ec2:NetworkInterface", free), ("ec2:SecurityGroup", {"vpc-id": networks})):
        for item, entry in ec2.matching(client, kind, filters):
            yield item, tags_of(entry)


def _in_the_state(item: Owned, tags: Mapping[str, str]) -> bool:
    """Whether the program made it: then the engine takes it away in its turn."""
    return bool(item.types) and STACK_TAG in tags


def _volumes(client: Any, names: Sequence[str], living: set[str]) -> tuple[list[Owned], list[Owned]]:
    """Volumes of these clusters; and free ones of the CSI driver that name none at all."""
    mine: dict[str, Owned] = {}
    for filters in ({"tag-key": [f"{_BY_NAME}{name}" for name in names]}, {f"tag:{_BY_VALUE[-1]}": names}):
        for item, entry in ec2.matching(client, "ec2:Volume", filters) if names else []:
            if not living & names_in(tags_of(entry)):
                mine[item.id] = item
    csi = ec2.matching(client, "ec2:Volume", {"tag-key": [_CSI], "status": ["available"]})
    return list(mine.values()), [item for item, entry in csi if not names_in(tags_of(entry))]


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(items), _PAGE):
        yield list(items[first : first + _PAGE])
