"""A cluster of simulated GPU nodes with the kit's own queues, and the jobs of several teams on it."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.aws.node_group import POOL_LABEL
from components.kubernetes.device_plugins import GPU_PRESENT_LABEL
from local.cluster.concurrency import for_each
from local.cluster.kube import Kube
from local.cluster.ports import LOOPBACK, PortBook
from tests.support.cluster_world import CLUSTER, World
from tests.support.queued.jobs import INSTANCE, POOL, manifest
from tests.support.queued.quotas import Quotas
from workloads.specs import TrainingSpec

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = REPOSITORY / "tests" / "simulation" / "programs" / "queues"
_QUEUES = "/apis/kueue.x-k8s.io/v1beta2/clusterqueues"
_COHORTS = "/apis/kueue.x-k8s.io/v1beta2/cohorts"
_UP_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Team:
    """A team's own nodes, how many it may borrow, and how many of its own it lends (None: all)."""

    namespace: str
    nodes: int
    borrowing: int
    lending: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As the program takes it."""
        limit = {} if self.lending is None else {"lending": self.lending}
        return {"namespace": self.namespace, "nodes": self.nodes, "borrowing": self.borrowing, **limit}


class QueuedPlatform:
    """``nodes`` nodes of 8 GPUs, ``teams`` with their queues, the rest of the nodes nobody's own."""

    def __init__(self, world: World, directory: Path, nodes: int, teams: Sequence[Team]) -> None:
        self.world = world
        self.nodes = nodes
        self.teams = teams
        self._directory = directory

    @property
    def cluster(self) -> Path:
        """The cluster's directory."""
        return self.world.environment.paths.clusters / CLUSTER

    def up(self) -> None:
        """Cluster, nodes, device plugins, Kueue and the teams' queues, by a program of the kit's components."""
        self.world.cluster(vpcId="vpc-1", subnetIds=["subnet-1"], clusterSecurityGroupId="sg-cluster")
        self.world.put(
            "ec2:Subnet", "subnet-1", SubnetId="subnet-1", VpcId="vpc-1", CidrBlock="10.0.0.0/16",
            AvailabilityZone="us-east-1a",
        )  # fmt: skip
        interfaces = [{"NetworkCardIndex": 0, "DeviceIndex": 0, "InterfaceType": "interface", "Groups": ["sg-nodes"]}]
        data = {"InstanceType": INSTANCE, "NetworkInterfaces": interfaces}
        self.world.put(
            "ec2:LaunchTemplate", "lt-1", LaunchTemplateId="lt-1", DefaultVersionNumber=1, LatestVersionNumber=1
        )
        self.world.put(
            "ec2:LaunchTemplateVersion", "lt-1:1", LaunchTemplateId="lt-1", VersionNumber=1, LaunchTemplateData=data
        )
        key = f"{CLUSTER}:{POOL}"
        self.world.put(
            "eks:Nodegroup", key, clusterName=CLUSTER, nodegroupName=POOL, status="CREATING",
            scalingConfig={"minSize": 0, "maxSize": self.nodes, "desiredSize": self.nodes}, subnets=["subnet-1"],
            launchTemplate={"id": "lt-1", "version": "1"},
            labels={POOL_LABEL: POOL, GPU_PRESENT_LABEL: "true"},
        )  # fmt: skip
        self.world.wait(lambda: self.world.body("eks:Nodegroup", key)["status"] == "ACTIVE", _UP_SECONDS)
        self._program()

    def _program(self) -> None:
        directory = self._directory
        (directory / "Pulumi.yaml").write_text("name: queues\nruntime: python\nmain: program/\n")
        (directory / "program").mkdir()
        (directory / "program" / "__main__.py").write_text((PROGRAM / "__main__.py").read_text())
        variables = self.world.environment.variables()
        given = {
            "kubeconfig": str(self.cluster / "admin.kubeconfig"),
            "mirror": variables["SLIPWAY_CHARTS_MIRROR"],
            "pool": POOL,
            "instanceType": INSTANCE,
            "nodes": self.nodes,
            "unassigned": self.nodes - sum(team.nodes for team in self.teams),
            "teams": [team.to_json() for team in self.teams],
        }
        environment = {**os.environ, **variables, "PYTHONPATH": str(REPOSITORY), "QUEUES": json.dumps(given)}
        for arguments in (["stack", "init", "test"], ["up", "--yes", "--skip-preview", "--stack", "test"]):
            done = subprocess.run(
                ["pulumi", *arguments, "--non-interactive", "--color", "never"],
                cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=_UP_SECONDS,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr

    def kube(self) -> Kube:
        """A client with the rights of the supervisor; belongs to the running event loop."""
        pki = self.cluster / "pki"
        port = PortBook(self.cluster / "ports.json").known()["api"]
        return Kube(f"https://{LOOPBACK}:{port}", pki / "ca.crt", pki / "supervisor.crt", pki / "supervisor.key")

    async def quotas(self, kube: Kube) -> Quotas:
        """What the queues declare in the cluster."""
        return Quotas.of(await kube.list(_QUEUES), await kube.list(_COHORTS))

    async def hold(self, kube: Kube, *, hold: bool, teams: Sequence[str] = ()) -> None:
        """Stops or starts admission by the queues of ``teams``, or of all."""
        for team in teams or [item.namespace for item in self.teams]:
            await kube.patch(f"{_QUEUES}/{team}", {"spec": {"stopPolicy": "Hold" if hold else "None"}})

    async def submit(self, kube: Kube, specs: Sequence[TrainingSpec]) -> None:
        """Creates the jobs."""

        async def create(spec: TrainingSpec) -> None:
            await kube.create(f"/apis/batch/v1/namespaces/{spec.namespace}/jobs", manifest(spec))

        await for_each(specs, create)
