"""What GPU nodes do with themselves before they join."""

import base64
import email

import pytest
import yaml

from components.accelerators import instance
from components.aws.gpu_nodes import GpuNodePool
from components.aws.node_pool import NodePool, NodePoolArgs
from components.aws.user_data import user_data
from local.cloud.plan import record
from tests.support.aws_components import network_and_cluster, training_args

DOCUMENT = """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="==SLIPWAY=="

--==SLIPWAY==
Content-Type: application/node.eks.aws

---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  instance:
    localStorage:
      strategy: RAID0

--==SLIPWAY==
Content-Type: text/x-shellscript; charset="us-ascii"

#!/bin/bash
set -euo pipefail
mkdir -p /etc/systemd/system/containerd.service.d
cat > /etc/systemd/system/containerd.service.d/10-locked-memory.conf <<'END'
[Service]
LimitMEMLOCK=infinity
END
systemctl daemon-reload
systemctl try-restart containerd

--==SLIPWAY==--
"""


def kinds(name: str, *, efa: bool) -> list[str]:
    document = user_data(instance(name), efa=efa)
    message = email.message_from_string(document or "")
    return [part.get_content_type() for part in message.walk()][1:]


def test_a_p5_with_fabric_uses_its_disks_and_may_lock_memory() -> None:
    assert user_data(instance("p5.48xlarge"), efa=True) == DOCUMENT


def test_the_document_is_mime_with_a_node_config() -> None:
    config, script = [part for part in email.message_from_string(DOCUMENT).walk() if not part.is_multipart()]
    assert yaml.safe_load(str(config.get_payload())) == {
        "apiVersion": "node.eks.aws/v1alpha1",
        "kind": "NodeConfig",
        "spec": {"instance": {"localStorage": {"strategy": "RAID0"}}},
    }
    assert str(script.get_payload()).startswith("#!/bin/bash\n"), "cloud-init runs what begins like a script"


@pytest.mark.parametrize(
    ("name", "efa", "expected"),
    [
        ("p4d.24xlarge", False, ["application/node.eks.aws"]),
        ("g6e.48xlarge", True, ["application/node.eks.aws", "text/x-shellscript"]),
        ("inf2.48xlarge", True, ["text/x-shellscript"]),
    ],
)
def test_a_node_gets_the_parts_that_it_needs(name: str, *, efa: bool, expected: list[str]) -> None:
    assert kinds(name, efa=efa) == expected


def test_without_disks_and_fabric_there_is_no_user_data() -> None:
    assert user_data(instance("inf2.xlarge"), efa=False) is None


def test_gpu_templates_carry_it_in_base64_and_cpu_templates_carry_none() -> None:
    def program() -> None:
        network, cluster = network_and_cluster()
        GpuNodePool("training", training_args(network.outputs, cluster.outputs))
        NodePool("system", NodePoolArgs(cluster=cluster.outputs, network=network.outputs))

    made = record(program)
    kind = "aws:ec2/launchTemplate:LaunchTemplate"
    given = made.get(kind, "training-template").inputs["userData"]
    assert base64.b64decode(given, validate=True).decode("ascii") == DOCUMENT
    assert "userData" not in made.get(kind, "system-template").inputs
