"""EKS, FSx, IAM, KMS, CloudWatch Logs and S3: what carries a tag, and what hangs on it and cannot carry one."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cli.inventory.kinds import HOLDS_DATA, TYPES, arn_type
from cli.inventory.owned import NAME_TAG, STACK_TAG, Clients, Owned, pages, tags_of

_FAILED: Final = frozenset({"FAILED", "CREATE_FAILED", "MISCONFIGURED"})
_GONE: Final = frozenset({"PendingDeletion", "PendingReplicaDeletion"})
_SCHEDULE: Final = "autoscaling:ScheduledUpdateGroupAction"
_SCHEDULES: Final = "ScheduledUpdateGroupActions"
_FSX: Final = (
    ("fsx:FileSystem", "describe_file_systems", "FileSystems", "FileSystemId"),
    ("fsx:DataRepositoryAssociation", "describe_data_repository_associations", "Associations", "AssociationId"),
)
"""Kind, call, its collection, the id's member."""
_BALANCERS: Final = "describe_load_balancers"
_IN_NETWORK: Final = (
    ("fsx", "describe_file_systems", "FileSystems", "fsx:FileSystem", "VpcId", "FileSystemId"),
    ("elb", _BALANCERS, "LoadBalancerDescriptions", "elb:LoadBalancer", "VPCId", "LoadBalancerName"),
    ("elbv2", _BALANCERS, "LoadBalancers", "elbv2:LoadBalancer", "VpcId", "LoadBalancerArn"),
    ("elbv2", "describe_target_groups", "TargetGroups", "elbv2:TargetGroup", "VpcId", "TargetGroupArn"),
)
"""Service, call, its collection, kind, the network's member, the id's member."""
_NOT_THERE: Final = frozenset(
    {"404", "NoSuchBucket", "NoSuchEntity", "NotFound", "NotFoundException", "ResourceNotFoundException"}
)


def made(kind: str, identifier: str, name: str, *, status: str = "", handle: tuple[str, ...] = ()) -> Owned:
    """An object of a kind that programs make."""
    return Owned(
        kind=kind,
        types=TYPES.get(kind, ()),
        id=identifier,
        name=name,
        holds_data=kind in HOLDS_DATA,
        handle=handle,
        failed=status in _FAILED,
        status=status,
    )


def schedules(eks_client: Any, client: Any, groups: Sequence[Owned]) -> list[Owned]:
    """Scheduled actions of the Auto Scaling groups behind a stack's node groups; they have no tags."""
    found: list[Owned] = []
    for group in groups:
        asked = dict(zip(("clusterName", "nodegroupName"), group.names, strict=True))
        answer = _there(eks_client.describe_nodegroup, **asked) or {"nodegroup": {}}
        behind = (answer["nodegroup"].get("resources") or {}).get("autoScalingGroups") or []
        for name in (str(one["name"]) for one in behind):
            there = pages(client, "describe_scheduled_actions", _SCHEDULES, AutoScalingGroupName=name)
            handles = [(name, str(one["ScheduledActionName"])) for one in there]
            found += [made(_SCHEDULE, "/".join(one), f"of {group.name}", handle=one) for one in handles]
    return found


def eks(client: Any, stack: str) -> list[Owned]:
    """Clusters and what is in them. Every cluster is asked: a workload stack's objects live in a platform's."""
    from botocore.exceptions import ClientError

    found: list[Owned] = []
    for cluster in pages(client, "list_clusters", "clusters"):
        try:
            found += _in_cluster(client, cluster, stack)
        except ClientError as error:
            # Its deletion ended while it was looked at.
            if error.response["Error"]["Code"] not in _NOT_THERE or _there(client.describe_cluster, name=cluster):
                raise
    return found


def _in_cluster(client: Any, cluster: str, stack: str) -> list[Owned]:
    shown = client.describe_cluster(name=cluster)["cluster"]
    found = [made("eks:Cluster", cluster, _name(shown), status=shown["status"])] if _mine(shown, stack) else []
    found += _named(client, cluster, stack, "nodegroup", "eks:Nodegroup")
    found += _named(client, cluster, stack, "addon", "eks:Addon")
    found += _access(client, cluster, stack)
    for one in pages(client, "list_pod_identity_associations", "associations", clusterName=cluster):
        asked = {"clusterName": cluster, "associationId": one["associationId"]}
        answer = _there(client.describe_pod_identity_association, **asked)
        if answer and _mine(answer["association"], stack):
            kind, name = "eks:PodIdentityAssociation", one["associationId"]
            found.append(made(kind, name, _name(answer["association"]), handle=(cluster, name)))
    return found


def _named(client: Any, cluster: str, stack: str, noun: str, kind: str) -> list[Owned]:
    found = []
    for name in pages(client, f"list_{noun}s", f"{noun}s", clusterName=cluster):
        answer = _there(getattr(client, f"describe_{noun}"), clusterName=cluster, **{f"{noun}Name": name})
        if answer and _mine(shown := answer[noun], stack):
            handle = (cluster, name)
            found.append(made(kind, f"{cluster}:{name}", _name(shown), status=shown["status"], handle=handle))
    return found


def _access(client: Any, cluster: str, stack: str) -> list[Owned]:
    """Entries with the tag, and the policies of those, which have none; EKS's own entries have no tags either."""
    found = []
    for principal in pages(client, "list_access_entries", "accessEntries", clusterName=cluster):
        asked = {"clusterName": cluster, "principalArn": principal}
        answer = _there(client.describe_access_entry, **asked)
        if not answer or not _mine(entry := answer["accessEntry"], stack):
            continue
        found.append(made("eks:AccessEntry", f"{cluster}:{principal}", _name(entry), handle=(cluster, principal)))
        for one in pages(client, "list_associated_access_policies", "associatedAccessPolicies", **asked):
            handle = (cluster, principal, str(one["policyArn"]))
            found.append(made("eks:AccessPolicyAssociation", "#".join(handle), f"of {_name(entry)}", handle=handle))
    return found


def fsx(client: Any, stack: str) -> list[Owned]:
    """File systems and their links to buckets."""
    return [
        made(kind, str(one[key]), _name(one), status=str(one.get("Lifecycle", "")))
        for kind, operation, member, key in _FSX
        for one in pages(client, operation, member)
        if _mine(one, stack)
    ]


def iam(client: Any, stack: str) -> list[Owned]:
    """Roles with their policies, and policies of the account's own.

    Lists show no tags and the tagging API no roles, so each is asked for by itself.
    """
    found = []
    for one in pages(client, "list_roles", "Roles"):
        if str(one["Path"]).startswith(("/aws-service-role/", "/aws-reserved/")):
            continue
        name = str(one["RoleName"])
        answer = _there(client.get_role, RoleName=name)
        if answer and _mine(role := answer["Role"], stack):
            found += [made("iam:Role", name, _name(role)), *_of_role(client, name, f"of {_name(role)}")]
    for one in pages(client, "list_policies", "Policies", Scope="Local"):
        answer = _there(client.get_policy, PolicyArn=one["Arn"])
        if answer and _mine(answer["Policy"], stack):
            found.append(made("iam:Policy", str(one["Arn"]), _name(answer["Policy"])))
    return found


def _of_role(client: Any, role: str, whose: str) -> list[Owned]:
    attached = [
        one["PolicyArn"] for one in pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=role)
    ]
    inline = pages(client, "list_role_policies", "PolicyNames", RoleName=role)
    return [
        *(made("iam:AttachedPolicy", f"{role}/{arn}", whose, handle=(role, str(arn))) for arn in attached),
        *(made("iam:RolePolicy", f"{role}:{name}", whose, handle=(role, str(name))) for name in inline),
    ]


def from_tagging(clients: Clients, listed: Sequence[Mapping[str, Any]]) -> list[Owned]:
    """Keys, log groups, buckets and whatever else the tagging API lists; what is there no more is left out."""
    found: list[Owned] = []
    for entry in listed:
        arn, name = str(entry["ResourceARN"]), _name(entry)
        service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
        if service == "kms" and rest.startswith("key/"):
            found += _key(clients("kms"), rest.removeprefix("key/"), name)
        elif service == "logs" and rest.startswith("log-group:"):
            group = rest.removeprefix("log-group:").removesuffix(":*")
            there = pages(clients("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=group)
            found += [made("logs:LogGroup", group, name) for one in there if one["logGroupName"] == group]
        elif service == "s3" and "/" not in rest:
            found += [made("s3:Bucket", rest, name)] if _there(clients("s3").head_bucket, Bucket=rest) else []
        else:
            # Nothing that the kit makes: named in the tagging API's words, and left to a person.
            found.append(made(arn_type(arn), arn, name))
    return found


def _key(client: Any, identifier: str, name: str) -> list[Owned]:
    shown = _there(client.describe_key, KeyId=identifier)
    if not shown or shown["KeyMetadata"]["KeyState"] in _GONE:
        return []
    aliases = pages(client, "list_aliases", "Aliases", KeyId=identifier)
    names = [str(one["AliasName"]) for one in aliases]
    return [made("kms:Key", identifier, name), *(made("kms:Alias", alias, f"of {name}") for alias in names)]


def _there(call: Any, **asked: str) -> Any:
    """What a call answers, or None when the object is gone: the tagging API goes on listing it for a while."""
    from botocore.exceptions import ClientError

    try:
        return call(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_THERE:
            return None
        raise


def _mine(entry: Mapping[str, Any], stack: str) -> bool:
    return tags_of(entry).get(STACK_TAG) == stack


def _name(entry: Mapping[str, Any]) -> str:
    return tags_of(entry).get(NAME_TAG, "")


def in_networks(clients: Clients, networks: Sequence[str]) -> list[Owned]:
    """Clusters, file systems and load balancers in the networks, whatever their tags."""
    asked = clients("eks")
    names = pages(asked, "list_clusters", "clusters")
    shown = [found["cluster"] for name in names if (found := _there(asked.describe_cluster, name=name))]
    inside = [one for one in shown if (one.get("resourcesVpcConfig") or {}).get("vpcId") in networks]
    found = [made("eks:Cluster", str(one["name"]), _name(one), status=one["status"]) for one in inside]
    for service, operation, member, kind, network, key in _IN_NETWORK:
        there = pages(clients(service), operation, member)
        found += [made(kind, str(one[key]), _name(one)) for one in there if one.get(network) in networks]
    return found
