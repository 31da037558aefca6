"""How the supervisor starts the holder of a cluster's network, and knows that it works."""

import asyncio
import sys

from local.cluster.certificates import Authority
from local.cluster.children import ChildSpec
from local.cluster.control_plane import ControlPlane
from local.cluster.files import private_directory
from local.cluster.process_node.network.rendezvous import join
from local.paths import REPOSITORY

NAME = "process-network"
_USER = "system:kube-proxy"
"""May read Services and EndpointSlices (bootstrap role ``system:node-proxier``), which is all that it needs."""


def holder_spec(plane: ControlPlane, *, service_cidr: str, pod_cidr: str) -> ChildSpec:
    """What ``ControlPlane.run_controller`` starts, before the first agent of the cluster; it may write files."""
    directory = private_directory(plane.directory / "network")
    authority = Authority(plane.directory / "pki", plane.name)
    pair = authority.client(NAME, _USER)

    async def health() -> str:
        try:
            # Without a name: no node joins, no block of addresses is taken.
            joined = await asyncio.to_thread(join, directory, "")
        except OSError as error:
            return f"the pods' network is not there: {error}"
        joined.close()
        return ""

    return ChildSpec(
        name=NAME,
        cluster=plane.name,
        # -P: no module of the working directory hides the standard library's.
        arguments=[
            sys.executable,
            "-P",
            "-m",
            "local.cluster.process_node.network",
            f"--directory={directory}",
            f"--server={plane.server}",
            f"--authority={authority.pair.certificate}",
            f"--certificate={pair.certificate}",
            f"--key={pair.key}",
            f"--pods={pod_cidr}",
            f"--services={service_cidr}",
        ],
        log=plane.directory / "logs" / f"{NAME}.log",
        ports={},
        healthy=health,
        environment={"HOME": str(plane.directory), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
    )
