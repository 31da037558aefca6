"""Whether a node can mount an FSx for Lustre file system, and what mount.lustre says when it cannot."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from local.cloud.model import Account, CloudObject

FILE_SYSTEM = "fsx:FileSystem"
_LUSTRE_PORT = 988
"""LNET over TCP. Source: FSx for Lustre user guide, limit-access-security-groups."""


def mount_problem(account: Account, source: Mapping[str, Any], node_groups: Sequence[str], node_address: str) -> str:
    """What the CSI driver answers for a volume source of its own; "" when the mount works.

    Wording: mount.lustre's messages as reported in issues of kubernetes-sigs/aws-fsx-csi-driver.
    """
    handle = str(source.get("volumeHandle", "")).partition("::")[0]
    attributes = source.get("volumeAttributes") or {}
    server, mount_name = attributes.get("dnsname", ""), attributes.get("mountname", "")
    device = f"{server}@tcp:/{mount_name}"
    found = account.get(FILE_SYSTEM, handle)
    lustre = (found.body.get("LustreConfiguration") or {}) if found else {}
    if found is None or server != found.body.get("DNSName"):
        return f"Could not mount \"{device}\": exit status 1: mount.lustre: Can't parse NID '{device}': no such host"
    if mount_name != lustre.get("MountName"):
        return (
            f'Could not mount "{device}": exit status 2: mount.lustre: mount {device} failed: No such file or directory'
            " Is the MGS specification correct? Is the filesystem name correct?"
        )
    if not _reachable(account, found, node_groups, node_address):
        return (
            f'Could not mount "{device}": exit status 5: mount.lustre: mount {device} failed: Input/output error'
            " Is the MGS running?"
        )
    return ""


def _reachable(account: Account, file_system: CloudObject, node_groups: Sequence[str], node_address: str) -> bool:
    """Whether a rule of the file system's security groups admits the node on Lustre's port."""
    targets = _groups_of(account, file_system)
    return any(
        _covers_port(rule) and _covers_source(rule, target, node_groups, node_address)
        for target in targets
        for rule in _ingress(account, target)
    )


def _groups_of(account: Account, file_system: CloudObject) -> list[str]:
    interfaces = [account.get("ec2:NetworkInterface", eni) for eni in file_system.body.get("NetworkInterfaceIds") or ()]
    return [group["GroupId"] for item in interfaces if item for group in item.body.get("Groups") or ()]


def _ingress(account: Account, group: str) -> list[Mapping[str, Any]]:
    """All ingress rules of a group, each with ``groups`` and ``cidrs`` as lists."""
    found: list[Mapping[str, Any]] = []
    for item in account.find("ec2:SecurityGroupRule", GroupId=group):
        if not item.body.get("IsEgress"):
            referenced = (item.body.get("ReferencedGroupInfo") or {}).get("GroupId")
            found.append({**item.body, "groups": [referenced], "cidrs": [item.body.get("CidrIpv4")]})
    holder = account.get("ec2:SecurityGroup", group)
    for permission in (holder.body.get("IpPermissions") or ()) if holder else ():
        groups = [pair["GroupId"] for pair in permission.get("UserIdGroupPairs") or ()]
        cidrs = [entry["CidrIp"] for entry in permission.get("IpRanges") or ()]
        found.append({**permission, "groups": groups, "cidrs": cidrs})
    return found


def _covers_port(rule: Mapping[str, Any]) -> bool:
    if str(rule.get("IpProtocol")) == "-1":
        return True
    first, last = rule.get("FromPort"), rule.get("ToPort")
    if str(rule.get("IpProtocol")) not in {"tcp", "6"} or first is None or last is None:
        return False
    return int(first) <= _LUSTRE_PORT <= int(last)


def _covers_source(rule: Mapping[str, Any], target: str, node_groups: Sequence[str], node_address: str) -> bool:
    allowed = {target if group == "self" else group for group in rule["groups"]}
    if allowed & set(node_groups):
        return True
    address = ipaddress.ip_address(node_address)
    return any(address in ipaddress.ip_network(cidr) for cidr in rule["cidrs"] if cidr)
