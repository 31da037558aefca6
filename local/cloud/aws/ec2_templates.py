"""EC2: launch templates. Their data is kept as CreateLaunchTemplate takes it; every change makes a new version."""

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import get, iso_time, tag_list, unmodelled
from local.cloud.aws.ec2_network import own
from local.cloud.model import Account, Autoname, CloudObject, Context
from local.cloud.values import Json, is_unknown

NAME_LENGTH = 128
RENAMED = {
    "vpcSecurityGroupIds": "SecurityGroupIds",
    "securityGroupNames": "SecurityGroups",
    "networkInterfaces.securityGroups": "Groups",
    "networkInterfaces.ipv4AddressCount": "SecondaryPrivateIpAddressCount",
    "instanceRequirements.memoryMib": "MemoryMiB",
    "instanceRequirements.vcpuCount": "VCpuCount",
    "instanceRequirements.acceleratorTotalMemoryMib": "AcceleratorTotalMemoryMiB",
    "instanceRequirements.memoryGibPerVcpu": "MemoryGiBPerVCpu",
    "instanceRequirements.totalLocalStorageGb": "TotalLocalStorageGB",
    "privateDnsNameOptions.enableResourceNameDnsAaaaRecord": "EnableResourceNameDnsAAAARecord",
}
RENAMED_BACK = {f"{path.rpartition('.')[0]}>{member}": path.rpartition(".")[2] for path, member in RENAMED.items()}
TEXT_BOOLEANS = {
    "ebsOptimized",
    "blockDeviceMappings.ebs.deleteOnTermination",
    "blockDeviceMappings.ebs.encrypted",
    "networkInterfaces.associateCarrierIpAddress",
    "networkInterfaces.associatePublicIpAddress",
    "networkInterfaces.deleteOnTermination",
    "networkInterfaces.primaryIpv6",
}
"""Properties that the provider spells "true" and "false" and that the API has as booleans."""
NOT_DATA = {
    "name",
    "description",
    "defaultVersion",
    "updateDefaultVersion",
    "tags",
    "region",
}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def to_data(value: Json, path: str = "") -> Json:
    """Launch template properties of the provider as EC2's RequestLaunchTemplateData."""
    if is_unknown(value) or value is None:
        return value
    if path == "tagSpecifications.tags":
        return tag_list(value)
    if isinstance(value, list):
        return [to_data(item, path) for item in value]
    if isinstance(value, dict):
        return {
            RENAMED.get(_join(path, name), name[:1].upper() + name[1:]): to_data(item, _join(path, name))
            for name, item in value.items()
            if item is not None
        }
    return str(value).lower() == "true" if path in TEXT_BOOLEANS else value


def from_data(value: Json, path: str = "") -> Json:
    """The reverse of ``to_data``."""
    if path == "tagSpecifications.tags":
        return {tag["Key"]: tag["Value"] for tag in value}
    if isinstance(value, list):
        return [from_data(item, path) for item in value]
    if isinstance(value, dict):
        named = (
            (RENAMED_BACK.get(f"{path}>{name}", name[:1].lower() + name[1:]), item) for name, item in value.items()
        )
        return {name: from_data(item, _join(path, name)) for name, item in named}
    return str(value).lower() if path in TEXT_BOOLEANS and isinstance(value, bool) else value


def _template_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "namePrefix", instead="set `name`, or neither for a generated name")
    data = {key: value for key, value in inputs.items() if key not in NOT_DATA and not key.startswith("__")}
    return {
        "LaunchTemplateName": inputs.get("name"),
        "VersionDescription": inputs.get("description"),
        "DefaultVersionNumber": inputs.get("defaultVersion"),
        "SetDefaultVersion": "$Latest" if inputs.get("updateDefaultVersion") else None,
        "LaunchTemplateData": to_data(data),
    }


def _compute_template(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["LaunchTemplateId"] = account.new_id("lt-")
    body["CreateTime"] = iso_time(account)
    body["CreatedBy"] = f"arn:aws:sts::{account.account_id}:assumed-role/slipway-deployer/simulated"
    body["LatestVersionNumber"] = 1
    body["DefaultVersionNumber"] = 1


def _version(item: CloudObject, context: Context) -> CloudObject:
    number = item.body["LatestVersionNumber"]
    body = {
        "LaunchTemplateId": item.id,
        "LaunchTemplateName": item.body["LaunchTemplateName"],
        "VersionNumber": number,
        **({"VersionDescription": item.body["VersionDescription"]} if item.body.get("VersionDescription") else {}),
        "CreateTime": iso_time(context.account),
        "CreatedBy": item.body["CreatedBy"],
        "DefaultVersion": number == item.body["DefaultVersionNumber"],
        "LaunchTemplateData": item.body["LaunchTemplateData"],
    }
    return CloudObject(kind="ec2:LaunchTemplateVersion", id=f"{item.id}:{number}", region=item.region, body=body)


def _publish(item: CloudObject, context: Context) -> None:
    item.body.pop("SetDefaultVersion", None)
    context.account.put(_version(item, context))
    context.account.put(item)


def _publish_change(before: CloudObject, after: CloudObject, context: Context) -> None:
    latest = before.body["LatestVersionNumber"]
    after.body["LatestVersionNumber"] = latest
    follow = after.body.pop("SetDefaultVersion", None) is not None
    after.body.setdefault("DefaultVersionNumber", before.body["DefaultVersionNumber"])
    if before.body["LaunchTemplateData"] != after.body["LaunchTemplateData"]:
        after.body["LatestVersionNumber"] = latest + 1
        context.account.put(_version(after, context))
    if follow:
        after.body["DefaultVersionNumber"] = after.body["LatestVersionNumber"]
    context.account.put(after)


def _forget_versions(item: CloudObject, context: Context) -> None:
    for version in context.account.find("ec2:LaunchTemplateVersion", LaunchTemplateId=item.id):
        context.account.remove(version.kind, version.id)


def _template_state(item: CloudObject, account: Account) -> dict[str, Json]:
    body = item.body
    return {
        **from_data(body.get("LaunchTemplateData") or {}),
        "arn": own(account, f"launch-template/{item.id}"),
        "name": body.get("LaunchTemplateName"),
        "description": body.get("VersionDescription"),
        "latestVersion": body.get("LatestVersionNumber"),
        "defaultVersion": body.get("DefaultVersionNumber"),
    }


LAUNCH_TEMPLATE = bind(
    "aws:ec2/launchTemplate:LaunchTemplate",
    "ec2:LaunchTemplate",
    calls("CreateLaunchTemplate", "DeleteLaunchTemplate", "CreateLaunchTemplateVersion"),
    identity="{LaunchTemplateId}",
    create_only=("name",),
    client_only=("updateDefaultVersion",),
    autoname=Autoname(property="name", max_length=NAME_LENGTH),
    to_body=_template_body,
    compute=_compute_template,
    after_create=_publish,
    after_update=_publish_change,
    before_delete=_forget_versions,
    to_state=_template_state,
)


def template_data(account: Account, reference: Json) -> dict[str, Json] | None:
    """The data that a node group's ``{id | name, version}`` means; None when there is no such version."""
    identifier, name, version = (get(reference, key) for key in ("id", "name", "version"))
    if identifier is None and name is not None:
        found = account.find("ec2:LaunchTemplate", LaunchTemplateName=name)
        identifier = found[0].id if found else ""
    template = account.get("ec2:LaunchTemplate", str(identifier))
    if template is None:
        return None
    number = {
        "$Latest": template.body["LatestVersionNumber"],
        "$Default": template.body["DefaultVersionNumber"],
        "": template.body["DefaultVersionNumber"],
    }.get(str(version or ""), version)
    held = account.get("ec2:LaunchTemplateVersion", f"{template.id}:{number}")
    return dict(held.body["LaunchTemplateData"]) if held else None


BINDINGS = (LAUNCH_TEMPLATE,)
