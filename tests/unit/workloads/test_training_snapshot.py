"""Every object of one run, to be read like code when it changes."""

import yaml
from syrupy.assertion import SnapshotAssertion

from components.accelerators import instance
from components.aws.fabric import default_taints, fabric_profile
from workloads.manifests.training import manifests
from workloads.specs import ClaimMount, NodeShare, TrainingSpec


def test_the_objects_of_a_run_are_as_reviewed(snapshot: SnapshotAssertion) -> None:
    kind = instance("p5.48xlarge")
    profile = fabric_profile(
        kind, efa=True, node_selector={"slipway.dev/pool": "training"}, taints=default_taints(kind)
    )
    spec = TrainingSpec(
        name="pretrain",
        namespace="research",
        pool="training",
        nodes=4,
        share=NodeShare(accelerators=8, accelerators_of_node=8, vcpus=192, memory_gib=2048),
        image="slipway/trainer:0.1.0",
        script="train.py",
        args=("--steps=100",),
        mount=ClaimMount(claim="scratch", path="/shared"),
        queue="research",
    )
    assert yaml.safe_dump_all(manifests(spec, profile).values(), sort_keys=True) == snapshot
