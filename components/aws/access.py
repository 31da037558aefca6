"""Who reaches a cluster's API server, and who may do what there: rules of EKS as pure functions."""

import ipaddress
import re
from collections.abc import Sequence

from components.naming import Service, physical_name

PRINCIPAL = re.compile(r"^arn:aws(-[a-z]+)*:iam::\d{12}:(role|user)/[\w+=,.@/-]+$")
MAX_PUBLIC_CIDRS = 40
"""EKS quota: public endpoint access CIDR ranges per cluster."""
REFUSED_RANGES = tuple(ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""EKS refuses private ranges in publicAccessCidrs: nobody comes from there over the internet."""


def admin_key(principal_arn: str, account_id: str) -> str:
    """Stable logical name of an admin: its IAM path, with the account in front when that is a foreign one."""
    parts = principal_arn.split(":", 5)
    account = "" if parts[4] == account_id else parts[4]
    return physical_name(Service.KUBERNETES_NAME, account, parts[5])


def admin_problems(admins: Sequence[str]) -> list[str]:
    """What EKS would refuse about the principals of access entries."""
    problems = []
    for principal in admins:
        if ":assumed-role/" in principal:
            problems.append(
                f"admin {principal!r} is a session: write the role's own ARN, arn:aws:iam::<account>:role/<name>"
            )
        elif not PRINCIPAL.match(principal):
            problems.append(
                f"admin {principal!r} is not the ARN of an IAM role or user (arn:aws:iam::<account>:role/<name>)"
            )
    problems += [
        f"admin {principal!r} is listed twice" for principal in sorted({a for a in admins if admins.count(a) > 1})
    ]
    return problems


def endpoint_access_problems(*, public: bool, private: bool, cidrs: Sequence[str]) -> list[str]:
    """What EKS would refuse, or nobody would want, about the API server's endpoints."""
    if not public and not private:
        return ["the API server has no endpoint: switch the private or the public one on"]
    if not public:
        return ["public access CIDRs are given, but the public endpoint is off: leave them out"] if cidrs else []
    problems = []
    if not cidrs:
        problems.append(
            "the public endpoint is on without CIDRs, which AWS reads as 0.0.0.0/0 (everybody): list the addresses "
            "that may connect, for example 203.0.113.10/32"
        )
    if len(cidrs) > MAX_PUBLIC_CIDRS:
        problems.append(f"{len(cidrs)} public access CIDRs are more than the {MAX_PUBLIC_CIDRS} that EKS allows")
    return problems + [problem for cidr in cidrs for problem in _cidr_problems(cidr)]


def _cidr_problems(cidr: str) -> list[str]:
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        return [f"public access CIDR {cidr!r} is not an IPv4 block ({error})"]
    if any(network.subnet_of(block) for block in REFUSED_RANGES):
        return [f"public access CIDR {cidr} is a private range, which EKS refuses: use the public address of your site"]
    return []
