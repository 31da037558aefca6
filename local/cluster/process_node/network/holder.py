"""The process that holds one cluster's network: its namespace, the Service proxy and the name server.

Nothing of it is in the host's namespace, and it all ends with this process.
"""

import asyncio
import ipaddress
import logging
import signal
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local.cluster.informer import Informer
from local.cluster.kube import Kube
from local.cluster.process_node.network.addresses import NodeBlocks, name_server_of
from local.cluster.process_node.network.links import Plan, make_fabric
from local.cluster.process_node.network.name_server import PORT as DNS_PORT
from local.cluster.process_node.network.name_server import NameServer
from local.cluster.process_node.network.namespaces import inside_pool, new_network_namespace
from local.cluster.process_node.network.proxy import Frontend, Proxy, Sockets
from local.cluster.process_node.network.rendezvous import Door, Welcome
from local.cluster.process_node.network.services import Directory, Service, Slice, service_of, slice_of

_DNS_SERVICE = ("kube-system", "kube-dns")
_SETTLE_SECONDS = 0.02
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class HolderSettings:
    """Where the cluster is, and its addresses."""

    directory: Path
    server: str
    authority: Path
    certificate: Path
    key: Path
    plan: Plan

    @property
    def name_server(self) -> str:
        """Address of the cluster's DNS."""
        return name_server_of(self.plan.services)


async def hold(settings: HolderSettings, user_namespace: int | None) -> None:
    """Make the network and serve it until SIGTERM.

    Raises:
        local.cluster.process_node.network.namespaces.NamespaceError: the system forbids namespaces.
        local.cluster.process_node.network.links.LinkError: it forbids a device.
    """
    namespace = new_network_namespace()
    make_fabric(namespace, settings.plan)
    blocks = NodeBlocks(settings.directory / "nodes.json", settings.plan.pods)
    descriptors = [namespace, *([] if user_namespace is None else [user_namespace])]

    def welcome(node: str) -> Welcome:
        block = blocks.block_of(node, door.nodes) if node else ""
        return Welcome(plan=settings.plan, block=block, name_server=settings.name_server)

    door = Door(settings.directory, welcome, descriptors)
    kube = Kube(settings.server, settings.authority, settings.certificate, settings.key)
    services = Services(settings, namespace, kube)
    tasks = [asyncio.create_task(door.serve()), asyncio.create_task(services.run())]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: [task.cancel() for task in tasks])
    _LOG.info("pods %s, services %s, DNS %s", settings.plan.pods, settings.plan.services, settings.name_server)
    try:
        # Whichever fails ends the process, and the supervisor starts it again.
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        _LOG.info("ends")
    finally:
        await kube.close()


class Services:
    """Follows the cluster's Services with proxy and name server."""

    def __init__(self, settings: HolderSettings, namespace: int, kube: Kube) -> None:
        self._dns_address = settings.name_server
        self._wake = asyncio.Event()
        self._directory: Directory | None = Directory()
        self._services: Informer[Service] = Informer(kube, "/api/v1/services", service_of, self._changed)
        slices = "/apis/discovery.k8s.io/v1/endpointslices"
        self._slices: Informer[Slice] = Informer(kube, slices, slice_of, self._changed)
        self._sockets = Sockets(inside_pool(namespace))
        address = urlsplit(settings.server)
        pods = ipaddress.ip_network(settings.plan.pods)
        api = (address.hostname or "", address.port or 443)
        self._proxy = Proxy(self._sockets, self.directory, api, lambda item: ipaddress.ip_address(item) in pods)
        self._names = NameServer(self.directory)

    def directory(self) -> Directory:
        """The Services as they are known now."""
        if self._directory is None:
            self._directory = Directory.of(self._services.items.values(), self._slices.items.values())
        return self._directory

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._services.run())
            group.create_task(self._slices.run())
            group.create_task(self._follow())

    async def _follow(self) -> None:
        await self._services.synced.wait()
        await self._slices.synced.wait()
        while True:
            self._wake.clear()
            await self._sync_names()
            dns = [Frontend(self._dns_address, DNS_PORT, protocol) for protocol in ("TCP", "UDP")]
            await self._proxy.reconcile(reserved=dns)
            await self._wake.wait()
            # Changes come in bursts.
            await asyncio.sleep(_SETTLE_SECONDS)

    async def _sync_names(self) -> None:
        """DNS is there while its Service is, which comes with the CoreDNS add-on."""
        service = self.directory().services.get(_DNS_SERVICE)
        wanted = service is not None and service.address == self._dns_address
        if wanted and not self._names.running:
            udp = await self._sockets.bound(Frontend(self._dns_address, DNS_PORT, "UDP"))
            tcp = await self._sockets.bound(Frontend(self._dns_address, DNS_PORT, "TCP"))
            await self._names.start(udp, tcp)
        elif not wanted:
            await self._names.stop()

    def _changed(self) -> None:
        self._directory = None
        self._wake.set()
