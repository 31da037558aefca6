"""A gang in two pods on two process nodes finds itself by DNS and computes together; needs the toolchain."""

import json
from collections.abc import Iterator

import pytest

from tests.support.cluster_world import CLUSTER
from tests.support.process_world import NAMESPACE, Document, ProcessWorld, config_map

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(900)]

PROGRAM = """
import json, os, socket, torch, torch.distributed as dist
dist.init_process_group("gloo")
value = torch.full((1 << 20,), float(dist.get_rank() + 1))
dist.all_reduce(value)
if int(os.environ["LOCAL_RANK"]) == 0:
    sizes = {"rank": dist.get_rank(), "world": dist.get_world_size(), "sum": value[-1].item()}
    print(json.dumps({**sizes, "host": socket.gethostname(), "fqdn": socket.getfqdn()}), flush=True)
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessWorld]:
    """Two process nodes with DNS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        made = ProcessWorld("gang", nodes=2)
        try:
            addon = {"clusterName": CLUSTER, "addonName": "coredns", "addonVersion": "v1", "status": "CREATING"}
            made.world.put("eks:Addon", f"{CLUSTER}:coredns", **addon)
            dns = "/api/v1/namespaces/kube-system/services/kube-dns"
            made.wait("the Service of CoreDNS", lambda: made.call(dns).is_success)
            assert made.call(dns).json()["spec"]["clusterIP"] == "172.20.0.10", "the tenth address, as EKS gives it"
            yield made
        finally:
            made.close()


def _create(world: ProcessWorld, path: str, kind: str, name: str, spec: Document) -> None:
    document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    answer = world.call(path, method="POST", body=document)
    assert answer.is_success, answer.text


def _member(run: str, index: int, node: str, arguments: list[str]) -> Document:
    launch = ["torchrun", "--nnodes=2", "--nproc-per-node=2", *arguments, "/program/main.py"]
    container = {
        "name": "node",
        "image": "registry.example/slipway/trainer:1",
        "command": launch,
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
        # A pod without requests gets next to nothing of a busy machine.
        "resources": {"requests": {"cpu": "1", "memory": "512Mi"}},
        "volumeMounts": [{"name": "program", "mountPath": "/program"}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "hostname": f"{run}-node-0-{index}",
        "subdomain": run,
        "nodeName": node,
        "containers": [container],
        "volumes": [{"name": "program", "configMap": {"name": f"{run}-program"}}],
    }
    metadata = {"name": f"{run}-node-0-{index}", "labels": {"run": run}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("rendezvous", ["static", "c10d"])
def test_torchrun_on_two_nodes_meets_by_the_name_of_a_headless_service(world: ProcessWorld, rendezvous: str) -> None:
    run = f"gang-{rendezvous}"
    gang = {"clusterIP": "None", "selector": {"run": run}, "publishNotReadyAddresses": True}
    _create(world, f"{NAMESPACE}/services", "Service", run, gang)
    world.create(config_map(f"{run}-program", **{"main.py": PROGRAM}))
    nodes = sorted(item["metadata"]["name"] for item in world.world.nodes())
    first = f"{run}-node-0-0.{run}"
    for index, node in enumerate(nodes):
        arguments = [f"--node-rank={index}", f"--master-addr={first}", "--master-port=29400"]
        if rendezvous == "c10d":
            arguments = ["--rdzv-backend=c10d", f"--rdzv-endpoint={first}:29400", f"--rdzv-id={run}"]
        world.create(_member(run, index, node, arguments))
    told = []
    for index in range(2):
        ended = world.phase(f"{run}-node-0-{index}", "Succeeded", "Failed", seconds=400)
        output = world.output(f"{run}-node-0-{index}", "node")
        assert ended == "Succeeded", output
        told.append(json.loads(next(line for line in output.splitlines() if line.startswith("{"))))
    assert [item["world"] for item in told] == [4, 4], "2 pods x 2 processes"
    assert [item["sum"] for item in told] == [10.0, 10.0], "1 + 2 + 3 + 4: every rank's tensor crossed the network"
    assert {item["host"] for item in told} == {f"{run}-node-0-0", f"{run}-node-0-1"}
    assert {item["fqdn"] for item in told} == {
        f"{run}-node-0-{index}.{run}.default.svc.cluster.local" for index in (0, 1)
    }
