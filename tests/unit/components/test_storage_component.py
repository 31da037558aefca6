from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from components.aws.storage import DataRepository, LustreArgs, LustreFileSystem
from local.cloud.plan import record
from local.cloud.recording import RecordedResource, Recording
from tests.support.aws_components import TRAINING_ZONE, aws_platform, lustre_args, network_and_cluster, stand_ins

FILE_SYSTEM = "aws:fsx/lustreFileSystem:LustreFileSystem"
Change = Callable[[LustreArgs], LustreArgs]


def built(change: Change = lambda args: args) -> Recording:
    def program() -> dict[str, object]:
        network, cluster = network_and_cluster()
        outputs = LustreFileSystem("scratch", change(lustre_args(network.outputs, cluster.outputs))).outputs
        return {
            "handle": outputs.handle,
            "attributes": dict(outputs.attributes),
            "capacity": outputs.capacity_gib,
            "throughput": outputs.throughput_mb_per_second,
            "zone": outputs.zone,
            "options": list(outputs.mount_options),
        }

    return record(program)


@cache
def lustre() -> Recording:
    return built()


@cache
def platform() -> Recording:
    def program() -> None:
        aws_platform()

    return record(program)


def rules(recording: Recording, direction: str) -> list[RecordedResource]:
    found = recording.of_type(f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule")
    return [item for item in found if item.name.startswith("scratch")]


def test_the_file_system_is_persistent_current_and_in_the_zone_of_its_readers() -> None:
    inputs = lustre().get(FILE_SYSTEM).inputs
    subnet = lustre().get("aws:ec2/subnet:Subnet", f"main-private-{TRAINING_ZONE}")
    assert inputs["subnetIds"] == subnet.id
    assert (inputs["deploymentType"], inputs["fileSystemTypeVersion"]) == ("PERSISTENT_2", "2.15")
    assert (inputs["storageCapacity"], inputs["perUnitStorageThroughput"]) == (4800, 250)
    assert (inputs["metadataConfiguration"], inputs["dataCompressionType"]) == ({"mode": "AUTOMATIC"}, "LZ4")


def test_pods_get_handle_mount_attributes_and_zone() -> None:
    resource = lustre().get(FILE_SYSTEM)
    assert lustre().result == {
        "handle": resource.id,
        "attributes": {"dnsname": resource.outputs["dnsName"], "mountname": resource.outputs["mountName"]},
        "capacity": 4800,
        "throughput": 4800 / 1024 * 250,
        "zone": TRAINING_ZONE,
        "options": ["flock"],
    }


@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_lustre_ports_are_open_both_ways_between_servers_and_clients_and_nothing_else_is(direction: str) -> None:
    servers = lustre().get("aws:ec2/securityGroup:SecurityGroup", "scratch-security-group").id
    clients = lustre().get("aws:eks/cluster:Cluster").outputs["vpcConfig"]["clusterSecurityGroupId"]
    open_ports = {
        (
            rule.inputs["securityGroupId"],
            rule.inputs["referencedSecurityGroupId"],
            rule.inputs["ipProtocol"],
            rule.inputs["fromPort"],
            rule.inputs["toPort"],
        )
        for rule in rules(lustre(), direction)
    }
    pairs = ((servers, servers), (servers, clients), (clients, servers))
    assert open_ports == {(*pair, "tcp", low, high) for pair in pairs for low, high in ((988, 988), (1018, 1023))}


def test_the_rules_exist_before_the_servers_that_never_learn_of_later_ones() -> None:
    known = set(lustre().get(FILE_SYSTEM).dependencies)
    made = {rule.urn for direction in ("Ingress", "Egress") for rule in rules(lustre(), direction)}
    assert len(made) == 12
    assert made <= known


def test_with_efa_all_traffic_passes_between_servers_and_clients() -> None:
    recording = built(lambda args: replace(args, efa_enabled=True, storage_capacity_gib=19200))
    assert {rule.inputs["ipProtocol"] for rule in rules(recording, "Ingress")} == {"-1"}
    assert len(rules(recording, "Ingress")) == 3
    assert recording.get(FILE_SYSTEM).inputs["efaEnabled"] is True


def test_a_directory_is_kept_equal_to_the_data_lake_both_ways() -> None:
    link = platform().get("aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation")
    bucket = platform().get("aws:s3/bucket:Bucket").inputs["bucket"]
    events = ["NEW", "CHANGED", "DELETED"]
    assert (link.inputs["fileSystemPath"], link.inputs["dataRepositoryPath"]) == ("/data", f"s3://{bucket}")
    assert link.inputs["s3"] == {"autoImportPolicy": {"events": events}, "autoExportPolicy": {"events": events}}
    assert link.inputs["deleteDataInFilesystem"] is False


def test_the_link_waits_until_the_bucket_encrypts_and_refuses_plain_text() -> None:
    link = platform().get("aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation")
    encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    assert platform().get(encryption).urn in link.dependencies
    assert platform().get("aws:s3/bucketPolicy:BucketPolicy").urn in link.dependencies


def test_events_are_logged_to_a_group_that_the_program_owns() -> None:
    group = lustre().get("aws:cloudwatch/logGroup:LogGroup", "scratch-log-group")
    assert group.inputs["name"] == "/aws/fsx/slipway-test-scratch"
    assert lustre().get(FILE_SYSTEM).inputs["logConfiguration"] == {
        "destination": group.outputs["arn"],
        "level": "WARN_ERROR",
    }


def test_data_is_protected_unless_the_settings_say_otherwise() -> None:
    assert not lustre().get(FILE_SYSTEM).protect
    assert built(lambda args: replace(args, protect=True)).get(FILE_SYSTEM).protect
    assert LustreArgs.__dataclass_fields__["protect"].default is True


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda args: replace(args, storage_capacity_gib=5000), "take 4800 or 7200"),
        (lambda args: replace(args, zone="us-east-1f"), "zone 'us-east-1f' is not one of the network's zones"),
        (lambda args: replace(args, client_security_groups={}), "nothing could mount"),
        (lambda args: replace(args, compression="ZIP"), "allowed are LZ4, NONE"),
        (lambda args: replace(args, log_retention_days=2), "log_retention_days 2 is not offered"),
        (
            lambda args: replace(
                args, data_repositories={key: DataRepository(s3_uri="s3://lake") for key in ("a", "b")}
            ),
            "overlap",
        ),
        (
            lambda args: replace(
                args, backup_retention_days=7, data_repositories={"a": DataRepository(s3_uri="s3://lake")}
            ),
            "linked to S3",
        ),
    ],
)
def test_a_file_system_that_fsx_would_refuse_is_refused_here(change: Change, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        record(lambda: LustreFileSystem("scratch", change(lustre_args(*stand_ins()))), packages={})
