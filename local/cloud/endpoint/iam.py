"""IAM: roles and what is attached to them."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from local.cloud.aws.iam import managed_arn
from local.cloud.endpoint.listing import page
from local.cloud.endpoint.registry import Asked, serves
from local.cloud.endpoint.shapes import project
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_PAGE: Final = 100
_GONE: Final = "NoSuchEntity"
_MANAGED: Final = managed_arn("")


def _paged(asked: Asked, member: str, items: list[Json]) -> dict[str, Json]:
    token, size = asked.parameters.get("Marker"), asked.parameters.get("MaxItems")
    shown, following = page(items, token, size, default=_PAGE, invalid="InvalidInput")
    return {member: shown, "IsTruncated": bool(following), **({"Marker": following} if following else {})}


def _role(asked: Asked) -> CloudObject:
    name = asked.parameters["RoleName"]
    item = asked.store.get("iam:Role", name)
    if item is None:
        raise ApiError(_GONE, f"The role with name {name} cannot be found.", status=404)
    return item


def _shown(body: Mapping[str, Json], shape: Json) -> dict[str, Json]:
    """Documents come percent-encoded (RFC 3986), as in the API Reference of GetRole."""
    made = project(body, shape)
    return {**made, "AssumeRolePolicyDocument": quote(str(made["AssumeRolePolicyDocument"]), safe="")}


@serves("iam", "GetRole")
def get_role(asked: Asked) -> Mapping[str, Json]:
    """One role, with its tags."""
    return {"Role": _shown(_role(asked).body, asked.operation.output_shape.members["Role"])}


@serves("iam", "ListRoles")
def list_roles(asked: Asked) -> Mapping[str, Json]:
    """Roles by path prefix; without tags, as at AWS."""
    prefix = asked.parameters.get("PathPrefix") or "/"
    shown = [_shown(item.body, asked.items("Roles")) for item in asked.store.find("iam:Role")]
    bare = [{name: value for name, value in one.items() if name != "Tags"} for one in shown]
    found: list[Json] = [one for one in bare if str(one["Path"]).startswith(prefix)]
    return _paged(asked, "Roles", found)


@serves("iam", "ListRolePolicies")
def list_role_policies(asked: Asked) -> Mapping[str, Json]:
    """Names of the inline policies."""
    role = _role(asked).id
    found = [item.body["PolicyName"] for item in asked.store.find("iam:RolePolicy", RoleName=role)]
    return _paged(asked, "PolicyNames", found)


@serves("iam", "ListAttachedRolePolicies")
def list_attached_role_policies(asked: Asked) -> Mapping[str, Json]:
    """Managed policies of a role."""
    role = _role(asked).id
    arns = [str(item.body["PolicyArn"]) for item in asked.store.find("iam:AttachedPolicy", RoleName=role)]
    return _paged(asked, "AttachedPolicies", [{"PolicyArn": arn, "PolicyName": arn.rpartition("/")[2]} for arn in arns])


@serves("iam", "ListPolicies")
def list_policies(asked: Asked) -> Mapping[str, Json]:
    """The account's own, AWS's, or both; without tags, as at AWS."""
    scope = asked.parameters.get("Scope") or "All"
    for name in ("OnlyAttached", "PathPrefix", "PolicyUsageFilter"):
        if asked.parameters.get(name):
            raise ApiError("InvalidInput", f"{name} is not simulated")
    items = [
        item
        for item in asked.store.find("iam:Policy")
        if scope == "All" or (scope == "AWS") is item.id.startswith(_MANAGED)
    ]
    shown = [asked.shaped("Policies", item) for item in items]
    found: list[Json] = [{key: value for key, value in one.items() if key != "Tags"} for one in shown]
    return _paged(asked, "Policies", found)


@serves("iam", "GetPolicy")
def get_policy(asked: Asked) -> Mapping[str, Json]:
    """One managed policy, with its tags."""
    arn = asked.parameters["PolicyArn"]
    item = asked.store.get("iam:Policy", arn)
    if item is None:
        raise ApiError(_GONE, f"Policy {arn} was not found.", status=404)
    return {"Policy": project(item.body, asked.operation.output_shape.members["Policy"])}


@serves("iam", "DetachRolePolicy")
def detach_role_policy(asked: Asked) -> Mapping[str, Json]:
    """Takes a managed policy off a role."""
    role, arn = _role(asked).id, asked.parameters["PolicyArn"]
    found = asked.store.find("iam:AttachedPolicy", RoleName=role, PolicyArn=arn)
    if not found:
        raise ApiError(_GONE, f"Policy {arn} was not found.", status=404)
    asked.delete("iam:AttachedPolicy", found[0].id)
    return {}


@serves("iam", "DeleteRolePolicy")
def delete_role_policy(asked: Asked) -> Mapping[str, Json]:
    """Removes an inline policy."""
    role, name = _role(asked).id, asked.parameters["PolicyName"]
    found = asked.store.find("iam:RolePolicy", RoleName=role, PolicyName=name)
    if not found:
        raise ApiError(_GONE, f"The role policy with name {name} cannot be found.", status=404)
    asked.delete("iam:RolePolicy", found[0].id)
    return {}


@serves("iam", "DeleteRole")
def delete_role(asked: Asked) -> Mapping[str, Json]:
    """Deletes a role that has no policies left."""
    asked.delete("iam:Role", _role(asked).id)
    return {}


@serves("iam", "DeletePolicy")
def delete_policy(asked: Asked) -> Mapping[str, Json]:
    """Deletes a managed policy of the account's own."""
    arn = asked.parameters["PolicyArn"]
    if asked.store.get("iam:Policy", arn) is None:
        raise ApiError(_GONE, f"Policy {arn} was not found.", status=404)
    asked.delete("iam:Policy", arn)
    return {}
