"""Physical names: what a service calls a resource, within that service's limits.

Most resources leave their physical name to Pulumi. This module serves the few that must be known before the resource
exists (a log group that a service would otherwise create) or that people type (a cluster's name).
"""

import hashlib
import re
from dataclasses import dataclass
from enum import Enum

HASH_LENGTH = 7


@dataclass(frozen=True)
class Limit:
    """What a service accepts as a name."""

    length: int
    allowed: str
    """Body of a regular-expression character class."""
    source: str


class Service(Enum):
    """Services whose names this kit chooses, with the limit of each."""

    EKS_CLUSTER = Limit(100, "a-z0-9_-", "eks CreateCluster: ^[0-9A-Za-z][A-Za-z0-9\\-_]*, 1 to 100 characters")
    S3_BUCKET = Limit(63, "a-z0-9-", "S3 bucket naming rules: 3 to 63 lower-case letters, digits and hyphens")
    IAM_ROLE = Limit(64, "a-z0-9_+=,.@-", "iam CreateRole: RoleName 1 to 64 characters of [\\w+=,.@-]")
    LOG_GROUP = Limit(512, "a-z0-9_/.#-", "logs CreateLogGroup: logGroupName 1 to 512 characters of [.\\-_/#A-Za-z0-9]")
    KMS_ALIAS = Limit(250, "a-z0-9_/-", "kms CreateAlias: AliasName 1 to 256 characters, alias/ included")
    KUBERNETES_LABEL = Limit(63, "a-z0-9_.-", "Kubernetes label value: at most 63 characters, ends alphanumeric")
    KUBERNETES_NAME = Limit(63, "a-z0-9-", "RFC 1123 label: at most 63 lower-case letters, digits and hyphens")


def physical_name(service: Service, *parts: str, random_suffix: int = 0) -> str:
    """Join ``parts`` with hyphens into a name that ``service`` accepts.

    The result is lower case. What the service does not allow becomes a hyphen. A name over the limit is cut and gets
    a hash of the whole, so that two long names that differ only at their ends stay different.

    Args:
        service: Whose limit applies.
        parts: For example project, stack and logical name; empty parts are left out.
        random_suffix: Characters to leave free for a suffix that the provider adds.

    Raises:
        ValueError: nothing of ``parts`` is allowed in a name.
    """
    limit = service.value
    raw = "-".join(part for part in parts if part).lower()
    leading = "" if service is Service.LOG_GROUP else "-_./"
    name = re.sub(rf"[^{limit.allowed}]+", "-", raw).strip("-_.").lstrip(leading)
    if not name:
        raise ValueError(
            f"no name for {service.name} can be made of {parts!r}: allowed are characters of [{limit.allowed}] "
            f"({limit.source}). Give at least one letter or digit."
        )
    room = limit.length - random_suffix
    # A changed character must not make two different inputs equal: the hash is over what was asked for.
    if len(name) <= room:
        return name
    digest = hashlib.sha256(raw.encode()).hexdigest()[:HASH_LENGTH]
    return f"{name[: room - HASH_LENGTH - 1].rstrip('-_.')}-{digest}"
