"""Agents of process nodes: one process per node of a labelled group, as long as the node is in the cluster."""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from local.cloud.model import Account
from local.cluster.certificates import Authority
from local.cluster.children import Child, ChildSpec
from local.cluster.control_plane import ControlPlane
from local.cluster.files import private_directory
from local.cluster.layout import nodes_of
from local.cluster.lustre import FILE_SYSTEM
from local.cluster.ports import LOOPBACK, PortBook
from local.cluster.process_node import cgroup_bases
from local.cluster.process_node.config import save
from local.cluster.process_node.network.supervise import holder_spec
from local.cluster.process_node.seams import NodeSettings
from local.cluster.views import NodeView
from local.paths import REPOSITORY

_LOG = logging.getLogger(__name__)
_POD_ADDRESSES = "100.100.0.0/16"
_PASSED_VARIABLES = ("HOME", "SLIPWAY_CACHE_DIR", "XDG_CACHE_HOME")
"""Where the workloads' Python environment is found."""


class ProcessNodes:
    """The agents of one cluster."""

    def __init__(self, account: Account, plane: ControlPlane) -> None:
        self._account = account
        self._plane = plane
        self._nodes: Mapping[str, NodeView] = {}
        self._agents: dict[str, Child] = {}
        """By uid of the node: addresses, and with them names, are used again."""
        self._network: Child | None = None
        self._swept = False
        self._file_systems = plane.directory.parent.parent / "lustre"

    async def reconcile(self, nodes: Mapping[str, NodeView]) -> None:
        """One pass: agents for new nodes, an end to those of nodes that are gone."""
        self._nodes = nodes
        wanted = {node.uid: node for node in nodes.values() if node.process}
        for uid in [uid for uid in self._agents if uid not in wanted]:
            await self._plane.end_controller(self._agents.pop(uid))
            await asyncio.to_thread(_remove, self._directory(uid))
            _LOG.info("cluster %s: the agent of node %s is gone", self._plane.name, uid)
        if not self._swept:
            self._swept = True
            # Of nodes that went while no supervisor ran.
            for path in [path for path in nodes_of(self._plane.directory).glob("*") if path.name not in wanted]:
                await asyncio.to_thread(_remove, path)
        for uid, node in wanted.items():
            if uid not in self._agents:
                await self._start(node)
        if self._network is not None and not wanted:
            network, self._network = self._network, None
            await self._plane.end_controller(network)
        await asyncio.to_thread(self._forget_file_systems)

    async def _start(self, node: NodeView) -> None:
        if self._network is None:
            spec = await asyncio.to_thread(self._network_spec)
            self._network = self._plane.run_controller(spec)
        spec = await asyncio.to_thread(self._prepare, node)
        self._agents[node.uid] = self._plane.run_controller(spec)
        _LOG.info("cluster %s: the agent of process node %s starts", self._plane.name, node.name)

    def _network_spec(self) -> ChildSpec:
        return holder_spec(self._plane, service_cidr=self._plane.service_cidr, pod_cidr=_POD_ADDRESSES)

    def _directory(self, uid: str) -> Path:
        return nodes_of(self._plane.directory) / uid

    def _prepare(self, node: NodeView) -> ChildSpec:
        plane = self._plane
        directory = private_directory(self._directory(node.uid))
        authority = Authority(plane.directory / "pki", plane.name)
        pair = authority.node(f"node-{node.name}", node.name, (LOOPBACK, "localhost"))
        port_name = f"kubelet-{node.name}"
        port = PortBook(plane.directory / "ports.json").reserve(port_name)[port_name]
        settings = NodeSettings(
            node=node.name,
            cluster=plane.name,
            server=plane.server,
            authority=authority.pair.certificate,
            certificate=pair.certificate,
            key=pair.key,
            kubelet_port=port,
            directory=directory,
            cluster_directory=plane.directory,
            file_systems=private_directory(self._file_systems),
            address=node.address,
            service_cidr=plane.service_cidr,
            pod_cidr=_POD_ADDRESSES,
            repository=REPOSITORY,
        )
        file = directory / "settings.json"
        save(settings, file)
        return ChildSpec(
            name=f"process-node-{node.name.partition('.')[0]}",
            cluster=plane.name,
            # -P: no module of the working directory hides the standard library's.
            arguments=[sys.executable, "-P", "-m", "local.cluster.process_node", str(file)],
            log=plane.directory / "logs" / f"process-node-{node.name}.log",
            ports={"kubelet": port},
            healthy=self._health(node.name),
            environment={**_passed(), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(REPOSITORY)},
        )

    def _health(self, name: str) -> Callable[[], Awaitable[str]]:
        async def ready() -> str:
            node = self._nodes.get(name)
            return "" if node is not None and node.ready else "its node is not Ready; `kubectl describe node` says why"

        return ready

    def _forget_file_systems(self) -> None:
        """With a file system goes what was on it."""
        if not self._file_systems.is_dir():
            return
        for path in self._file_systems.iterdir():
            if self._account.get(FILE_SYSTEM, path.name) is None:
                shutil.rmtree(path, ignore_errors=True)


def _remove(node_directory: Path) -> None:
    cgroup_bases.clear(node_directory)
    shutil.rmtree(node_directory, ignore_errors=True)


def _passed() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
