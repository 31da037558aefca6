"""EKS: add-ons, access entries, access policies, pod identities."""

from local.cloud.aws.binding import bind, calls, service_made
from local.cloud.aws.common import arn, digest, get, iso_time
from local.cloud.aws.eks_cluster import CLUSTER_REFERENCE, entry_arn
from local.cloud.aws.eks_facts import NEWEST, default_addon_version
from local.cloud.aws.iam import role_name
from local.cloud.model import Account, CloudObject, Context, Lifecycle, Reference
from local.cloud.values import Json

ASSOCIATION_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def _compute_addon(body: dict[str, Json], context: Context) -> None:
    account = context.account
    cluster = account.get("eks:Cluster", str(body["clusterName"]))
    seed = account.new_id("", length=32)
    unique = "-".join((seed[:8], seed[8:12], seed[12:16], seed[16:20], seed[20:]))
    body["addonArn"] = arn("eks", f"addon/{body['clusterName']}/{body['addonName']}/{unique}", account)
    body["createdAt"] = body["modifiedAt"] = iso_time(account)
    body["publisher"] = body["owner"] = "eks"
    body["health"] = {"issues": []}
    if not body.get("addonVersion"):
        version = cluster.body["version"] if cluster else NEWEST
        body["addonVersion"] = default_addon_version(str(body["addonName"]), version)


def _identify_addon(item: CloudObject, context: Context) -> None:
    """EKS makes a pod identity association for each one that the add-on was given."""
    account, body = context.account, item.body
    _forget_identities(item, context)
    for given in body.get("podIdentityAssociations") or []:
        made = {
            "clusterName": body["clusterName"],
            "namespace": get(body, "namespaceConfig.namespace", "kube-system"),
            "serviceAccount": given["serviceAccount"],
            "roleArn": given["roleArn"],
            "ownerArn": body["addonArn"],
            "tags": {},
        }
        _compute_identity(made, context)
        account.put(service_made("eks:PodIdentityAssociation", made["associationId"], made, context))


def _forget_identities(item: CloudObject, context: Context) -> None:
    for made in context.account.find("eks:PodIdentityAssociation", ownerArn=item.body["addonArn"]):
        context.account.remove(made.kind, made.id)


def _change_addon(_before: CloudObject, after: CloudObject, context: Context) -> None:
    after.body["modifiedAt"] = iso_time(context.account)
    if not after.body.get("addonVersion"):
        after.body["addonVersion"] = _before.body["addonVersion"]
    _identify_addon(after, context)


ADDON = bind(
    "aws:eks/addon:Addon",
    "eks:Addon",
    calls("CreateAddon", "DeleteAddon", "UpdateAddon"),
    identity="{clusterName}:{addonName}",
    camel_case_body=True,
    create_only=("clusterName", "addonName", "namespaceConfig"),
    client_only=("resolveConflictsOnCreate", "resolveConflictsOnUpdate", "preserve"),
    fields={"arn": "addonArn"},
    tags="tags",
    tags_as_map=True,
    compute=_compute_addon,
    after_create=_identify_addon,
    after_update=_change_addon,
    before_delete=_forget_identities,
    lifecycle=Lifecycle(
        path="status",
        creating="CREATING",
        ready="ACTIVE",
        failed="CREATE_FAILED",
        deleting="DELETING",
        updating="UPDATING",
        effect=True,
        failure_path="health.issues",
    ),
    references=(CLUSTER_REFERENCE,),
    to_state=lambda item, _account: {
        "configurationValues": item.body.get("configurationValues", ""),
        "serviceAccountRoleArn": item.body.get("serviceAccountRoleArn", ""),
    },
)


def _compute_entry(body: dict[str, Json], context: Context) -> None:
    account = context.account
    principal = str(body["principalArn"])
    body["accessEntryArn"] = entry_arn(account, str(body["clusterName"]), principal)
    body["createdAt"] = body["modifiedAt"] = iso_time(account)
    body.setdefault("username", _username(principal, account))
    body.setdefault("kubernetesGroups", [])


def _username(principal: str, account: Account) -> str:
    if ":role/" in principal:
        return f"arn:aws:sts::{account.account_id}:assumed-role/{role_name(principal)}/{{{{SessionName}}}}"
    return principal


def _keep_entry(before: CloudObject, after: CloudObject, context: Context) -> None:
    after.body["modifiedAt"] = iso_time(context.account)
    after.body.setdefault("username", before.body["username"])
    after.body.setdefault("kubernetesGroups", [])


def _forget_policies(item: CloudObject, context: Context) -> None:
    account, body = context.account, item.body
    for association in account.find(
        "eks:AccessPolicyAssociation", clusterName=body["clusterName"], principalArn=body["principalArn"]
    ):
        account.remove(association.kind, association.id)


ACCESS_ENTRY = bind(
    "aws:eks/accessEntry:AccessEntry",
    "eks:AccessEntry",
    calls("CreateAccessEntry", "DeleteAccessEntry", "UpdateAccessEntry"),
    identity="{clusterName}:{principalArn}",
    camel_case_body=True,
    create_only=("clusterName", "principalArn", "type"),
    fields={"userName": "username"},
    tags="tags",
    tags_as_map=True,
    defaults={"type": "STANDARD"},
    compute=_compute_entry,
    after_update=_keep_entry,
    before_delete=_forget_policies,
    references=(CLUSTER_REFERENCE,),
)


def _compute_access(body: dict[str, Json], context: Context) -> None:
    body["associatedAt"] = body["modifiedAt"] = iso_time(context.account)


ACCESS_POLICY = bind(
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    "eks:AccessPolicyAssociation",
    calls("AssociateAccessPolicy", "DisassociateAccessPolicy"),
    identity="{clusterName}#{principalArn}#{policyArn}",
    camel_case_body=True,
    create_only=("clusterName", "principalArn", "policyArn", "accessScope"),
    tags=None,
    compute=_compute_access,
    references=(CLUSTER_REFERENCE,),
)


def _compute_identity(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["associationId"] = account.new_id("a-", length=17, alphabet=ASSOCIATION_ALPHABET)
    name = f"podidentityassociation/{body['clusterName']}/{body['associationId']}"
    body["associationArn"] = arn("eks", name, account)
    body["createdAt"] = body["modifiedAt"] = iso_time(account)
    if body.get("targetRoleArn"):
        body["externalId"] = f"{account.region}/{account.account_id}/{digest(str(body['associationArn']), length=32)}"


POD_IDENTITY = bind(
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "eks:PodIdentityAssociation",
    calls("CreatePodIdentityAssociation", "DeletePodIdentityAssociation", "UpdatePodIdentityAssociation"),
    identity="{associationId}",
    camel_case_body=True,
    create_only=("clusterName", "namespace", "serviceAccount"),
    tags="tags",
    tags_as_map=True,
    defaults={"disableSessionTags": False},
    compute=_compute_identity,
    references=(
        CLUSTER_REFERENCE,
        Reference(
            body_path="roleArn",
            kind="iam:Role",
            by="Arn",
            missing_code="InvalidParameterException",
            missing_message="Role provided in the request does not exist: {value}",
            holds=False,
        ),
    ),
    to_state=lambda item, _account: {"externalId": item.body.get("externalId", "")},
)
BINDINGS = (ADDON, ACCESS_ENTRY, ACCESS_POLICY, POD_IDENTITY)
