"""FSx for Lustre: file systems and their links to S3."""

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import PLAIN_ALPHABET, arn, get, iso_time
from local.cloud.aws.ec2_network import interface
from local.cloud.aws.ec2_security import GROUP_MISSING_TEXT
from local.cloud.model import Account, CloudObject, Context, Reference
from local.cloud.values import Json

LUSTRE_SAME = {
    "weeklyMaintenanceStartTime": "WeeklyMaintenanceStartTime",
    "deploymentType": "DeploymentType",
    "perUnitStorageThroughput": "PerUnitStorageThroughput",
    "dailyAutomaticBackupStartTime": "DailyAutomaticBackupStartTime",
    "automaticBackupRetentionDays": "AutomaticBackupRetentionDays",
    "copyTagsToBackups": "CopyTagsToBackups",
    "driveCacheType": "DriveCacheType",
    "dataCompressionType": "DataCompressionType",
    "efaEnabled": "EfaEnabled",
    "throughputCapacity": "ThroughputCapacity",
}
REPOSITORY = {
    "importPath": "ImportPath",
    "exportPath": "ExportPath",
    "importedFileChunkSize": "ImportedFileChunkSize",
    "autoImportPolicy": "AutoImportPolicy",
}
AWS_KEY = "alias/aws/fsx"
"""The key that encrypts a persistent file system that names none."""


def _spelled(value: Json) -> Json:
    if isinstance(value, dict):
        return {_upper(name): _spelled(item) for name, item in value.items() if item is not None}
    return [_spelled(item) for item in value] if isinstance(value, list) else value


def _upper(name: str) -> str:
    return {"s3": "S3", "noSquashNids": "NoSquashNids"}.get(name, name[:1].upper() + name[1:])


def _unspelled(value: Json) -> Json:
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _unspelled(item) for name, item in value.items()}
    return [_unspelled(item) for item in value] if isinstance(value, list) else value


def _lustre_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    lustre = {member: inputs[name] for name, member in LUSTRE_SAME.items() if inputs.get(name) is not None}
    nested = ("logConfiguration", "metadataConfiguration", "rootSquashConfiguration", "dataReadCacheConfiguration")
    for name in nested:
        if inputs.get(name) is not None:
            lustre[_upper(name)] = _spelled(inputs[name])
    repository = {member: inputs[name] for name, member in REPOSITORY.items() if inputs.get(name) is not None}
    if repository:
        lustre["DataRepositoryConfiguration"] = repository
    return {
        "FileSystemType": "LUSTRE",
        "StorageCapacity": inputs.get("storageCapacity"),
        "StorageType": inputs.get("storageType"),
        "SubnetIds": [inputs["subnetIds"]],
        "SecurityGroupIds": inputs.get("securityGroupIds"),
        "KmsKeyId": inputs.get("kmsKeyId"),
        "FileSystemTypeVersion": inputs.get("fileSystemTypeVersion"),
        "BackupId": inputs.get("backupId"),
        "LustreConfiguration": lustre,
    }


def _default_version(lustre: Json) -> str:
    """2.10; 2.12 for PERSISTENT_2, 2.15 with a metadata configuration (FSx API reference, FileSystemTypeVersion)."""
    if get(lustre, "MetadataConfiguration") is not None:
        return "2.15"
    return "2.12" if get(lustre, "DeploymentType") == "PERSISTENT_2" else "2.10"


def _compute_lustre(body: dict[str, Json], context: Context) -> None:
    account, lustre = context.account, body["LustreConfiguration"]
    identifier = account.new_id("fs-")
    subnet = account.get("ec2:Subnet", str(body["SubnetIds"][0]))
    kind = lustre.setdefault("DeploymentType", "SCRATCH_1")
    body["FileSystemId"] = identifier
    body["OwnerId"] = account.account_id
    body["CreationTime"] = iso_time(account)
    body["Lifecycle"] = "AVAILABLE"
    body["VpcId"] = subnet.body["VpcId"] if subnet else ""
    body["DNSName"] = f"{identifier}.fsx.{account.region}.amazonaws.com"
    body["ResourceARN"] = arn("fsx", f"file-system/{identifier}", account)
    body["FileSystemTypeVersion"] = body.get("FileSystemTypeVersion") or _default_version(lustre)
    body["NetworkInterfaceIds"] = [account.new_id("eni-") for _ in range(_interfaces(body))]
    lustre["MountName"] = account.new_id("", length=8, alphabet=PLAIN_ALPHABET)
    lustre.setdefault("DataCompressionType", "NONE")
    lustre.setdefault("WeeklyMaintenanceStartTime", "7:03:00")
    if kind.startswith("PERSISTENT"):
        lustre.setdefault("AutomaticBackupRetentionDays", 0)
        lustre.setdefault("CopyTagsToBackups", False)
        body["KmsKeyId"] = body.get("KmsKeyId") or arn("kms", "key/00000000-0000-4000-8000-0000000066a1", account)
    if kind == "PERSISTENT_2":
        lustre.setdefault("EfaEnabled", False)
        if get(lustre, "MetadataConfiguration.Mode") == "AUTOMATIC":
            lustre["MetadataConfiguration"]["Iops"] = automatic_iops(int(body.get("StorageCapacity") or 0))
    lustre.setdefault("LogConfiguration", {"Level": "DISABLED"})


def automatic_iops(capacity: int) -> int:
    """Metadata IOPS that AUTOMATIC gives to a capacity in GiB (FSx user guide, Lustre metadata performance)."""
    steps = ((1200, 1500), (2400, 3000), (9600, 6000), (24000, 12000))
    for limit, iops in steps:
        if capacity <= limit:
            return iops
    return -(-capacity // 24000) * 12000


def _interfaces(body: Json) -> int:
    """One metadata server, and one file server per 1,200 GiB up to a dozen: FSx shows an interface of each."""
    return 1 + min(max(int(get(body, "StorageCapacity", 1200)) // 1200, 1), 12)


def _plug_lustre(item: CloudObject, context: Context) -> None:
    account = context.account
    subnet = account.get("ec2:Subnet", str(item.body["SubnetIds"][0]))
    groups = item.body.get("SecurityGroupIds")
    if subnet is None:
        return
    if not groups:
        default = account.find("ec2:SecurityGroup", VpcId=subnet.body["VpcId"], GroupName="default")
        groups = [group.id for group in default]
    for identifier in item.body["NetworkInterfaceIds"]:
        account.put(
            interface(
                subnet,
                context,
                NetworkInterfaceId=identifier,
                Description=f"Created by Amazon FSx: {item.id}",
                Groups=[{"GroupId": group} for group in groups],
            )
        )


def _unplug_lustre(item: CloudObject, context: Context) -> None:
    for identifier in item.body.get("NetworkInterfaceIds") or []:
        context.account.remove("ec2:NetworkInterface", str(identifier))
    for link in context.account.find("fsx:DataRepositoryAssociation", FileSystemId=item.id):
        context.account.remove(link.kind, link.id)


def _change_lustre(before: CloudObject, after: CloudObject, context: Context) -> None:
    for member in ("FileSystemTypeVersion", "KmsKeyId"):
        if member in before.body:
            after.body.setdefault(member, before.body[member])
    lustre = after.body["LustreConfiguration"]
    if get(lustre, "MetadataConfiguration.Mode") == "AUTOMATIC":
        lustre["MetadataConfiguration"]["Iops"] = automatic_iops(int(after.body.get("StorageCapacity") or 0))
    del context


def _lustre_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    body = item.body
    lustre = body.get("LustreConfiguration") or {}
    state: dict[str, Json] = {name: lustre.get(member) for name, member in LUSTRE_SAME.items()}
    repository = lustre.get("DataRepositoryConfiguration") or {}
    state |= {name: repository.get(member) for name, member in REPOSITORY.items()}
    for name in ("metadataConfiguration", "rootSquashConfiguration", "dataReadCacheConfiguration"):
        state[name] = _unspelled(lustre.get(_upper(name)))
    log = lustre.get("LogConfiguration")
    state["logConfiguration"] = _unspelled(log)
    return state | {
        "arn": body.get("ResourceARN"),
        "dnsName": body.get("DNSName"),
        "mountName": lustre.get("MountName"),
        "subnetIds": body["SubnetIds"][0],
        "networkInterfaceIds": body.get("NetworkInterfaceIds"),
    }


LUSTRE = bind(
    "aws:fsx/lustreFileSystem:LustreFileSystem",
    "fsx:FileSystem",
    calls("CreateFileSystem", "DeleteFileSystem", "UpdateFileSystem"),
    identity="{FileSystemId}",
    create_only=(
        "backupId",
        "copyTagsToBackups",
        "deploymentType",
        "driveCacheType",
        "efaEnabled",
        "exportPath",
        "fileSystemTypeVersion",
        "importPath",
        "importedFileChunkSize",
        "kmsKeyId",
        "securityGroupIds",
        "storageType",
        "subnetIds",
    ),
    client_only=("skipFinalBackup", "finalBackupTags", "securityGroupIds"),
    defaults={"StorageType": "SSD"},
    to_body=_lustre_body,
    compute=_compute_lustre,
    after_create=_plug_lustre,
    after_update=_change_lustre,
    before_delete=_unplug_lustre,
    references=(
        Reference(
            body_path="SubnetIds[]",
            kind="ec2:Subnet",
            missing_code="InvalidNetworkSettings",
            missing_message="The subnet ID {value} is invalid or does not exist",
            holds=False,  # its interfaces hold the subnet
        ),
        Reference(
            body_path="SecurityGroupIds[]",
            kind="ec2:SecurityGroup",
            missing_code="InvalidNetworkSettings",
            missing_message=GROUP_MISSING_TEXT,
            holds=False,
        ),
    ),
    to_state=_lustre_state,
)


def _link_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    return {
        "FileSystemId": inputs["fileSystemId"],
        "FileSystemPath": inputs["fileSystemPath"],
        "DataRepositoryPath": inputs["dataRepositoryPath"],
        "BatchImportMetaDataOnCreate": inputs.get("batchImportMetaDataOnCreate"),
        "ImportedFileChunkSize": inputs.get("importedFileChunkSize"),
        "S3": _spelled(inputs["s3"]) if inputs.get("s3") is not None else None,
    }


def _compute_link(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["AssociationId"] = account.new_id("dra-")
    body["ResourceARN"] = arn("fsx", f"association/{body['FileSystemId']}/{body['AssociationId']}", account)
    body["Lifecycle"] = "AVAILABLE"
    body["CreationTime"] = iso_time(account)


DATA_LINK = bind(
    "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation",
    "fsx:DataRepositoryAssociation",
    calls("CreateDataRepositoryAssociation", "DeleteDataRepositoryAssociation", "UpdateDataRepositoryAssociation"),
    identity="{AssociationId}",
    create_only=("fileSystemId", "fileSystemPath", "dataRepositoryPath", "batchImportMetaDataOnCreate"),
    client_only=("deleteDataInFilesystem",),
    defaults={"BatchImportMetaDataOnCreate": False, "ImportedFileChunkSize": 1024},
    to_body=_link_body,
    compute=_compute_link,
    references=(
        Reference(
            body_path="FileSystemId",
            kind="fsx:FileSystem",
            missing_code="FileSystemNotFound",
            missing_message="File system '{value}' does not exist.",
            holds=False,  # FSx deletes the associations of a file system with it
        ),
    ),
    to_state=lambda item, _account: {
        "arn": item.body.get("ResourceARN"),
        "associationId": item.body.get("AssociationId"),
        "s3": _unspelled(item.body.get("S3")),
    },
)
BINDINGS = (LUSTRE, DATA_LINK)
