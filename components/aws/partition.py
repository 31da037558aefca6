"""AWS partitions: the first parts of ARNs and service names that depend on the region."""

import re

REGION = re.compile(r"^[a-z]{2}(-[a-z]+)+-\d$")
ACCOUNT = re.compile(r"^\d{12}$")


def partition(region: str) -> str:
    """``aws``, ``aws-cn`` or ``aws-us-gov``, the partition that ``region`` belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def managed_policy(name: str, region: str) -> str:
    """ARN of an AWS managed policy in ``region``'s partition."""
    return f"arn:{partition(region)}:iam::aws:policy/{name}"


def place_problems(account_id: str, region: str, zones: tuple[str, ...] = ()) -> list[str]:
    """What is wrong with an account id, a region, or zones that are not in the region; empty when nothing is."""
    problems = []
    if not ACCOUNT.match(account_id):
        problems.append(f"account_id {account_id!r} is not an AWS account: write its 12 digits as text")
    if not REGION.match(region):
        problems.append(f"region {region!r} is not an AWS region name: write for example us-east-1")
    problems += [
        f"zone {zone!r} is not a zone of {region}: write for example {region}a"
        for zone in zones
        if not re.match(rf"^{re.escape(region)}[a-z]$", zone) and not zone.startswith(f"{region}-")
    ]
    return problems
