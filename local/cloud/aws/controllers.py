"""What the controllers in a cluster make at AWS, behind Pulumi's back: load balancers of Services, volumes of claims.

Names, tags and descriptions are those by which a person, or a clean-up, recognises them at AWS. Sources:
kubernetes/cloud-provider-aws ``pkg/providers/v1/aws.go`` (classic load balancers of Services),
kubernetes-sigs/aws-load-balancer-controller ``pkg/deploy/tracking`` and ``pkg/networking`` (network load balancers),
kubernetes-sigs/aws-ebs-csi-driver ``pkg/driver/constants.go`` (volumes).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from local.cloud.aws.binding import service_made
from local.cloud.aws.common import arn, iso_time, tag_list
from local.cloud.aws.ec2_network import interface
from local.cloud.model import Account, CloudObject, Context
from local.cloud.values import Json

CLASSIC: Final = "elb:LoadBalancer"
BALANCER: Final = "elbv2:LoadBalancer"
TARGET_GROUP: Final = "elbv2:TargetGroup"
VOLUME: Final = "ec2:Volume"
_GROUP: Final = "ec2:SecurityGroup"
_RULE: Final = "ec2:SecurityGroupRule"
_INTERFACE: Final = "ec2:NetworkInterface"
_NAME_LENGTH: Final = 32
"""Of a load balancer's name, both kinds (Elastic Load Balancing API Reference)."""
_ALL: Final = "-1"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The Kubernetes object on whose behalf a controller acts."""

    cluster: str
    namespace: str
    name: str
    uid: str = ""

    @property
    def path(self) -> str:
        """``namespace/name``, as tags and descriptions say it."""
        return f"{self.namespace}/{self.name}"

    @property
    def classic_name(self) -> str:
        """Name of the classic load balancer: ``a`` and the Service's uid."""
        return f"a{(self.uid.replace('-', '') or self.digest(length=40))}"[:_NAME_LENGTH]

    def digest(self, *more: str, length: int) -> str:
        """Hexadecimal digits that are always the same for the same owner."""
        words = "/".join([self.cluster, self.path, self.uid, *more])
        return hashlib.sha256(words.encode()).hexdigest()[:length]


def classic_balancer(account: Account, owner: Owner) -> CloudObject:
    """The load balancer that the cloud controller manager of EKS makes for a Service, with group, rule, interfaces."""
    vpc, subnets, nodes = _place(account, owner.cluster)
    name = owner.classic_name
    tags = {f"kubernetes.io/cluster/{owner.cluster}": "owned", "kubernetes.io/service-name": owner.path}
    words = f"Security group for Kubernetes ELB {name} ({owner.path})"
    group = _group(account, vpc, (f"k8s-elb-{name}", words), {f"kubernetes.io/cluster/{owner.cluster}": "owned"})
    _admit(account, nodes, group)
    for subnet in subnets:
        _plug(account, subnet, group, f"ELB {name}", "interface")
    body: dict[str, Json] = {
        "LoadBalancerName": name,
        "DNSName": f"{name}-{owner.digest('dns', length=10)}.{account.region}.elb.amazonaws.com",
        "ListenerDescriptions": [],
        "AvailabilityZones": [subnet.body["AvailabilityZone"] for subnet in subnets],
        "Subnets": [subnet.id for subnet in subnets],
        "VPCId": vpc,
        "Instances": [],
        "SecurityGroups": [group.id],
        "Scheme": "internet-facing",
        "CreatedTime": iso_time(account),
        "Tags": tag_list(tags),
    }
    return _put(account, CLASSIC, name, body)


def network_balancer(account: Account, owner: Owner) -> CloudObject:
    """The one that the AWS load balancer controller makes for a Service, with target group, group, interfaces."""
    vpc, subnets, nodes = _place(account, owner.cluster)
    short = "-".join(["k8s", owner.namespace[:8], owner.name[:8], owner.digest(length=10)])[:_NAME_LENGTH]
    tags = {"elbv2.k8s.aws/cluster": owner.cluster, "service.k8s.aws/stack": owner.path}
    group = _group(account, vpc, (short, "[k8s] Managed SecurityGroup for LoadBalancer"), tags)
    _admit(account, nodes, group)
    number = owner.digest("arn", length=16)
    for subnet in subnets:
        _plug(account, subnet, group, f"ELB net/{short}/{number}", "network_load_balancer")
    identifier = arn("elasticloadbalancing", f"loadbalancer/net/{short}/{number}", account)
    body: dict[str, Json] = {
        "LoadBalancerArn": identifier,
        "LoadBalancerName": short,
        "DNSName": f"{short}-{number}.elb.{account.region}.amazonaws.com",
        "CreatedTime": iso_time(account),
        "Scheme": "internet-facing",
        "VpcId": vpc,
        "State": {"Code": "active"},
        "Type": "network",
        "AvailabilityZones": [
            {"ZoneName": subnet.body["AvailabilityZone"], "SubnetId": subnet.id} for subnet in subnets
        ],
        "SecurityGroups": [group.id],
        "IpAddressType": "ipv4",
        "Tags": tag_list(tags | {"service.k8s.aws/resource": "LoadBalancer"}),
    }
    target = arn("elasticloadbalancing", f"targetgroup/{short}/{owner.digest('target', length=16)}", account)
    targets: dict[str, Json] = {
        "TargetGroupArn": target,
        "TargetGroupName": short,
        "Protocol": "TCP",
        "Port": 80,
        "VpcId": vpc,
        "TargetType": "ip",
        "LoadBalancerArns": [identifier],
        "Tags": tag_list(tags),
    }
    _put(account, TARGET_GROUP, target, targets)
    return _put(account, BALANCER, identifier, body)


def volume(account: Account, owner: Owner, *, zone: str, size_gib: int) -> CloudObject:
    """The volume that the EBS CSI driver of EKS makes for a claim."""
    identifier = account.new_id("vol-")
    made = f"pvc-{owner.uid or owner.digest(length=32)}"
    tags = {
        f"kubernetes.io/cluster/{owner.cluster}": "owned",
        "KubernetesCluster": owner.cluster,
        "ebs.csi.aws.com/cluster": "true",
        "CSIVolumeName": made,
        "kubernetes.io/created-for/pvc/namespace": owner.namespace,
        "kubernetes.io/created-for/pvc/name": owner.name,
        "kubernetes.io/created-for/pv/name": made,
    }
    body: dict[str, Json] = {
        "VolumeId": identifier,
        "VolumeType": "gp3",
        "Size": size_gib,
        "AvailabilityZone": zone,
        "State": "available",
        "Encrypted": True,
        "MultiAttachEnabled": False,
        "Attachments": [],
        "CreateTime": iso_time(account),
        "Tags": tag_list(tags),
    }
    return _put(account, VOLUME, identifier, body)


def remove_balancer(account: Account, item: CloudObject, *, entirely: bool = True) -> None:
    """What deleting a load balancer takes along: its interfaces.

    Args:
        account: Where it is.
        item: The load balancer.
        entirely: Also its target groups, security groups and rules, which a controller removes after it; the API's
            own Delete call leaves them.
    """
    words = item.id.rpartition("loadbalancer/")[2] if item.kind == BALANCER else item.id
    for found in account.find(_INTERFACE, Description=f"ELB {words}"):
        account.remove(found.kind, found.id)
    if entirely:
        for target in account.find(TARGET_GROUP):
            if item.id in (target.body.get("LoadBalancerArns") or []):
                account.remove(target.kind, target.id)
        for group in item.body["SecurityGroups"]:
            for rule in account.find(_RULE):
                if group in (rule.body["GroupId"], (rule.body.get("ReferencedGroupInfo") or {}).get("GroupId")):
                    account.remove(rule.kind, rule.id)
            account.remove(_GROUP, str(group))
    account.remove(item.kind, item.id)


def _place(account: Account, cluster: str) -> tuple[str, list[CloudObject], str]:
    """VPC, one subnet per zone, and the cluster's own security group."""
    found = account.get("eks:Cluster", cluster)
    if found is None:
        raise KeyError(f"no cluster {cluster}")
    config = found.body["resourcesVpcConfig"]
    zones: dict[str, CloudObject] = {}
    for identifier in config["subnetIds"]:
        subnet = account.get("ec2:Subnet", str(identifier))
        if subnet is not None:
            zones.setdefault(str(subnet.body["AvailabilityZone"]), subnet)
    return str(config["vpcId"]), list(zones.values()), str(config["clusterSecurityGroupId"])


def _group(account: Account, vpc: str, words: tuple[str, str], tags: Mapping[str, str]) -> CloudObject:
    identifier = account.new_id("sg-")
    body: dict[str, Json] = {
        "GroupId": identifier,
        "GroupName": words[0],
        "Description": words[1],
        "VpcId": vpc,
        "OwnerId": account.account_id,
        "SecurityGroupArn": arn("ec2", f"security-group/{identifier}", account),
        "IpPermissions": [],
        "IpPermissionsEgress": [{"IpProtocol": _ALL, "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "UserIdGroupPairs": []}],
        "Tags": tag_list(tags),
    }
    return _put(account, _GROUP, identifier, body)


def _admit(account: Account, nodes: str, group: CloudObject) -> None:
    """Let the balancer in to the nodes: the rule that later keeps its group from being deleted."""
    identifier = account.new_id("sgr-")
    body: dict[str, Json] = {
        "SecurityGroupRuleId": identifier,
        "SecurityGroupRuleArn": arn("ec2", f"security-group-rule/{identifier}", account),
        "GroupId": nodes,
        "GroupOwnerId": account.account_id,
        "IsEgress": False,
        "IpProtocol": _ALL,
        "FromPort": -1,
        "ToPort": -1,
        "ReferencedGroupInfo": {"GroupId": group.id},
        "Tags": [],
    }
    _put(account, _RULE, identifier, body)


def _plug(account: Account, subnet: CloudObject, group: CloudObject, words: str, kind: str) -> None:
    context = Context(account=account, name="")
    groups = [{"GroupId": group.id}]
    account.put(interface(subnet, context, Description=words, InterfaceType=kind, Groups=groups))


def _put(account: Account, kind: str, identifier: str, body: dict[str, Json]) -> CloudObject:
    item = service_made(kind, identifier, body, Context(account=account, name=""))
    account.put(item)
    return item
