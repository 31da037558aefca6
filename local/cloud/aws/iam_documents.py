"""Policy documents as IAM reads them: what it calls malformed, and whom a trust policy lets in.

Messages are IAM's own (IAM user guide, Troubleshoot IAM policies; errors of CreateRole and CreatePolicy).
"""

import json
import re
from collections.abc import Iterator
from enum import StrEnum

from local.cloud.aws.common import as_list, document
from local.cloud.values import Json, UndecidedError, is_unknown

VERSIONS = ("2012-10-17", "2008-10-17")
_ACTION = re.compile(r"\*|[a-zA-Z0-9-]+:[\w*?-]+")
_RESOURCE = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+", re.DOTALL)
_STS_ACTIONS = re.compile(r"sts:(AssumeRole\w*|TagSession|SetSourceIdentity|SetContext|\*)")
_SERVICE = re.compile(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)|\*")


class Kind(StrEnum):
    """Where a document is attached; each place requires and forbids other elements."""

    TRUST = "trust"
    IDENTITY = "identity"
    RESOURCE = "resource"


def text_of(value: Json) -> Json:
    """A document as text, the form in which it is kept; the provider also takes an object."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def parse(value: Json) -> dict[str, Json] | None:
    """The document as an object, or None when it is not a JSON object.

    Raises:
        UndecidedError: a preview does not know it yet.
    """
    if is_unknown(value):
        raise UndecidedError
    try:
        found = document(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def problem(value: Json, kind: Kind) -> str | None:
    """The first thing that IAM would say is wrong with a document; None when it is well formed."""
    found = parse(value)
    if found is None:
        return "This policy contains invalid Json"
    if found.get("Version", VERSIONS[1]) not in VERSIONS:
        return "The policy must contain a valid version string"
    statements = as_list(found.get("Statement"))
    if not statements or set(found) - {"Version", "Id", "Statement"}:
        return "Syntax errors in policy."
    return next((text for text in (_statement(item, kind) for item in statements) if text), None)


def _statement(item: Json, kind: Kind) -> str | None:
    if not isinstance(item, dict) or item.get("Effect") not in ("Allow", "Deny"):
        return "Syntax errors in policy."
    if not (item.get("Action") or item.get("NotAction")):
        return "Policy statement must contain actions."
    for action in as_list(item.get("Action")) + as_list(item.get("NotAction")):
        if not _ACTION.fullmatch(str(action)):
            return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
    return {Kind.TRUST: _trust, Kind.IDENTITY: _identity, Kind.RESOURCE: _resource}[kind](item)


def _trust(item: dict[str, Json]) -> str | None:
    if "Resource" in item or "NotResource" in item:
        return "Has prohibited field Resource"
    if not (item.get("Principal") or item.get("NotPrincipal")):
        return "Missing required field Principal"
    for action in as_list(item.get("Action")):
        if not _STS_ACTIONS.fullmatch(str(action)):
            return "AssumeRole policy may only specify STS AssumeRole actions."
    return _principals(item)


def _identity(item: dict[str, Json]) -> str | None:
    if "Principal" in item or "NotPrincipal" in item:
        return "Policy document should not specify a principal."
    if not (item.get("Resource") or item.get("NotResource")):
        return "Policy statement must contain resources."
    for resource in as_list(item.get("Resource")) + as_list(item.get("NotResource")):
        if not _RESOURCE.fullmatch(str(resource)):
            return f'Resource {resource} must be in ARN format or "*".'
    return None


def _resource(item: dict[str, Json]) -> str | None:
    if not (item.get("Principal") or item.get("NotPrincipal")):
        return "Missing required field Principal"
    return _principals(item)


def _principals(item: dict[str, Json]) -> str | None:
    principal = item.get("Principal")
    if isinstance(principal, dict):
        for service in as_list(principal.get("Service")):
            if not _SERVICE.fullmatch(str(service)):
                return f'Invalid principal in policy: "SERVICE":"{service}"'
    elif principal not in (None, "*"):
        return "Invalid principal in policy."
    return None


def _allowances(value: Json) -> Iterator[dict[str, Json]]:
    for item in as_list((parse(value) or {}).get("Statement")):
        if isinstance(item, dict) and item.get("Effect") == "Allow":
            yield item


def trusts(value: Json, service: str, action: str = "sts:AssumeRole") -> bool:
    """Whether a trust policy lets a service principal perform ``action``; conditions are not evaluated."""
    for item in _allowances(value):
        principal = item.get("Principal")
        services = as_list(principal.get("Service")) if isinstance(principal, dict) else []
        actions = [str(name) for name in as_list(item.get("Action"))]
        if (service in services or principal == "*") and (action in actions or "sts:*" in actions):
            return True
    return False


def principals(value: Json) -> list[str]:
    """AWS principals (ARNs and account ids) that a document names."""
    found = []
    for item in as_list((parse(value) or {}).get("Statement")):
        principal = item.get("Principal") if isinstance(item, dict) else None
        found += as_list(principal.get("AWS")) if isinstance(principal, dict) else []
    return [str(name) for name in found]


def allows(value: Json, action: str) -> bool:
    """Whether some statement allows ``action``, wildcards included; resources and conditions are not evaluated."""
    for item in _allowances(value):
        for pattern in as_list(item.get("Action")):
            expression = re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", ".")
            if re.fullmatch(expression, action, re.IGNORECASE):
                return True
    return False
