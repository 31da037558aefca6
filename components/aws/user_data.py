"""What an accelerated AL2023 machine does with itself before it joins: EKS adds the cluster's own part to it.

EKS merges user data of a launch template that names no image with its own (EKS user guide, launch templates): it must
be a MIME document of several parts, and a NodeConfig in it needs no cluster section.
"""

import base64

from components.accelerators import InstanceType

BOUNDARY = "==SLIPWAY=="

NODE_CONFIG = """\
---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  instance:
    localStorage:
      strategy: RAID0
"""
"""Local NVMe disks become one, for images, logs and emptyDir volumes (amazon-eks-ami, nodeadm API, LocalStorage).
Without it they stay unformatted, and all of that shares the root volume."""

LOCKED_MEMORY = """\
#!/bin/bash
set -euo pipefail
mkdir -p /etc/systemd/system/containerd.service.d
cat > /etc/systemd/system/containerd.service.d/10-locked-memory.conf <<'END'
[Service]
LimitMEMLOCK=infinity
END
systemctl daemon-reload
systemctl try-restart containerd
"""
"""Containers inherit the runtime's limit on locked memory. EFA registers the buffers that it sends from, which locks
them, and a pod under pod security ``restricted`` may not have IPC_LOCK. cloud-init runs this before nodeadm starts the
runtime, hence ``try-restart``, which leaves a stopped service alone."""


def user_data(instance: InstanceType, *, efa: bool) -> str | None:
    """The MIME document for nodes of ``instance``; None when nothing differs from what EKS does by itself."""
    parts = []
    if instance.local_nvme_gb:
        parts.append(("application/node.eks.aws", NODE_CONFIG))
    if efa:
        parts.append(('text/x-shellscript; charset="us-ascii"', LOCKED_MEMORY))
    if not parts:
        return None
    head = f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{BOUNDARY}"\n\n'
    body = "".join(f"--{BOUNDARY}\nContent-Type: {kind}\n\n{text}\n" for kind, text in parts)
    return f"{head}{body}--{BOUNDARY}--\n"


def encoded(document: str | None) -> str | None:
    """As the launch template takes it: base64."""
    return None if document is None else base64.b64encode(document.encode("ascii")).decode("ascii")
