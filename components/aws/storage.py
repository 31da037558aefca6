"""FSx for Lustre: the file system that trainers read from and write checkpoints to, linked to S3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import cloudwatch, ec2, fsx, vpc

from components import tokens, versions
from components.aws.lustre_rules import (
    INTELLIGENT_TIERING,
    LUSTRE_PORTS,
    LustreShape,
    problems,
    repository_path_problems,
    throughput_mb_per_second,
)
from components.aws.network import RETENTION_DAYS
from components.naming import Service, physical_name
from components.ordering import after
from components.outputs import NetworkOutputs, StorageOutputs
from components.problems import refuse
from components.tags import resource_tags

CSI_DRIVER = "fsx.csi.aws.com"
IMPORT_EVENTS = ["NEW", "CHANGED", "DELETED"]
SERVICE_MANAGED_CAPACITY_GIB = 0


@dataclass(frozen=True, kw_only=True)
class DataRepository:
    """A directory of the file system whose files are objects of a bucket."""

    s3_uri: pulumi.Input[str]
    """``s3://bucket`` or ``s3://bucket/prefix``."""
    path: str = "/data"
    auto_import: bool = True
    auto_export: bool = True
    batch_import_metadata: bool = True
    imported_file_chunk_mib: int = 1024


@dataclass(frozen=True, kw_only=True)
class LustreArgs:
    """Size, speed and place of the file system; what FSx allows is in ``lustre_rules.py``."""

    network: NetworkOutputs
    zone: str
    """The zone of the nodes that use it most: reads across zones are slower, and charged."""
    client_security_groups: Mapping[str, pulumi.Input[str]]
    """Groups of the machines that mount it, by a stable key, for example ``{"nodes": …}``."""
    storage_capacity_gib: int | None = None
    deployment_type: str = "PERSISTENT_2"
    storage_type: str = "SSD"
    per_unit_storage_throughput: int | None = 250
    throughput_capacity: int | None = None
    read_cache_mode: str | None = None
    read_cache_gib: int | None = None
    metadata_mode: str | None = "AUTOMATIC"
    metadata_iops: int | None = None
    efa_enabled: bool = False
    compression: str = "LZ4"
    data_repositories: Mapping[str, DataRepository] = field(default_factory=dict)
    kms_key_arn: pulumi.Input[str] | None = None
    """None encrypts with the account's key for FSx."""
    backup_retention_days: int = 0
    """FSx refuses backups on a file system that is linked to S3."""
    skip_final_backup: bool = True
    maintenance_window: str = "7:03:00"
    """``d:HH:MM`` in UTC; 7 is Sunday."""
    log_retention_days: int = 90
    protect: bool = True


class LustreFileSystem(pulumi.ComponentResource):
    """FSx for Lustre in one subnet, with its security group, log group and data repositories. Stateful.

    Raises:
        ValueError: a size, speed, zone or path that FSx refuses.
    """

    file_system_id: pulumi.Output[str]
    dns_name: pulumi.Output[str]
    mount_name: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    outputs: StorageOutputs

    def __init__(self, name: str, args: LustreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        shape = _shape(args)
        refuse("LustreFileSystem", name, [*problems(shape), *_problems(args)])
        super().__init__(tokens.of(self), name, None, opts)
        self._options = pulumi.ResourceOptions(parent=self)
        group = self._create_security_group(name, args)
        rules = self._create_rules(name, args, group)
        file_system = self._create_file_system(name, args, group, rules)
        repositories = self._create_repositories(name, args, file_system)
        self.file_system_id = file_system.id
        self.dns_name = file_system.dns_name
        self.mount_name = file_system.mount_name
        self.security_group_id = group.id
        self.outputs = self._outputs(name, args, shape, repositories)
        self.register_outputs(
            {
                "file_system_id": self.file_system_id,
                "dns_name": self.dns_name,
                "mount_name": self.mount_name,
                "security_group_id": self.security_group_id,
            }
        )

    def _create_security_group(self, name: str, args: LustreArgs) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            f"{name}-security-group",
            description="Lustre between file servers and clients",
            vpc_id=args.network.network_id,
            tags=resource_tags(f"{name}-security-group"),
            opts=self._options,
        )

    def _create_rules(self, name: str, args: LustreArgs, group: ec2.SecurityGroup) -> list[pulumi.Resource]:
        # Servers talk to each other; and clients and servers both open connections, so both sides need both ways.
        rules = self._create_rule_pair(f"{name}-self", group.id, group.id, args)
        for key, client in args.client_security_groups.items():
            rules += self._create_rule_pair(f"{name}-servers-{key}", group.id, client, args)
            rules += self._create_rule_pair(f"{name}-clients-{key}", client, group.id, args)
        return rules

    def _create_rule_pair(
        self, name: str, group: pulumi.Input[str], peer: pulumi.Input[str], args: LustreArgs
    ) -> list[pulumi.Resource]:
        # EFA traffic is not TCP: with it FSx wants all traffic to and from itself and its clients.
        spans = (None,) if args.efa_enabled else LUSTRE_PORTS
        rules: list[pulumi.Resource] = []
        for span in spans:
            for kind, direction in ((vpc.SecurityGroupIngressRule, "in"), (vpc.SecurityGroupEgressRule, "out")):
                logical = f"{name}-{direction}-{span[0] if span else 'all'}"
                rules.append(
                    kind(
                        logical,
                        security_group_id=group,
                        referenced_security_group_id=peer,
                        ip_protocol="tcp" if span else "-1",
                        from_port=span[0] if span else None,
                        to_port=span[1] if span else None,
                        description="Lustre",
                        tags=resource_tags(logical),
                        opts=self._options,
                    )
                )
        return rules

    def _create_file_system(
        self, name: str, args: LustreArgs, group: ec2.SecurityGroup, rules: Sequence[pulumi.Resource]
    ) -> fsx.LustreFileSystem:
        return fsx.LustreFileSystem(
            f"{name}-file-system",
            subnet_ids=args.network.private_subnet_ids[args.zone],
            security_group_ids=[group.id],
            deployment_type=args.deployment_type,
            storage_type=args.storage_type,
            storage_capacity=args.storage_capacity_gib,
            per_unit_storage_throughput=args.per_unit_storage_throughput,
            throughput_capacity=args.throughput_capacity,
            data_read_cache_configuration=_read_cache(args),
            metadata_configuration=_metadata(args),
            efa_enabled=args.efa_enabled or None,
            data_compression_type=args.compression,
            file_system_type_version=versions.LUSTRE,
            kms_key_id=args.kms_key_arn,
            automatic_backup_retention_days=args.backup_retention_days,
            copy_tags_to_backups=args.backup_retention_days > 0 or None,
            skip_final_backup=args.skip_final_backup,
            weekly_maintenance_start_time=args.maintenance_window,
            log_configuration=self._create_log(name, args),
            tags=resource_tags(f"{name}-file-system"),
            # Rules added later never reach the data servers (bottlerocket issue 3459), so they come first.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, depends_on=after(*rules)),
        )

    def _create_log(self, name: str, args: LustreArgs) -> fsx.LustreFileSystemLogConfigurationArgs:
        # Declared: otherwise FSx writes to a group /aws/fsx/lustre that nobody removes.
        group = cloudwatch.LogGroup(
            f"{name}-log-group",
            name="/aws/fsx/" + physical_name(Service.LOG_GROUP, pulumi.get_project(), pulumi.get_stack(), name),
            retention_in_days=args.log_retention_days,
            tags=resource_tags(f"{name}-log-group"),
            opts=self._options,
        )
        return fsx.LustreFileSystemLogConfigurationArgs(destination=group.arn, level="WARN_ERROR")

    def _create_repositories(
        self, name: str, args: LustreArgs, file_system: fsx.LustreFileSystem
    ) -> list[pulumi.Resource]:
        return [
            fsx.DataRepositoryAssociation(
                f"{name}-{key}",
                file_system_id=file_system.id,
                file_system_path=repository.path,
                data_repository_path=repository.s3_uri,
                batch_import_meta_data_on_create=repository.batch_import_metadata,
                imported_file_chunk_size=repository.imported_file_chunk_mib,
                # Objects stay in S3 either way; so do files that were not exported yet, when this is off.
                delete_data_in_filesystem=False,
                s3=_events(repository),
                tags=resource_tags(f"{name}-{key}"),
                opts=self._options,
            )
            for key, repository in args.data_repositories.items()
        ]

    def _outputs(
        self, name: str, args: LustreArgs, shape: LustreShape, repositories: Sequence[pulumi.Resource]
    ) -> StorageOutputs:
        first = pulumi.Output.all(self.file_system_id, *(repository.urn for repository in repositories))
        return StorageOutputs(
            name=name,
            kind="lustre",
            driver=CSI_DRIVER,
            handle=self.file_system_id,
            attributes={"dnsname": self.dns_name, "mountname": self.mount_name},
            mount_options=("flock",),
            capacity_gib=args.storage_capacity_gib or SERVICE_MANAGED_CAPACITY_GIB,
            throughput_mb_per_second=throughput_mb_per_second(shape),
            zone=args.zone,
            ready=first.apply(lambda values: str(values[0])),
        )


def _shape(args: LustreArgs) -> LustreShape:
    return LustreShape(
        deployment_type=args.deployment_type,
        storage_type=args.storage_type,
        storage_capacity_gib=args.storage_capacity_gib,
        per_unit_storage_throughput=args.per_unit_storage_throughput,
        throughput_capacity=args.throughput_capacity,
        read_cache_mode=args.read_cache_mode,
        read_cache_gib=args.read_cache_gib,
        metadata_mode=args.metadata_mode,
        metadata_iops=args.metadata_iops,
        efa_enabled=args.efa_enabled,
        backup_retention_days=args.backup_retention_days,
        linked_to_s3=bool(args.data_repositories),
    )


def _read_cache(args: LustreArgs) -> fsx.LustreFileSystemDataReadCacheConfigurationArgs | None:
    if args.storage_type != INTELLIGENT_TIERING or args.read_cache_mode is None:
        return None
    return fsx.LustreFileSystemDataReadCacheConfigurationArgs(
        sizing_mode=args.read_cache_mode, size=args.read_cache_gib
    )


def _metadata(args: LustreArgs) -> fsx.LustreFileSystemMetadataConfigurationArgs | None:
    if args.metadata_mode is None:
        return None
    return fsx.LustreFileSystemMetadataConfigurationArgs(mode=args.metadata_mode, iops=args.metadata_iops)


def _events(repository: DataRepository) -> fsx.DataRepositoryAssociationS3Args:
    return fsx.DataRepositoryAssociationS3Args(
        auto_import_policy=fsx.DataRepositoryAssociationS3AutoImportPolicyArgs(events=IMPORT_EVENTS)
        if repository.auto_import
        else None,
        auto_export_policy=fsx.DataRepositoryAssociationS3AutoExportPolicyArgs(events=IMPORT_EVENTS)
        if repository.auto_export
        else None,
    )


def _problems(args: LustreArgs) -> list[str]:
    found = []
    if args.zone not in args.network.zones:
        found.append(f"zone {args.zone!r} is not one of the network's zones ({', '.join(args.network.zones)})")
    if not args.client_security_groups:
        found.append("no client security group is given: nothing could mount the file system")
    if args.compression not in {"LZ4", "NONE"}:
        found.append(f"compression {args.compression!r} does not exist; allowed are LZ4, NONE")
    if args.log_retention_days not in RETENTION_DAYS:
        allowed = ", ".join(map(str, RETENTION_DAYS))
        found.append(f"log_retention_days {args.log_retention_days} is not offered; allowed are {allowed}")
    return found + repository_path_problems({key: item.path for key, item in args.data_repositories.items()})
