"""Ten defects, each planted in a copy of the program: `up` must fail, and for exactly that reason.

They go into two running environments, one after the other, because a defect that EC2 refuses leaves a stack that the
next `up` continues, and one that only shows on running pods is put right by the next `up`. Each environment ends with
the program unpatched: the control, without which a failure proves nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.sandbox import Answer, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

FAILED, USAGE, NOT_READY = 1, 2, 3
READY_SECONDS = "20"
RESERVATION = "aws:ec2/capacityReservation:CapacityReservation"
SETTINGS = "stacks/config/Pulumi.local.yaml"
PLATFORM = "stacks/aws_platform.py"
ADDRESSES = "components/cidr.py"
CAPACITY = "components/aws/capacity.py"
CLUSTER_ADDONS = "components/aws/cluster_addons.py"
GPU_NODES = "components/aws/gpu_nodes.py"
NODE_GROUP = "components/aws/node_group.py"
STORAGE = "components/aws/storage.py"
RESERVED = "fabric: efa\n    capacity: {kind: reservation, id: RESERVATION}"
DEVICE_PLUGINS = "components/kubernetes/device_plugins.py"


@dataclass(frozen=True)
class Edit:
    """A text of a file of the copy, and what takes its place."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Defect:
    """What is planted, and how `up` must end."""

    name: str
    edits: tuple[Edit, ...]
    expected: tuple[str, ...]
    status: int
    planned: bool = False
    """Whether `slipway plan`, which `make up` runs first, refuses it already: nothing is created then."""
    new_run: bool = True
    """Whether it takes a new run to see it."""


CREATION = (
    Defect(
        name="volume-too-large",
        edits=(
            Edit(PLATFORM, "root_volume_gib=pool.disk_gib,\n        labels", "root_volume_gib=20000,\n        labels"),
        ),
        expected=("root_volume_gib 20000 is out of range", "(gp3's limit)"),
        status=FAILED,
        planned=True,
    ),
    Defect(
        name="subnet-overlap",
        edits=(
            Edit(
                ADDRESSES,
                "next(rest.subnets(new_prefix=public_prefix))",
                "next(private.subnets(new_prefix=public_prefix))",
            ),
        ),
        expected=("InvalidSubnet.Conflict", "conflicts with another subnet"),
        status=FAILED,
        planned=True,
    ),
    Defect(
        name="role-without-a-policy",
        edits=(
            Edit(
                NODE_GROUP,
                '("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")',
                '("AmazonEC2ContainerRegistryPullOnly",)',
            ),
        ),
        expected=("NodeCreationFailure", "AmazonEKSWorkerNodePolicy"),
        status=FAILED,
        planned=True,
    ),
    Defect(
        name="interfaces-of-another-type",
        edits=(
            Edit(
                GPU_NODES,
                "for interface in interface_layout(kind, efa=args.efa)\n",
                'for interface in interface_layout(instance("p5.48xlarge"), efa=args.efa)\n',
            ),
            Edit(SETTINGS, "instanceType: p5.48xlarge", "instanceType: p5en.48xlarge"),
        ),
        expected=("Network card index 16 is not valid for instance type p5en.48xlarge, which has 16 network cards",),
        status=FAILED,
        planned=True,
    ),
    Defect(
        name="reservation-with-a-placement-group",
        edits=(
            Edit(CAPACITY, "if self.type.reserved:\n            return False\n        return", "return"),
            Edit(SETTINGS, "fabric: efa", RESERVED),
        ),
        # EC2 says no more than this; the next defect shows that the same reservation serves the program as it is.
        expected=("InsufficientInstanceCapacity", "NodeGroup training"),
        status=FAILED,
    ),
    Defect(
        name="file-system-in-another-zone",
        edits=(
            Edit(PLATFORM, "zone=item.zone,", "zone=network.zones[1],"),
            Edit(SETTINGS, "fabric: efa", RESERVED),
        ),
        expected=(
            "training p5.48xlarge 2/2 16/16 H100 64/64 ready",
            "2 node(s) didn't match PersistentVolume's node affinity",
            "0 of 2 pods run",
        ),
        status=NOT_READY,
    ),
)
RUNNING = (
    Defect(
        name="device-plugin-missing",
        edits=(
            Edit(DEVICE_PLUGINS, "in ((NVIDIA, nvidia, nvidia_values), (EFA", "in ((EFA"),
            Edit(DEVICE_PLUGINS, "efa, efa_values))", "efa, efa_values),)"),
        ),
        expected=("0/16 H100", "the NVIDIA device plugin is not running", "Insufficient nvidia.com/gpu"),
        status=NOT_READY,
    ),
    Defect(
        name="csi-add-on-missing",
        edits=(
            Edit(CLUSTER_ADDONS, '("coredns", "aws-fsx-csi-driver")', '("coredns",)'),
            Edit(PLATFORM, 'ready["aws-fsx-csi-driver"]', 'ready["coredns"]'),
        ),
        expected=("driver name fsx.csi.aws.com not found in the list of registered CSI drivers",),
        status=NOT_READY,
    ),
    Defect(
        name="security-group-closed",
        edits=(
            Edit(
                STORAGE,
                'rules += self._create_rule_pair(f"{name}-servers-{key}", group.id, client, args)',
                "pass",
            ),
        ),
        expected=("mount.lustre", "Input/output error Is the MGS running?"),
        status=NOT_READY,
    ),
    Defect(
        name="private-endpoint-without-access",
        edits=(
            Edit(PLATFORM, "endpoint_public_access=isinstance(access, PublicAccess),", "endpoint_public_access=False,"),
            Edit(
                PLATFORM,
                "access.cidrs if isinstance(access, PublicAccess) else (),\n        proxy",
                "(),\n        proxy",
            ),
        ),
        # Refused, unless another environment of this machine has been given the port meanwhile.
        expected=("cluster main: the Kubernetes API does not answer",),
        status=NOT_READY,
        new_run=False,
    ),
)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """An account that holds nothing yet."""
    sandbox = Sandbox.copy(tmp_path_factory.mktemp("creation"))
    sandbox.shrink()
    sandbox.expect("local", "up")
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def reservation(fresh: Sandbox) -> str:
    """Somebody has bought the machines of the GPU pool in advance."""
    inputs = {
        "availabilityZone": "us-east-1a",
        "instanceCount": 2,
        "instancePlatform": "Linux/UNIX",
        "instanceType": "p5.48xlarge",
        "instanceMatchCriteria": "targeted",
    }
    with fresh.another_caller() as cloud:
        return cloud.create(RESERVATION, "bought", inputs).id


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The unpatched program, up and ready: the control."""
    sandbox = Sandbox.copy(tmp_path_factory.mktemp("running"))
    sandbox.shrink()
    sandbox.expect("up", "local", "--yes")
    yield sandbox
    sandbox.close()


def plant(sandbox: Sandbox, defect: Defect) -> None:
    for edit in defect.edits:
        sandbox.replace(edit.path, edit.old, edit.new)


def lift(sandbox: Sandbox, defect: Defect) -> None:
    for path in {edit.path for edit in defect.edits}:
        sandbox.restore(path)
    sandbox.restore(SETTINGS)
    sandbox.shrink()


def up(sandbox: Sandbox) -> Answer:
    return sandbox.slipway("up", "local", "--yes", "--timeout", READY_SECONDS)


def check(answer: Answer, defect: Defect) -> None:
    assert answer.status == defect.status, f"{answer.output}\n{answer.errors}"
    assert [text for text in defect.expected if text not in answer.text] == [], answer.text


def made_by_programs(sandbox: Sandbox) -> list[str]:
    with sandbox.store() as store:
        return [f"{item.kind} {item.id}" for item in store.objects() if item.urn]


@pytest.mark.parametrize("defect", [item for item in CREATION if item.planned], ids=lambda item: item.name)
def test_the_plan_refuses_it_before_anything_is_created(fresh: Sandbox, defect: Defect) -> None:
    plant(fresh, defect)
    try:
        answer = fresh.slipway("plan", "local")
        assert answer.status == FAILED
        assert [text for text in defect.expected if text not in answer.text] == [], answer.text
        assert made_by_programs(fresh) == []
    finally:
        lift(fresh, defect)


def test_settings_without_a_way_to_a_private_endpoint_are_refused_before_anything_is_created(fresh: Sandbox) -> None:
    fresh.settings(lambda settings: settings.update(access={"kind": "tunnel", "admins": settings["access"]["admins"]}))
    try:
        answer = fresh.slipway("up", "local", "--yes")
        assert answer.status == USAGE
        assert "[private-endpoint-needs-path]" in answer.text
        assert made_by_programs(fresh) == []
    finally:
        fresh.restore(SETTINGS)
        fresh.shrink()


@pytest.mark.parametrize("defect", CREATION, ids=lambda item: item.name)
def test_what_the_cloud_refuses_ends_the_update_with_its_reason(
    fresh: Sandbox, reservation: str, defect: Defect
) -> None:
    plant(fresh, defect)
    if "RESERVATION" in fresh.settings_file.read_text():
        fresh.replace(SETTINGS, "RESERVATION", reservation)
    try:
        check(up(fresh), defect)
    finally:
        lift(fresh, defect)


@pytest.mark.parametrize("defect", RUNNING, ids=lambda item: item.name)
def test_what_only_shows_on_running_pods_ends_the_update_as_not_ready(running: Sandbox, defect: Defect) -> None:
    assert running.slipway("status", "local").status == 0, "the environment was not ready before the defect"
    plant(running, defect)
    try:
        if defect.new_run:
            # What the patched program no longer has is deleted last, and the complete run needs it no more: a new run,
            # for which there must be another value in the settings, meets the cluster as it is then.
            running.expect("up", "local", "--yes", "--no-wait")
            steps = 200 + RUNNING.index(defect)
            running.settings(lambda settings: settings["training"][0].update(args=[f"--steps={steps}"]))
        check(up(running), defect)
    finally:
        lift(running, defect)
        if defect is not RUNNING[-1]:
            running.slipway("up", "local", "--yes", "--timeout", READY_SECONDS)
