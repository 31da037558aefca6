"""What controllers left at the cloud: found by tag and network, told from what others own, and deleted."""

from typing import Any

import pytest
from rich.console import Console

from cli.errors import UserError
from cli.inventory.account import AwsInventory
from cli.inventory.controllers import names_in
from cli.orphans import clear
from local.cloud.aws import scenarios as on
from local.cloud.aws.controllers import Owner, classic_balancer, network_balancer, remove_balancer, volume
from local.cloud.aws.residue import residue
from local.cloud.failures import CloudError
from local.paths import SIMULATED_ACCOUNT_ID

FRONT = Owner(cluster="demo", namespace="web", name="front")
STORE = Owner(cluster="demo", namespace="web", name="store")
DATA = Owner(cluster="demo", namespace="web", name="data")


@pytest.fixture
def left(serve: Any) -> Any:
    """A cluster that made two load balancers and a volume, and is gone without its controllers' cleaning up."""
    account = serve()
    account.builder.build(on.CLUSTER)
    with account.store.transaction():
        classic_balancer(account.store, FRONT)
        network_balancer(account.store, STORE)
        volume(account.store, DATA, zone="us-east-1a", size_gib=20)
    (cluster,) = account.store.find("eks:Cluster")
    account.builder.simulator.delete(on.CLUSTER_TOKEN, cluster.id)
    return account


def inventory(account: Any, *, removes_in: str = SIMULATED_ACCOUNT_ID) -> AwsInventory:
    return AwsInventory(account.client, removes_in=removes_in, poll_seconds=0.1)


def swept(account: Any, *clusters: str, removes_in: str = SIMULATED_ACCOUNT_ID, simulated: bool = True) -> list[str]:
    nets = [account.builder.ids["vpc"]]
    mine, quiet = inventory(account, removes_in=removes_in), Console(quiet=True)
    found = clear("dev", mine, nets, clusters, quiet, simulated=simulated, yes=True)
    return sorted(item.kind for item in found)


def delete_network(account: Any) -> None:
    for name, token in (("a", on.SUBNET_TOKEN), ("b", on.SUBNET_TOKEN), ("vpc", on.VPC_TOKEN)):
        account.builder.simulator.delete(token, account.builder.ids[name])


def test_a_network_with_leftovers_in_it_does_not_go(left: Any) -> None:
    with pytest.raises(CloudError, match="DependencyViolation"):
        delete_network(left)


def test_the_stage_deletes_what_controllers_left_and_the_network_goes(left: Any) -> None:
    assert swept(left, "demo") == [
        "ec2:SecurityGroup",
        "ec2:SecurityGroup",
        "ec2:Volume",
        "elb:LoadBalancer",
        "elbv2:LoadBalancer",
        "elbv2:TargetGroup",
    ]
    delete_network(left)
    kinds = {item.kind for item in residue(left.store) if item.kind not in {"iam:Role", "iam:AttachedPolicy"}}
    assert kinds == set(), "nothing that a controller made is left"
    assert swept(left, "demo") == [], "a second pass has nothing to do"


def test_a_cluster_that_an_earlier_attempt_took_out_of_the_state_is_known_by_the_tags(left: Any) -> None:
    assert "ec2:Volume" in swept(left), "the name comes from what lies in the network"
    delete_network(left)


def test_a_living_cluster_of_somebody_else_in_the_same_network_keeps_its_things(serve: Any) -> None:
    account = serve()
    account.builder.build(on.CLUSTER)
    with account.store.transaction():
        classic_balancer(account.store, FRONT)
        volume(account.store, DATA, zone="us-east-1a", size_gib=20)
    assert swept(account) == []
    assert len(account.store.find("elb:LoadBalancer")) == 1
    assert len(account.store.find("ec2:Volume")) == 1


def test_what_the_stack_itself_made_is_not_a_leftover(left: Any) -> None:
    tags = [{"Key": "kubernetes.io/cluster/demo", "Value": "owned"}, {"Key": "slipway:stack", "Value": "slipway/dev"}]
    inputs = {"name": "nodes", "vpcId": "${vpc}", "tags": {item["Key"]: item["Value"] for item in tags}}
    group = left.builder.create(on.GROUP_TOKEN, "nodes", inputs).id
    swept(left, "demo")
    assert left.store.get("ec2:SecurityGroup", group) is not None, "it is in the state, which takes it away in order"


def test_a_volume_that_names_no_cluster_is_told_and_left(left: Any) -> None:
    (disk,) = left.store.find("ec2:Volume")
    disk.body["Tags"] = [{"Key": "ebs.csi.aws.com/cluster", "Value": "true"}]
    left.store.put(disk)
    console = Console(record=True, width=200)
    clear("dev", inventory(left), [left.builder.ids["vpc"]], ["demo"], console, simulated=True, yes=True)
    assert f"{disk.id}: a volume of some cluster that its tags do not name" in console.export_text()
    assert [item.id for item in left.store.find("ec2:Volume")] == [disk.id]


def test_a_real_account_is_listed_and_nothing_is_deleted_without_the_option(left: Any) -> None:
    with pytest.raises(UserError) as refused:
        swept(left, "demo", removes_in="", simulated=False)
    assert "keep its network from being deleted" in refused.value.what
    assert "--delete-leftovers" in refused.value.fix
    assert len(left.store.find("elb:LoadBalancer")) == 1


def test_a_real_account_is_asked_about_even_with_the_option_unless_yes_was_said(left: Any) -> None:
    nets = [left.builder.ids["vpc"]]
    with pytest.raises(UserError) as refused:
        clear("dev", inventory(left), nets, ["demo"], Console(quiet=True), simulated=False, yes=False)
    assert "needs a yes, and there is nobody to ask" in refused.value.what
    assert len(left.store.find("ec2:Volume")) == 1
    assert "elb:LoadBalancer" in swept(left, "demo", simulated=False)


def test_what_does_not_go_is_named_with_the_reason(left: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (disk,) = left.store.find("ec2:Volume")
    disk.body["Attachments"] = [{"InstanceId": "i-0123456789abcdef0"}]
    left.store.put(disk)
    monkeypatch.setattr("cli.orphans._ROUNDS", 1)
    with pytest.raises(UserError, match="1 object of controllers") as refused:
        swept(left, "demo")
    assert "VolumeInUse" in str(refused.value.where)


def test_a_controller_that_cleans_up_leaves_nothing(serve: Any) -> None:
    account = serve()
    account.builder.build(on.CLUSTER)
    before = {(item.kind, item.id) for item in account.store.objects()}
    with account.store.transaction():
        for made in (classic_balancer(account.store, FRONT), network_balancer(account.store, STORE)):
            remove_balancer(account.store, made)
    assert {(item.kind, item.id) for item in account.store.objects()} == before


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ({"kubernetes.io/cluster/main": "owned"}, {"main"}),
        ({"kubernetes.io/cluster/main": "shared"}, set()),
        ({"elbv2.k8s.aws/cluster": "main"}, {"main"}),
        ({"ebs.csi.aws.com/cluster": "true"}, set()),
        ({"Name": "main"}, set()),
    ],
)
def test_clusters_are_read_from_the_tags_of_their_controllers(tags: dict[str, str], names: set[str]) -> None:
    assert names_in(tags) == names
