import dataclasses
import json

import pytest

from local.cloud.diff import Change, ChangeKind
from local.cloud.failures import CloudError
from local.cloud.model import CloudObject, CloudPackage, Context, Maker
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.cloud.values import UNKNOWN, Json, Secret, is_unknown
from tests.unit.cloud_core.toy import CLUSTER, PACKAGE, SUBNET, VPC, ZONES, cluster_inputs, make_subnet, make_vpc

# --- create, read, update, delete ------------------------------------------------------------------------------------


def test_a_created_object_has_the_services_shape_in_the_store_and_pulumis_in_the_outputs(simulator: Simulator) -> None:
    made = simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16", "tags": {"a": "1"}}, urn="urn:v")
    item = simulator.store.get("ec2:Vpc", made.id)
    assert item is not None
    assert item.body == {
        "CidrBlock": "10.0.0.0/16",
        "Tags": [{"Key": "a", "Value": "1"}],
        "InstanceTenancy": "default",
        "EnableDnsSupport": True,
        "VpcId": made.id,
        "OwnerId": "000000000000",
        "DefaultSecurityGroupId": item.body["DefaultSecurityGroupId"],
    }
    assert item.urn == "urn:v"
    assert made.state["tagsAll"] == {"a": "1"}
    assert made.state["defaultSecurityGroupId"] == item.body["DefaultSecurityGroupId"]


def test_what_the_service_makes_besides_is_marked_and_goes_with_its_maker(simulator: Simulator) -> None:
    vpc = make_vpc(simulator)
    kinds = [item.kind for item in simulator.store.objects(maker=Maker.SERVICE)]
    assert kinds == ["ec2:AvailabilityZone", "ec2:SecurityGroup"]
    simulator.delete(VPC, vpc)
    assert [item.kind for item in simulator.store.objects()] == ["ec2:AvailabilityZone"]


def test_creating_twice_with_one_urn_makes_two_objects(simulator: Simulator) -> None:
    assert make_vpc(simulator, urn="urn:v") != make_vpc(simulator, urn="urn:v")
    assert len(simulator.store.find("ec2:Vpc")) == 2


def test_a_name_that_is_taken_is_refused(simulator: Simulator) -> None:
    inputs = cluster_inputs(simulator)
    simulator.create(CLUSTER, "c", inputs)
    with pytest.raises(CloudError, match=r"StatusCode: 409.*already exists"):
        simulator.create(CLUSTER, "c", inputs)


def test_read_reports_what_is_there_now_or_nothing(simulator: Simulator) -> None:
    vpc = make_vpc(simulator)
    found = simulator.read(VPC, vpc)
    assert found is not None
    assert found.inputs == {"cidrBlock": "10.0.0.0/16", "instanceTenancy": "default", "enableDnsSupport": True}
    assert found.state["ownerId"] == "000000000000"
    assert simulator.read(VPC, "vpc-none") is None


def test_update_changes_the_object_and_leaves_what_the_service_added(simulator: Simulator) -> None:
    old = {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": {"a": "1"}}
    vpc = simulator.create(VPC, "v", old).id
    state = simulator.update(VPC, vpc, old, {"cidrBlock": "10.0.0.0/16", "tags": {"b": "2"}})
    assert state["tags"] == {"b": "2"}
    assert "enableDnsHostnames" not in state
    item = simulator.store.get("ec2:Vpc", vpc)
    assert item is not None
    assert item.body["OwnerId"] == "000000000000"
    assert item.body["Tags"] == [{"Key": "b", "Value": "2"}]


def test_updating_what_is_gone_is_refused(simulator: Simulator) -> None:
    with pytest.raises(CloudError, match=r"updating EC2 Vpc \(vpc-gone\).*ResourceNotFoundException"):
        simulator.update(VPC, "vpc-gone", {}, {"cidrBlock": "10.0.0.0/16"})


def test_deleting_what_is_gone_is_no_error(simulator: Simulator) -> None:
    simulator.delete(VPC, "vpc-gone")
    assert [entry.operation for entry in simulator.store.journal()] == ["DeleteVpc"]


# --- rules and references --------------------------------------------------------------------------------------------


def test_a_refusal_reads_as_the_provider_prints_it_with_the_journals_request_id(simulator: Simulator) -> None:
    vpc = make_vpc(simulator)
    make_subnet(simulator, vpc)
    with pytest.raises(CloudError) as refused:
        simulator.create(SUBNET, "other", {"vpcId": vpc, "cidrBlock": "10.0.0.128/25"})
    entry = simulator.store.journal()[-1]
    assert str(refused.value) == (
        "creating EC2 Subnet (other): operation error EC2: CreateSubnet, https response error StatusCode: 400, "
        f"RequestID: {entry.request_id}, api error InvalidSubnet.Conflict: "
        "The CIDR '10.0.0.128/25' conflicts with another subnet"
    )
    assert (entry.outcome, entry.code) == ("error", "InvalidSubnet.Conflict")
    assert len(simulator.store.find("ec2:Subnet")) == 1, "nothing is left of a refused request"


def test_a_dangling_reference_is_refused_with_its_own_code(simulator: Simulator) -> None:
    with pytest.raises(CloudError) as refused:
        make_subnet(simulator, "vpc-none")
    assert refused.value.code == "InvalidVpcID.NotFound"
    assert "The vpc ID 'vpc-none' does not exist" in str(refused.value)


def test_what_others_need_cannot_be_deleted_until_they_are_gone(simulator: Simulator) -> None:
    vpc = make_vpc(simulator)
    subnet = make_subnet(simulator, vpc)
    with pytest.raises(CloudError) as refused:
        simulator.delete(VPC, vpc)
    assert refused.value.code == "DependencyViolation"
    assert len(simulator.store.find("ec2:SecurityGroup")) == 1, "a refused deletion removes nothing"
    simulator.delete(SUBNET, subnet)
    simulator.delete(VPC, vpc)
    assert simulator.store.find("ec2:Vpc") == []


def test_secrets_appear_neither_in_the_journal_nor_in_an_error(simulator: Simulator) -> None:
    with pytest.raises(CloudError) as refused:
        simulator.create(SUBNET, "s", {"vpcId": Secret("vpc-hunter2"), "cidrBlock": "10.0.0.0/24"})
    entry = simulator.store.journal()[-1]
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(entry)
    assert entry.request["VpcId"] == "[secret]"


# --- previews --------------------------------------------------------------------------------------------------------


def test_a_preview_makes_nothing_and_leaves_the_services_values_unknown(simulator: Simulator) -> None:
    made = simulator.create(SUBNET, "s", {"vpcId": UNKNOWN, "cidrBlock": "10.0.0.0/24"}, preview=True)
    assert made.id == ""
    assert made.state["arn"] is UNKNOWN
    assert made.state["cidrBlock"] == "10.0.0.0/24"
    assert simulator.store.find("ec2:Subnet") == []
    assert simulator.store.journal() == []


def test_a_preview_refuses_what_can_be_decided_already(simulator: Simulator) -> None:
    with pytest.raises(CloudError, match=r"InvalidSubnet.Range"):
        simulator.create(SUBNET, "s", {"vpcId": UNKNOWN, "cidrBlock": "10.0.0.0/8"}, preview=True)


def test_a_preview_leaves_open_what_the_same_update_may_still_make_or_remove(simulator: Simulator) -> None:
    vpc = make_vpc(simulator)
    make_subnet(simulator, vpc)
    for inputs in ({"vpcId": "vpc-to-be", "cidrBlock": "10.0.0.0/24"}, {"vpcId": vpc, "cidrBlock": "10.0.0.0/24"}):
        assert simulator.create(SUBNET, "s", inputs, preview=True).state["cidrBlock"] == "10.0.0.0/24"


def test_an_update_preview_keeps_known_outputs(simulator: Simulator) -> None:
    made = simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"})
    news = {"cidrBlock": "10.0.0.0/16", "tags": {"a": UNKNOWN}}
    state = simulator.update(VPC, made.id, {}, news, olds=made.state, preview=True)
    assert state["ownerId"] == "000000000000"
    assert state["tagsAll"] == {"a": UNKNOWN}
    assert simulator.store.get("ec2:Vpc", made.id) is not None


# --- diff ------------------------------------------------------------------------------------------------------------


def test_a_name_that_the_program_chose_forces_deletion_before_replacement(simulator: Simulator) -> None:
    old = {"name": "c", "roleArn": "a", "vpcConfig": {"subnetIds": ["1"]}}
    new = {**old, "roleArn": "b"}
    assert simulator.diff(CLUSTER, "c", old, new).delete_before_replace
    made_up = {"__defaults": ["name"]}
    assert not simulator.diff(CLUSTER, "c", {**old, **made_up}, {**new, **made_up}).delete_before_replace
    assert not simulator.diff(CLUSTER, "c", old, {**old, "version": "1.36"}).delete_before_replace


def test_another_region_is_another_resource(simulator: Simulator) -> None:
    found = simulator.diff(VPC, "v", {"region": "us-east-1"}, {"region": "us-west-2"})
    assert found.replaces == ["region"]


def test_an_object_whose_creation_failed_is_replaced(simulator: Simulator) -> None:
    inputs = cluster_inputs(simulator)
    made = simulator.create(CLUSTER, "c", inputs)
    item = simulator.store.get("eks:Cluster", made.id)
    assert item is not None
    item.body["status"] = "FAILED"
    simulator.store.put(item)
    found = simulator.diff(CLUSTER, made.id, inputs, inputs)
    assert found.changes == {"status": Change(ChangeKind.UPDATE, replace=True, output=True)}
    assert found.delete_before_replace


# --- configuration, invokes, types without a binding -----------------------------------------------------------------


def test_a_configuration_that_is_not_marked_is_refused(simulator: Simulator) -> None:
    with pytest.raises(CloudError, match=r'allowedAccountIds must be \["000000000000"\]'):
        simulator.configure({"region": "us-east-1", "allowedAccountIds": ["123456789012"]})


def test_the_providers_region_is_where_objects_are_made(simulator: Simulator) -> None:
    simulator.configure({"region": "eu-west-1", "allowedAccountIds": ["000000000000"]})
    made = simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"})
    assert made.state["region"] == "eu-west-1"
    other = simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16", "region": "us-west-2"})
    assert other.state["region"] == "us-west-2"


def test_a_modelled_data_source_answers_and_the_others_fail_by_name(simulator: Simulator) -> None:
    assert simulator.invoke(ZONES, {})["names"] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    with pytest.raises(
        CloudError, match=r"aws:ec2/getAmi:getAmi is not modelled by the simulator; modelled are: .*Zone"
    ):
        simulator.invoke("aws:ec2/getAmi:getAmi", {})
    with pytest.raises(CloudError, match="aws:ec2/getAmy:getAmy does not exist in pulumi_aws"):
        simulator.invoke("aws:ec2/getAmy:getAmy", {})


def test_a_type_without_a_binding_is_kept_and_marked(simulator: Simulator) -> None:
    token = "aws:ec2/keyPair:KeyPair"
    made = simulator.create(token, "k", {"publicKey": "ssh-rsa AAAA", "tags": {"a": "1"}})
    assert made.state["publicKey"] == "ssh-rsa AAAA"
    assert made.state["tagsAll"] == {"a": "1"}
    assert "arn" not in made.state, "nothing is made up"
    assert simulator.marker(token) == "shape only, replacement unknown"
    assert [entry.modelled for entry in simulator.store.journal()] == [False]
    assert simulator.diff(token, made.id, {"publicKey": "a"}, {"publicKey": "b"}).replaces == []


def test_a_package_seeds_an_account_once(store: SqliteStore) -> None:
    Simulator(PACKAGE, store)
    store.remove("ec2:AvailabilityZone", "us-east-1a")
    Simulator(PACKAGE, store)
    assert store.find("ec2:AvailabilityZone") == []


# --- previews of what rules cannot read yet, adoption, names, defects ------------------------------------------------


def _with(**changes: object) -> CloudPackage:
    """The toy cloud with another VPC binding."""
    binding = dataclasses.replace(PACKAGE.bindings[VPC], **changes)  # type: ignore[arg-type] # fields by name
    return dataclasses.replace(PACKAGE, bindings={**PACKAGE.bindings, VPC: binding})


def test_a_document_with_an_unknown_inside_is_unknown_as_a_whole(simulator: Simulator) -> None:
    checked = simulator.check("aws:iam/role:Role", "r", {"assumeRolePolicy": {"Statement": [{"Resource": UNKNOWN}]}})
    assert is_unknown(checked.inputs["assumeRolePolicy"])


def test_a_converter_that_trips_over_an_unknown_leaves_the_preview_undecided(store: SqliteStore) -> None:
    def converts(inputs: dict[str, Json], _: Context) -> dict[str, Json]:
        return {"CidrBlock": json.loads(inputs["cidrBlock"])}

    simulator = Simulator(_with(to_body=converts), store)
    assert is_unknown(simulator.create(VPC, "v", {"cidrBlock": UNKNOWN}, preview=True).state["arn"])
    with pytest.raises(ValueError, match="Extra data"):
        simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"}, preview=True)


def test_an_adopted_object_is_taken_over_and_left_behind(store: SqliteStore) -> None:
    simulator = Simulator(_with(adopts=True, identity="vpc-default", compute=None, after_create=None), store)
    body = {"VpcId": "vpc-default", "CidrBlock": "172.31.0.0/16", "OwnerId": "000000000000"}
    theirs = CloudObject(kind="ec2:Vpc", id="vpc-default", region="us-east-1", body=body, maker=Maker.SERVICE)
    store.put(theirs)
    made = simulator.create(VPC, "v", {"enableDnsHostnames": True}, urn="urn:v")
    assert made.state["ownerId"] == "000000000000"
    simulator.delete(VPC, made.id)
    left = store.get("ec2:Vpc", "vpc-default")
    assert left is not None
    assert (left.maker, left.urn, left.body["EnableDnsHostnames"]) == (Maker.SERVICE, "", True)


def test_tags_reach_the_body_of_a_converter_that_does_not_know_them(store: SqliteStore) -> None:
    simulator = Simulator(_with(to_body=lambda inputs, _: {"CidrBlock": inputs["cidrBlock"]}), store)
    made = simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16", "tags": {"a": "1"}})
    assert made.state["tagsAll"] == {"a": "1"}


def test_pulumis_id_may_differ_from_the_services(store: SqliteStore) -> None:
    simulator = Simulator(_with(pulumi_id="{OwnerId}/{VpcId}"), store)
    made = simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"})
    assert made.id.startswith("000000000000/vpc-")
    assert simulator.read(VPC, made.id) is not None
    simulator.delete(VPC, made.id)
    assert store.find("ec2:Vpc") == []
