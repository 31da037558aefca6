"""EKS: describe, list and delete. Deletions begin here and end in the supervisor, as they take their time at AWS."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from local.cloud.endpoint.listing import page
from local.cloud.endpoint.registry import CALLS, READ_KINDS, Asked, serves
from local.cloud.endpoint.shapes import project
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_PAGE: Final = 100


@dataclass(frozen=True, kw_only=True)
class Noun:
    """One kind of EKS, with the words that its three calls use."""

    kind: str
    name: str
    """As in DescribeNodegroup."""
    member: str
    """Output member of Describe, and of Delete where it returns anything."""
    parameter: str
    """Input member that names it."""
    listed: str
    """Output member of List, with names."""
    plural: str


NOUNS: Final = (
    Noun(kind="eks:Cluster", name="Cluster", member="cluster", parameter="name", listed="clusters", plural="Clusters"),
    Noun(
        kind="eks:Nodegroup",
        name="Nodegroup",
        member="nodegroup",
        parameter="nodegroupName",
        listed="nodegroups",
        plural="Nodegroups",
    ),
    Noun(kind="eks:Addon", name="Addon", member="addon", parameter="addonName", listed="addons", plural="Addons"),
    Noun(
        kind="eks:AccessEntry",
        name="AccessEntry",
        member="accessEntry",
        parameter="principalArn",
        listed="accessEntries",
        plural="AccessEntries",
    ),
)


def _cluster(asked: Asked) -> str:
    """The cluster that a call names.

    Raises:
        ApiError: there is none.
    """
    name = str(asked.parameters.get("clusterName") or asked.parameters.get("name"))
    if asked.store.get("eks:Cluster", name) is None:
        raise ApiError("ResourceNotFoundException", f"No cluster found for name: {name}.", status=404)
    return name


def _object(noun: Noun, asked: Asked) -> CloudObject:
    cluster, name = _cluster(asked), str(asked.parameters[noun.parameter])
    identifier = cluster if noun.kind == "eks:Cluster" else f"{cluster}:{name}"
    item = asked.store.get(noun.kind, identifier)
    if item is None:
        message = f"No {noun.name} found for {noun.parameter}: {name} in cluster: {cluster}."
        raise ApiError("ResourceNotFoundException", message, status=404)
    return item


def _shown(noun: Noun, asked: Asked, item: CloudObject) -> dict[str, Json]:
    members = asked.operation.output_shape.members
    if noun.member not in members:
        return {}
    body = dict(item.body)
    if noun.kind == "eks:Addon":  # asked for by role and service account, shown by ARN
        owned = asked.store.find("eks:PodIdentityAssociation", ownerArn=body["addonArn"])
        body["podIdentityAssociations"] = [one.body["associationArn"] for one in owned]
    return {noun.member: project(body, members[noun.member])}


def _describe(noun: Noun, asked: Asked) -> Mapping[str, Json]:
    return _shown(noun, asked, _object(noun, asked))


def _list(noun: Noun, asked: Asked) -> Mapping[str, Json]:
    if noun.kind == "eks:Cluster":
        names = [item.id for item in asked.store.find(noun.kind)]
    else:
        found = asked.store.find(noun.kind, clusterName=_cluster(asked))
        names = [str(item.body[noun.parameter]) for item in found]
    token, size = asked.parameters.get("nextToken"), asked.parameters.get("maxResults")
    shown, following = page(sorted(names), token, size, default=_PAGE, invalid="InvalidParameterException")
    return {noun.listed: shown, **({"nextToken": following} if following else {})}


def _delete(noun: Noun, asked: Asked) -> Mapping[str, Json]:
    item = _object(noun, asked)
    asked.delete(noun.kind, item.id)
    return _shown(noun, asked, asked.store.get(noun.kind, item.id) or item)


for _noun in NOUNS:
    CALLS["eks", f"Describe{_noun.name}"] = partial(_describe, _noun)
    CALLS["eks", f"List{_noun.plural}"] = partial(_list, _noun)
    CALLS["eks", f"Delete{_noun.name}"] = partial(_delete, _noun)
    READ_KINDS["eks", f"Describe{_noun.name}"] = READ_KINDS["eks", f"List{_noun.plural}"] = _noun.kind


_IDENTITY: Final = "eks:PodIdentityAssociation"
_POLICY: Final = "eks:AccessPolicyAssociation"
READ_KINDS["eks", "ListPodIdentityAssociations"] = READ_KINDS["eks", "DescribePodIdentityAssociation"] = _IDENTITY
READ_KINDS["eks", "ListAssociatedAccessPolicies"] = _POLICY


def _paged(asked: Asked, member: str, found: list[dict[str, Json]]) -> dict[str, Json]:
    token, size = asked.parameters.get("nextToken"), asked.parameters.get("maxResults")
    shown, following = page(found, token, size, default=_PAGE, invalid="InvalidParameterException")
    return {member: shown, **({"nextToken": following} if following else {})}


@serves("eks", "ListPodIdentityAssociations")
def list_pod_identity_associations(asked: Asked) -> Mapping[str, Json]:
    """Those of a cluster; without their tags."""
    found = asked.store.find(_IDENTITY, clusterName=_cluster(asked))
    return _paged(asked, "associations", [asked.shaped("associations", item) for item in found])


def _identity(asked: Asked) -> CloudObject:
    cluster, name = _cluster(asked), asked.parameters["associationId"]
    item = asked.store.get(_IDENTITY, name)
    if item is None or item.body["clusterName"] != cluster:
        message = f"No association found for id: {name} in cluster: {cluster}."
        raise ApiError("ResourceNotFoundException", message, status=404)
    return item


@serves("eks", "DescribePodIdentityAssociation", "DeletePodIdentityAssociation")
def pod_identity_association(asked: Asked) -> Mapping[str, Json]:
    """One association, as it is or as it was."""
    item = _identity(asked)
    if asked.operation.name.startswith("Delete"):
        asked.delete(_IDENTITY, item.id)
    return {"association": project(item.body, asked.operation.output_shape.members["association"])}


@serves("eks", "ListAssociatedAccessPolicies")
def list_associated_access_policies(asked: Asked) -> Mapping[str, Json]:
    """What a principal may do in a cluster."""
    cluster, principal = _cluster(asked), asked.parameters["principalArn"]
    found = asked.store.find(_POLICY, clusterName=cluster, principalArn=principal)
    shown = [asked.shaped("associatedAccessPolicies", item) for item in found]
    return {"clusterName": cluster, "principalArn": principal, **_paged(asked, "associatedAccessPolicies", shown)}


@serves("eks", "DisassociateAccessPolicy")
def disassociate_access_policy(asked: Asked) -> Mapping[str, Json]:
    """Takes a policy from a principal."""
    cluster, principal, policy = _cluster(asked), asked.parameters["principalArn"], asked.parameters["policyArn"]
    found = asked.store.find(_POLICY, clusterName=cluster, principalArn=principal, policyArn=policy)
    if not found:
        message = f"The policy {policy} is not associated with {principal}."
        raise ApiError("ResourceNotFoundException", message, status=404)
    asked.delete(_POLICY, found[0].id)
    return {}
