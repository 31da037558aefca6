"""Tags: what finds a resource again, in the bill and after a crash.

Stack-wide tags are the provider's default tags (one place, nothing forgotten); a resource adds only what is its own.
"""

from collections.abc import Mapping

STACK = "slipway:stack"
ENVIRONMENT = "slipway:environment"
RESOURCE = "slipway:resource"
OWNER = "owner"
COST_CENTER = "cost-center"
TTL = "slipway:ttl"
CAPACITY_BLOCK = "slipway:capacity-block"
CONFIRMED = "confirmed"
"""Value of ``CAPACITY_BLOCK``: somebody confirmed that a pool uses a block that is paid for."""

MAX_KEY = 128
MAX_VALUE = 256
MAX_TAGS = 50


def resource_tags(logical_name: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Tags of one resource: its logical name twice, for consoles (``Name``) and for ``slipway recover``."""
    return {"Name": logical_name, RESOURCE: logical_name, **(extra or {})}


def stack_tags(
    *,
    project: str,
    stack: str,
    environment: str,
    owner: str,
    cost_center: str,
    ttl: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Default tags of every resource of a stack.

    Raises:
        ValueError: a tag breaks a limit of AWS (key 128, value 256 characters, 50 tags with the two that each
            resource adds) or ``extra`` names a key that this kit or AWS owns.
    """
    own = {STACK: f"{project}/{stack}", ENVIRONMENT: environment, OWNER: owner, COST_CENTER: cost_center}
    if ttl:
        own[TTL] = ttl
    problems = [
        f"tag {key!r} is reserved: aws:* belongs to AWS; slipway:*, Name, {OWNER} and {COST_CENTER} to this kit"
        for key in extra or {}
        if key.startswith(("aws:", "slipway:")) or key in own or key == "Name"
    ]
    tags = {**own, **(extra or {})}
    problems += [
        f"tag key {key!r} has {len(key)} characters, allowed are 1 to {MAX_KEY}"
        for key in tags
        if not 1 <= len(key) <= MAX_KEY
    ]
    problems += [
        f"value of tag {key!r} has {len(value)} characters, allowed are at most {MAX_VALUE}"
        for key, value in tags.items()
        if len(value) > MAX_VALUE
    ]
    if len(tags) + len(resource_tags("")) > MAX_TAGS:
        problems.append(f"{len(tags)} stack tags and 2 per resource are more than the {MAX_TAGS} that AWS allows")
    if problems:
        raise ValueError("; ".join(problems))
    return tags
