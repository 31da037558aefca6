"""What FSx refuses of Lustre file systems."""

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, refuse
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.reachability import admits
from local.cloud.aws.rulebook import CREATE, UPDATE, WRITE, RuleBook
from local.cloud.model import Request
from local.cloud.values import Json

RULES = RuleBook()
BAD = "BadRequest"
THROUGHPUT: dict[tuple[str, str], tuple[int, ...]] = {
    ("PERSISTENT_1", "SSD"): (50, 100, 200),
    ("PERSISTENT_1", "HDD"): (12, 40),
    ("PERSISTENT_2", "SSD"): (125, 250, 500, 1000),
}
HDD_STEP = {12: 6000, 40: 1800}
EFA_STEP = {125: 38400, 250: 19200, 500: 9600, 1000: 4800}
METADATA_IOPS = (1500, 3000, 6000, *range(12000, 192001, 12000))
TIERED_IOPS = (6000, 12000)
TIER_STEP, TIER_MAXIMUM = 4000, 2_000_000
_BASE = (*on.NETWORK, on.GROUP)
_API = "FSx API reference, CreateFileSystem, "
_LUSTRE = on.LUSTRE_INPUTS
_EFA = {
    **_LUSTRE,
    "efaEnabled": True,
    "storageCapacity": 38400,
    "metadataConfiguration": {"mode": "AUTOMATIC"},
    "securityGroupIds": ["${sg}"],
}
_SELF = (
    (on.INGRESS_TOKEN, "in", {"securityGroupId": "${sg}", "referencedSecurityGroupId": "${sg}", "ipProtocol": "-1"}),
    (on.EGRESS_TOKEN, "out", {"securityGroupId": "${sg}", "referencedSecurityGroupId": "${sg}", "ipProtocol": "-1"}),
)
_TIERED = {
    **on.without(_LUSTRE, "storageCapacity", "perUnitStorageThroughput"),
    "storageType": "INTELLIGENT_TIERING",
    "throughputCapacity": 4000,
    "dataReadCacheConfiguration": {"sizingMode": "PROPORTIONAL_TO_THROUGHPUT_CAPACITY"},
    "metadataConfiguration": {"mode": "USER_PROVISIONED", "iops": 6000},
}


def _lustre(request: Request, member: str, default: Json = None) -> Json:
    return get(request.body, f"LustreConfiguration.{member}", default)


def _deployment(request: Request) -> str:
    return str(_lustre(request, "DeploymentType", "SCRATCH_1"))


def _storage(request: Request) -> str:
    return str(get(request.body, "StorageType", "SSD"))


@RULES.rule(
    "fsx-lustre-capacity",
    on.LUSTRE_TOKEN,
    WRITE,
    BAD,
    source=f"{_API}StorageCapacity; wording: aws-samples/amazon-eks-autonomous-driving-data-service#12",
    accepts=on.creation({**_LUSTRE, "storageCapacity": 4800}, *_BASE),
    refuses=on.creation({**_LUSTRE, "storageCapacity": 3600}, *_BASE),
)
def _capacity(request: Request) -> None:
    capacity = get(request.body, "StorageCapacity")
    if _storage(request) == "INTELLIGENT_TIERING":
        if capacity is not None:
            refuse(BAD, "StorageCapacity cannot be specified with storage type INTELLIGENT_TIERING.")
        return
    if capacity is None:
        refuse(BAD, "Invalid Lustre FS storage capacity: it must be specified.")
    if _storage(request) == "HDD":
        step = HDD_STEP.get(_lustre(request, "PerUnitStorageThroughput", 12), HDD_STEP[12])
        if capacity % step or capacity <= 0:
            refuse(BAD, f"Invalid Lustre FS storage capacity: {capacity}. Must be a multiple of {step}.")
        return
    step = 3600 if _deployment(request) == "SCRATCH_1" else 2400
    small = (1200, 2400) if step == 3600 else (1200,)  # noqa: PLR2004 - the step just set
    if capacity not in small and (capacity % step or capacity <= 0):
        listed = " or ".join(str(size) for size in small)
        refuse(BAD, f"Invalid Lustre FS storage capacity: {capacity}. Must be {listed} or a multiple of {step}.")


@RULES.rule(
    "fsx-lustre-capacity-grows",
    on.LUSTRE_TOKEN,
    UPDATE,
    BAD,
    source="FSx for Lustre user guide, Managing storage capacity: increase only",
    accepts=on.change(_LUSTRE, {**_LUSTRE, "storageCapacity": 2400}, *_BASE),
    refuses=on.change({**_LUSTRE, "storageCapacity": 2400}, _LUSTRE, *_BASE),
)
def _grows(request: Request) -> None:
    wanted, now = (
        get(request.body, "StorageCapacity", 0),
        get(request.prior.body, "StorageCapacity", 0) if request.prior else 0,
    )
    if wanted < now:
        refuse(BAD, f"Storage capacity can only be increased: {now} GiB now, {wanted} GiB requested.")


@RULES.rule(
    "fsx-lustre-throughput",
    on.LUSTRE_TOKEN,
    WRITE,
    BAD,
    source=f"{_API}PerUnitStorageThroughput; wording: hashicorp/terraform-provider-aws#24341",
    accepts=on.creation({**_LUSTRE, "perUnitStorageThroughput": 1000}, *_BASE),
    refuses=on.creation({**_LUSTRE, "perUnitStorageThroughput": 200}, *_BASE),
)
def _throughput(request: Request) -> None:
    wanted = _lustre(request, "PerUnitStorageThroughput")
    allowed = THROUGHPUT.get((_deployment(request), _storage(request)), ())
    if (wanted is not None or allowed) and wanted not in allowed:
        listed = ", ".join(str(value) for value in allowed) or "none"
        refuse(
            BAD,
            "Invalid Lustre deployment configuration: the provided throughput is invalid or does not meet the storage "
            f"capacity requirement (allowed for {_deployment(request)} {_storage(request)}: {listed})",
        )


@RULES.rule(
    "fsx-lustre-storage-type",
    on.LUSTRE_TOKEN,
    CREATE,
    BAD,
    source=f"{_API}StorageType: HDD on PERSISTENT_1, INTELLIGENT_TIERING on PERSISTENT_2",
    accepts=on.creation(_TIERED, *_BASE),
    refuses=on.creation(
        {"subnetIds": "${a}", "deploymentType": "SCRATCH_2", "storageType": "HDD", "storageCapacity": 6000}, *_BASE
    ),
)
def _storage_type(request: Request) -> None:
    needs = {"HDD": "PERSISTENT_1", "INTELLIGENT_TIERING": "PERSISTENT_2"}
    wanted = needs.get(_storage(request))
    if wanted is not None and _deployment(request) != wanted:
        refuse(BAD, f"Storage type {_storage(request)} is only supported on {wanted} Lustre file systems.")


@RULES.rule(
    "fsx-lustre-tiering",
    on.LUSTRE_TOKEN,
    WRITE,
    BAD,
    source=f"{_API}LustreConfiguration: ThroughputCapacity in steps of 4000, read cache, metadata mode",
    accepts=on.creation(_TIERED, *_BASE),
    refuses=on.creation({**_TIERED, "throughputCapacity": 5000}, *_BASE),
)
def _tiering(request: Request) -> None:
    if _storage(request) != "INTELLIGENT_TIERING":
        return
    capacity = _lustre(request, "ThroughputCapacity", 0)
    if capacity <= 0 or capacity % TIER_STEP or capacity > TIER_MAXIMUM:
        refuse(
            BAD, f"ThroughputCapacity {capacity} is invalid: it must be a multiple of {TIER_STEP} up to {TIER_MAXIMUM}."
        )
    if _lustre(request, "DataReadCacheConfiguration") is None:
        refuse(BAD, "DataReadCacheConfiguration is required for storage type INTELLIGENT_TIERING.")
    iops = _lustre(request, "MetadataConfiguration.Iops")
    if _lustre(request, "MetadataConfiguration.Mode") != "USER_PROVISIONED" or iops not in TIERED_IOPS:
        refuse(BAD, "MetadataConfiguration must be USER_PROVISIONED with 6000 or 12000 Iops for INTELLIGENT_TIERING.")


@RULES.rule(
    "fsx-lustre-metadata",
    on.LUSTRE_TOKEN,
    WRITE,
    BAD,
    source=f"{_API}MetadataConfiguration: 1500, 3000, 6000, 12000 and multiples to 192000; AUTOMATIC takes none",
    accepts=on.creation({**_LUSTRE, "metadataConfiguration": {"mode": "USER_PROVISIONED", "iops": 24000}}, *_BASE),
    refuses=on.creation({**_LUSTRE, "metadataConfiguration": {"mode": "USER_PROVISIONED", "iops": 4500}}, *_BASE),
)
def _metadata(request: Request) -> None:
    if _lustre(request, "MetadataConfiguration") is None:
        return
    if _deployment(request) != "PERSISTENT_2":
        refuse(BAD, "MetadataConfiguration is only supported on PERSISTENT_2 file systems.")
    mode, iops = _lustre(request, "MetadataConfiguration.Mode"), _lustre(request, "MetadataConfiguration.Iops")
    if mode == "AUTOMATIC" and iops is not None and request.prior is None:  # an update shows what FSx chose
        refuse(BAD, "Iops cannot be specified when the metadata configuration mode is AUTOMATIC.")
    if mode == "USER_PROVISIONED" and iops not in METADATA_IOPS:
        refuse(BAD, f"Metadata Iops {iops} is invalid: 1500, 3000, 6000, 12000 and multiples of 12000 up to 192000.")


@RULES.rule(
    "fsx-lustre-version",
    on.LUSTRE_TOKEN,
    WRITE,
    BAD,
    source=f"{_API}FileSystemTypeVersion: 2.10, 2.12, 2.15; PERSISTENT_2 needs 2.12 or 2.15, metadata needs 2.15",
    accepts=on.creation(_LUSTRE, *_BASE),
    refuses=on.creation({**_LUSTRE, "fileSystemTypeVersion": "2.10"}, *_BASE),
)
def _version(request: Request) -> None:
    version = get(request.body, "FileSystemTypeVersion")
    if version is None:
        return
    if version not in ("2.10", "2.12", "2.15"):
        refuse(BAD, f"FileSystemTypeVersion {version} is not supported for Lustre.")
    if _deployment(request) == "PERSISTENT_2" and version == "2.10":
        refuse(BAD, "FileSystemTypeVersion 2.10 is not supported for deployment type PERSISTENT_2.")
    if _lustre(request, "MetadataConfiguration") is not None and version != "2.15":
        refuse(BAD, "A metadata configuration requires FileSystemTypeVersion 2.15.")


@RULES.rule(
    "fsx-lustre-efa",
    on.LUSTRE_TOKEN,
    CREATE,
    BAD,
    source="FSx for Lustre user guide, EFA-enabled file systems: PERSISTENT_2 with metadata, larger steps",
    accepts=on.creation(_EFA, *_BASE, *_SELF),
    refuses=on.creation({**_EFA, "storageCapacity": 2400}, *_BASE, *_SELF),
)
def _efa(request: Request) -> None:
    if not _lustre(request, "EfaEnabled", False):
        return
    if _deployment(request) != "PERSISTENT_2" or _lustre(request, "MetadataConfiguration") is None:
        refuse(BAD, "EFA is supported on PERSISTENT_2 file systems with a metadata configuration.")
    step = EFA_STEP.get(_lustre(request, "PerUnitStorageThroughput", 0))
    capacity = get(request.body, "StorageCapacity", 0)
    if step is not None and capacity % step:
        refuse(BAD, f"Invalid Lustre FS storage capacity: {capacity}. With EFA it must be a multiple of {step}.")


@RULES.rule(
    "fsx-lustre-efa-security-group",
    on.LUSTRE_TOKEN,
    CREATE,
    "InvalidNetworkSettings",
    source="FSx for Lustre user guide, EFA security groups: all traffic to and from the group itself",
    accepts=on.creation(_EFA, *_BASE, *_SELF),
    refuses=on.creation(_EFA, *_BASE, _SELF[0]),
)
def _efa_group(request: Request) -> None:
    groups = get(request.body, "SecurityGroupIds", [])
    if not _lustre(request, "EfaEnabled", False) or not groups:
        return
    if not admits(request.account, groups, groups, None, protocol="-1"):
        refuse(
            "InvalidNetworkSettings",
            "The security groups of an EFA-enabled file system must allow all inbound and outbound traffic to and "
            f"from themselves: {', '.join(groups)}",
        )


@RULES.rule(
    "fsx-lustre-security-group-ports",
    on.LUSTRE_TOKEN,
    CREATE,
    "InvalidNetworkSettings",
    source="FSx CreateFileSystem: The file system cannot be created because the default or provided security groups in "
    "the subnet do not permit Lustre LNET network traffic on port 988 (aws-parallelcluster issues)",
    accepts=on.creation({**_LUSTRE, "securityGroupIds": ["${sg}"]}, *_BASE, *_SELF),
    refuses=on.creation({**_LUSTRE, "securityGroupIds": ["${sg}"]}, *_BASE),
)
def _ports(request: Request) -> None:
    groups = get(request.body, "SecurityGroupIds", [])
    if groups and not admits(request.account, groups, groups, 988):
        refuse(
            "InvalidNetworkSettings",
            "The file system cannot be created because the default or provided security groups in the subnet do not "
            "permit Lustre LNET network traffic on port 988",
        )


@RULES.rule(
    "fsx-lustre-old-repository",
    on.LUSTRE_TOKEN,
    CREATE,
    BAD,
    source=f"{_API}ImportPath: not supported on PERSISTENT_2; use data repository associations",
    accepts=on.creation(
        {"subnetIds": "${a}", "deploymentType": "SCRATCH_2", "storageCapacity": 1200, "importPath": "s3://data"}, *_BASE
    ),
    refuses=on.creation({**_LUSTRE, "importPath": "s3://data"}, *_BASE),
)
def _old_repository(request: Request) -> None:
    if _deployment(request) == "PERSISTENT_2" and _lustre(request, "DataRepositoryConfiguration") is not None:
        refuse(
            BAD,
            "PERSISTENT_2 file systems do not support ImportPath or ExportPath: create a data repository association.",
        )


@RULES.rule(
    "fsx-lustre-log-group",
    on.LUSTRE_TOKEN,
    WRITE,
    BAD,
    source=f"{_API}LogConfiguration, Destination: the log group's name begins with /aws/fsx",
    accepts=on.creation(
        {**_LUSTRE, "logConfiguration": {"destination": "${logs.arn}", "level": "WARN_ERROR"}},
        *_BASE,
        (on.LOG_GROUP_TOKEN, "logs", {"name": "/aws/fsx/data"}),
    ),
    refuses=on.creation(
        {**_LUSTRE, "logConfiguration": {"destination": "${logs.arn}", "level": "WARN_ERROR"}},
        *_BASE,
        (on.LOG_GROUP_TOKEN, "logs", {"name": "/slipway/fsx/data"}),
    ),
)
def _log_group(request: Request) -> None:
    destination = _lustre(request, "LogConfiguration.Destination")
    if destination is None:
        return
    name = str(destination).removesuffix(":*").partition(":log-group:")[2].partition(":")[0]
    if not name.startswith("/aws/fsx"):
        refuse(BAD, f"The CloudWatch Logs log group name '{name}' must begin with the /aws/fsx prefix.")
    if request.account.get("logs:LogGroup", name) is None:
        refuse(BAD, f"The CloudWatch Logs log group '{name}' does not exist.")


@RULES.rule(
    "fsx-lustre-backups",
    on.LUSTRE_TOKEN,
    WRITE,
    BAD,
    source=f"{_API}AutomaticBackupRetentionDays: PERSISTENT deployments only",
    accepts=on.creation({**_LUSTRE, "automaticBackupRetentionDays": 7}, *_BASE),
    refuses=on.creation(
        {
            "subnetIds": "${a}",
            "deploymentType": "SCRATCH_2",
            "storageCapacity": 1200,
            "automaticBackupRetentionDays": 7,
        },
        *_BASE,
    ),
)
def _backups(request: Request) -> None:
    if _deployment(request).startswith("SCRATCH") and _lustre(request, "AutomaticBackupRetentionDays", 0):
        refuse(BAD, "Automatic backups are not supported on scratch file systems.")


@RULES.rule(
    "fsx-lustre-quota",
    on.LUSTRE_TOKEN,
    CREATE,
    "ServiceLimitExceeded",
    source="botocore fsx CreateFileSystem: ServiceLimitExceeded; FSx quotas: 100 Lustre file systems",
    accepts=on.creation(_LUSTRE, *_BASE),
    refuses=on.creation(_LUSTRE, *_BASE, **{"quota__fsx__lustre-file-systems": 0}),
)
def _quota(request: Request) -> None:
    if request.account.count("fsx:FileSystem") >= quota(request.account, "fsx:lustre-file-systems"):
        exceeded("ServiceLimitExceeded", "The request exceeds the limit on the number of file systems.")
