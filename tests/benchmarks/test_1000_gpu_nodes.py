"""How long 1,000 GPU nodes take from the node group's creation until every node is Ready and the group ACTIVE."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster.environment import LocalEnvironment
from tests.benchmarks.measure import report, seconds

pytestmark = [pytest.mark.benchmark, pytest.mark.simulation, pytest.mark.timeout(580)]

NODES, FEW = 1000, 100
CLUSTER = "wide"
LIMIT_SECONDS = 300.0


class Silent:
    """A console that says nothing."""

    def print(self, *objects: object) -> None:
        """Say nothing."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    """The account of an environment whose cluster is ACTIVE."""
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path))
    environment = LocalEnvironment("bench")
    try:
        environment.up(Silent())
        made = SqliteStore(environment.paths.account)
        _put(
            made, "ec2:Subnet", "subnet-1", SubnetId="subnet-1", CidrBlock="10.0.0.0/16", AvailabilityZone="us-east-1a"
        )
        _template(made)
        network = {"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}
        _put(
            made, "eks:Cluster", CLUSTER, name=CLUSTER, status="CREATING", resourcesVpcConfig=network,
            bootstrapSelfManagedAddons=False, kubernetesNetworkConfig={"serviceIpv4Cidr": "172.20.0.0/16"},
        )  # fmt: skip
        _wait(made, "eks:Cluster", CLUSTER)
        yield made
        made.close()
    finally:
        environment.down(Silent())


def _put(store: SqliteStore, kind: str, identifier: str, **body: Any) -> None:
    store.put(CloudObject(kind=kind, id=identifier, region="us-east-1", body=body))


def _template(store: SqliteStore) -> None:
    cards: list[dict[str, Any]] = [{"NetworkCardIndex": 0, "DeviceIndex": 0, "InterfaceType": "interface"}]
    cards += [
        {"NetworkCardIndex": card, "DeviceIndex": int(card == 0), "InterfaceType": "efa-only"} for card in range(32)
    ]
    data = {"InstanceType": "p5.48xlarge", "NetworkInterfaces": cards}
    _put(store, "ec2:LaunchTemplate", "lt-1", LaunchTemplateId="lt-1", DefaultVersionNumber=1, LatestVersionNumber=1)
    _put(
        store, "ec2:LaunchTemplateVersion", "lt-1:1", LaunchTemplateId="lt-1", VersionNumber=1, LaunchTemplateData=data
    )


def _group(store: SqliteStore, name: str, nodes: int) -> None:
    _put(
        store, "eks:Nodegroup", f"{CLUSTER}:{name}", clusterName=CLUSTER, nodegroupName=name, status="CREATING",
        scalingConfig={"minSize": 0, "maxSize": nodes, "desiredSize": nodes}, subnets=["subnet-1"],
        launchTemplate={"id": "lt-1", "version": "1"},
    )  # fmt: skip
    _wait(store, "eks:Nodegroup", f"{CLUSTER}:{name}")


def _wait(store: SqliteStore, kind: str, identifier: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        found = store.get(kind, identifier)
        assert found is not None, f"{kind} {identifier} is gone"
        if found.body["status"] == "ACTIVE":
            return
        assert time.monotonic() < deadline, found.body
        time.sleep(0.05)


def test_1000_gpu_nodes_get_ready(store: SqliteStore) -> None:
    few = seconds(lambda: _group(store, "few", FEW))
    many = seconds(lambda: _group(store, "many", NODES))
    assert len(store.find("ec2:Instance")) == NODES + FEW
    report(
        "1,000 GPU nodes Ready (p5.48xlarge, 32 EFA interfaces each)",
        {f"{FEW} nodes": f"{few:.1f} s", f"{NODES} nodes": f"{many:.1f} s ({NODES / many:.0f} nodes/s)"},
        ratio=f"{many / few:.1f} x the time of {FEW} nodes, for {NODES // FEW} x the nodes",
        target="30 s for 1,000 nodes",
    )
