"""Whether a node can mount an FSx for Lustre file system, and what mount.lustre says when it cannot."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.cloud.aws.reachability import admits
from local.cloud.model import Account, CloudObject

FILE_SYSTEM = "fsx:FileSystem"
_LUSTRE_PORT = 988
"""LNET over TCP. Source: FSx for Lustre user guide, limit-access-security-groups."""


def mount_problem(account: Account, source: Mapping[str, Any], node_groups: Sequence[str]) -> str:
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
    if not admits(account, node_groups, _server_groups(account, found), _LUSTRE_PORT):
        return (
            f'Could not mount "{device}": exit status 5: mount.lustre: mount {device} failed: Input/output error'
            " Is the MGS running?"
        )
    return ""


def _server_groups(account: Account, file_system: CloudObject) -> list[str]:
    interfaces = [account.get("ec2:NetworkInterface", eni) for eni in file_system.body.get("NetworkInterfaceIds") or ()]
    return [group["GroupId"] for item in interfaces if item for group in item.body.get("Groups") or ()]
