"""Labels that nodes may carry: what Kubernetes, EKS and the kit keep for themselves."""

import pytest

from components import node_labels

FREE = [
    {"team": "research"},
    {"example.com/rack": "r7"},
    {"simulation.slipway.dev/node": "process"},
    {"node.kubernetes.io/purpose": "loading"},
    {"kubelet.kubernetes.io/x": "y"},
    {"nvidia.com/mig.config": "all-1g.10gb"},
]
TAKEN = [
    ({"kubernetes.io/role": "gpu"}, "belongs to Kubernetes"),
    ({"node-role.kubernetes.io/gpu": "x"}, "belongs to Kubernetes"),
    ({"topology.kubernetes.io/zone": "us-east-1a"}, "belongs to Kubernetes"),
    ({"x.k8s.io/y": "z"}, "belongs to Kubernetes"),
    ({"node.kubernetes.io/instance-type": "p5.48xlarge"}, "belongs to Kubernetes"),
    ({"eks.amazonaws.com/nodegroup": "x"}, "EKS writes these itself"),
    ({"topology.k8s.aws/network-node-layer-1": "nn-1"}, "where in the network"),
    ({"slipway.dev/pool": "other"}, "this kit writes these itself"),
    ({"": "x"}, "has no name"),
    ({"a/b/c": "x"}, "no domain name"),
    ({"Example.com/x": "y"}, "no domain name"),
    ({"-x": "y"}, "has no name"),
    ({"x" * 64: "y"}, "has no name"),
    ({"team": ""}, "value ''"),
    ({"team": "a b"}, "value 'a b'"),
    ({"team": "v" * 64}, "value 'vvv"),
]


@pytest.mark.parametrize("labels", FREE, ids=lambda labels: next(iter(labels)))
def test_a_label_of_ones_own_is_free(labels: dict[str, str]) -> None:
    assert node_labels.problems(labels) == []


@pytest.mark.parametrize(("labels", "says"), TAKEN, ids=[str(labels)[:50] for labels, _ in TAKEN])
def test_a_label_that_a_node_cannot_carry_is_refused_with_its_reason(labels: dict[str, str], says: str) -> None:
    (problem,) = node_labels.problems(labels)
    assert says in problem
