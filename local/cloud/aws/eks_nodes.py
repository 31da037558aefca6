"""EKS: managed node groups."""

import uuid

from local.cloud.aws.autoscaling import actions_of
from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import arn, get, iso_time, unmodelled
from local.cloud.aws.ec2_templates import template_data
from local.cloud.aws.eks_cluster import CLUSTER_REFERENCE, NO_SUBNET, add_entry
from local.cloud.aws.eks_facts import NEWEST, PATCH
from local.cloud.model import Account, Autoname, CloudObject, Context, Lifecycle, Reference
from local.cloud.values import Json, is_unknown

SAME = (
    "clusterName",
    "scalingConfig",
    "diskSize",
    "instanceTypes",
    "amiType",
    "capacityType",
    "labels",
    "taints",
    "updateConfig",
    "nodeRepairConfig",
    "launchTemplate",
    "version",
    "releaseVersion",
    "warmPoolConfig",
)


def _nodes_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "nodeGroupNamePrefix", instead="set `nodeGroupName`, or neither for a generated name")
    body = {name: inputs.get(name) for name in SAME}
    access = inputs.get("remoteAccess")
    body |= {
        "nodegroupName": inputs.get("nodeGroupName"),
        "nodeRole": inputs["nodeRoleArn"],
        "subnets": inputs["subnetIds"],
    }
    if access is not None:
        body["remoteAccess"] = {
            "ec2SshKey": access.get("ec2SshKey"),
            "sourceSecurityGroups": access.get("sourceSecurityGroupIds"),
        }
    return body


def _compute_nodes(body: dict[str, Json], context: Context) -> None:
    account = context.account
    unique = str(uuid.UUID(hex=account.new_id("", length=32), version=4))
    name = f"{body['clusterName']}/{body['nodegroupName']}"
    cluster = account.get("eks:Cluster", str(body["clusterName"]))
    template = body.get("launchTemplate")
    data = (template_data(account, template) if template else None) or {}
    body["nodegroupArn"] = arn("eks", f"nodegroup/{name}/{unique}", account)
    body["createdAt"] = body["modifiedAt"] = iso_time(account)
    body["resources"] = {"autoScalingGroups": [{"name": f"eks-{body['nodegroupName']}-{unique}"}]}
    body["health"] = {"issues": []}
    body["version"] = body.get("version") or (cluster.body["version"] if cluster else NEWEST)
    custom = get(data, "ImageId") is not None
    body["amiType"] = body.get("amiType") or ("CUSTOM" if custom else "AL2023_x86_64_STANDARD")
    if not custom:
        minor = body["version"]
        released = body["createdAt"][:10].replace("-", "")
        body["releaseVersion"] = body.get("releaseVersion") or f"{minor}.{PATCH.get(minor, 0)}-{released}"
    if not template:
        body.setdefault("diskSize", 20)
    if not get(data, "InstanceType") and not get(data, "InstanceRequirements"):
        body["instanceTypes"] = body.get("instanceTypes") or ["t3.medium"]
    if template:
        held = _template(account, template)
        body["launchTemplate"] = {
            **template,
            **({"id": held.id, "name": held.body["LaunchTemplateName"]} if held else {}),
        }


def _template(account: Account, reference: Json) -> CloudObject | None:
    identifier, name = get(reference, "id"), get(reference, "name")
    if identifier is not None:
        return account.get("ec2:LaunchTemplate", str(identifier))
    found = account.find("ec2:LaunchTemplate", LaunchTemplateName=name)
    return found[0] if found else None


def _welcome_nodes(item: CloudObject, context: Context) -> None:
    cluster = context.account.get("eks:Cluster", str(item.body["clusterName"]))
    if cluster is not None and get(cluster.body, "accessConfig.authenticationMode") != "CONFIG_MAP":
        add_entry(cluster.id, str(item.body["nodeRole"]), "EC2_LINUX", context)


def _dismiss_nodes(item: CloudObject, context: Context) -> None:
    for action in actions_of(context.account, item):
        context.account.remove(action.kind, action.id)
    account, cluster, role = context.account, item.body["clusterName"], item.body["nodeRole"]
    others = [pool for pool in account.find("eks:Nodegroup", clusterName=cluster, nodeRole=role) if pool.id != item.id]
    entry = account.get("eks:AccessEntry", f"{cluster}:{role}")
    if not others and entry is not None and entry.maker == "service":
        account.remove(entry.kind, entry.id)


def _change_nodes(before: CloudObject, after: CloudObject, context: Context) -> None:
    after.body["modifiedAt"] = iso_time(context.account)
    for member in ("instanceTypes", "amiType", "diskSize", "version", "releaseVersion", "updateConfig"):
        if member in before.body:
            after.body.setdefault(member, before.body[member])
    if before.body["version"] != after.body["version"]:
        minor, released = after.body["version"], after.body["modifiedAt"][:10].replace("-", "")
        after.body["releaseVersion"] = f"{minor}.{PATCH.get(minor, 0)}-{released}"


def _nodes_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    body = item.body
    groups = get(body, "resources.autoScalingGroups", [])
    access = body.get("remoteAccess")
    state: dict[str, Json] = {
        "nodeGroupName": body.get("nodegroupName"),
        "arn": body.get("nodegroupArn"),
        "nodeRoleArn": body.get("nodeRole"),
        "subnetIds": body.get("subnets"),
        "nodeGroupNamePrefix": "",
        "diskSize": body.get("diskSize", 0),
        "resources": [
            {
                "autoscalingGroups": [{"name": group["name"]} for group in groups],
                "remoteAccessSecurityGroupId": get(body, "resources.remoteAccessSecurityGroup", ""),
            }
        ],
    }
    if access is not None and not is_unknown(access):
        state["remoteAccess"] = {
            "ec2SshKey": access.get("ec2SshKey"),
            "sourceSecurityGroupIds": access.get("sourceSecurityGroups"),
        }
    return state


NODE_GROUP = bind(
    "aws:eks/nodeGroup:NodeGroup",
    "eks:Nodegroup",
    calls("CreateNodegroup", "DeleteNodegroup", "UpdateNodegroupConfig"),
    identity="{clusterName}:{nodegroupName}",
    camel_case_body=True,
    create_only=(
        "clusterName",
        "nodeGroupName",
        "nodeRoleArn",
        "subnetIds",
        "amiType",
        "capacityType",
        "diskSize",
        "instanceTypes",
        "remoteAccess",
        "launchTemplate.id",
        "launchTemplate.name",
    ),
    client_only=("forceUpdateVersion",),
    autoname=Autoname(property="nodeGroupName", max_length=63),
    tags="tags",
    tags_as_map=True,
    defaults={"capacityType": "ON_DEMAND", "updateConfig": {"maxUnavailable": 1}},
    to_body=_nodes_body,
    compute=_compute_nodes,
    after_create=_welcome_nodes,
    after_update=_change_nodes,
    before_delete=_dismiss_nodes,
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
    references=(
        Reference(
            body_path="clusterName",
            kind="eks:Cluster",
            missing_code=CLUSTER_REFERENCE.missing_code,
            missing_message=CLUSTER_REFERENCE.missing_message,
            in_use_code="ResourceInUseException",
            in_use_message="Cluster has nodegroups attached",
        ),
        Reference(
            body_path="subnets[]",
            kind="ec2:Subnet",
            missing_code="InvalidParameterException",
            missing_message=NO_SUBNET,
            in_use_message="The subnet '{target}' has dependencies and cannot be deleted.",
        ),
        Reference(
            body_path="launchTemplate.id",
            kind="ec2:LaunchTemplate",
            missing_code="InvalidRequestException",
            missing_message="Launch template {value} not found (Code: InvalidLaunchTemplateId.NotFound)",
            holds=False,  # EC2 lets it go; the node group then reports Ec2LaunchTemplateNotFound
        ),
    ),
    to_state=_nodes_state,
)
BINDINGS = (NODE_GROUP,)
