"""The network of one node's pods, from the agent's side."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TypeVar

from local.cluster.process_node.network.addresses import NoAddressError, PodAddresses
from local.cluster.process_node.network.links import LinkError, plug, unplug
from local.cluster.process_node.network.namespaces import enter_user, is_own_user_namespace, new_network_namespace
from local.cluster.process_node.network.rendezvous import Joined, join
from local.cluster.process_node.network.resolver import cluster_first
from local.cluster.process_node.seams import Attachment, NodeError, NodeSettings, PodRef

_RETRY_SECONDS = 0.5
_START_SECONDS = 30.0
_LOG = logging.getLogger(__name__)

T = TypeVar("T")


def directory_of(settings: NodeSettings) -> Path:
    """Where the holder of the cluster's network is found."""
    return settings.cluster_directory / "network"


def join_user_namespace(settings: NodeSettings) -> None:
    """Enter the user namespace that owns the cluster's network, in which this process is root.

    For agents that are not root; before the first thread. Waits for the holder.

    Raises:
        OSError: there is no holder, or the system refuses; the message says which.
    """
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            joined = join(directory_of(settings), "")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
            continue
        if joined.user is not None:
            enter_user(joined.user)
        joined.close()
        return


async def connect(settings: NodeSettings) -> "ClusterNetwork":
    """The network of this node; returns at once, ``ClusterNetwork.problem`` tells when it is there."""
    network = ClusterNetwork(settings)
    network.start()
    return network


class ClusterNetwork:
    """Implements ``seams.PodNetwork``.

    Pods' namespaces belong to this process; the bridge belongs to the holder. When the holder is lost, every pod is
    plugged into its successor's bridge under the same address.
    """

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._state = settings.directory / "addresses.json"
        self._joined: Joined | None = None
        self._addresses: PodAddresses | None = None
        self._problem = "the cluster's network is not there yet"
        self._pods: dict[str, tuple[int, str]] = {}
        """Descriptor of the namespace and address, by uid."""
        self._kept: set[str] | None = None
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for the holder, and to stay with it."""
        self._task = asyncio.create_task(self._keep(), name="pod network")

    async def attach(self, pod: PodRef) -> Attachment:
        """See ``seams.PodNetwork``."""
        async with self._lock:
            joined, addresses = self._joined, self._addresses
            if joined is None or addresses is None:
                raise NodeError(f"network is not ready: {self._problem}")
            if pod.uid not in self._pods:
                self._pods[pod.uid] = await self._make(pod, joined, addresses)
            namespace, address = self._pods[pod.uid]
            return Attachment(
                ip=address,
                netns=Path(f"/proc/{os.getpid()}/fd/{namespace}"),
                resolv_conf=cluster_first(pod.namespace, joined.welcome.name_server),
            )

    async def detach(self, uid: str) -> None:
        """See ``seams.PodNetwork``."""
        async with self._lock:
            namespace, address = self._pods.pop(uid, (None, None))
            address = address or (self._addresses.find(uid) if self._addresses else None)
            try:
                if address and self._joined:
                    # At once, also where a process of the pod still holds on to the namespace.
                    await _aside(partial(unplug, self._joined.network, address))
            except (LinkError, OSError) as error:
                # Its pair of devices ends with the namespace, and `plug` removes what the address's next owner finds.
                _LOG.warning("pod %s: %s", uid, error)
            finally:
                if namespace is not None:
                    os.close(namespace)
                if self._addresses:
                    self._addresses.release(uid)
                elif self._kept is not None:
                    self._kept.discard(uid)

    async def keep(self, uids: Collection[str]) -> None:
        """See ``seams.PodNetwork``."""
        async with self._lock:
            self._kept = set(uids)
            self._release_others()

    async def problem(self) -> str:
        """See ``seams.PodNetwork``."""
        return self._problem

    async def close(self) -> None:
        """See ``seams.PodNetwork``."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._leave()
        for namespace, _ in self._pods.values():
            os.close(namespace)
        self._pods.clear()

    def _release_others(self) -> None:
        """Once, as soon as both are known: what is kept, and what there is."""
        if self._kept is not None and self._addresses is not None:
            self._addresses.keep(self._kept | self._pods.keys())
            self._kept = None

    async def _make(self, pod: PodRef, joined: Joined, addresses: PodAddresses) -> tuple[int, str]:
        try:
            address = addresses.assign(pod.uid)
            namespace = await _aside(new_network_namespace)
        except (NoAddressError, OSError) as error:
            raise NodeError(f"cannot make a network for the pod: {error}") from error
        try:
            await _aside(partial(plug, joined.network, namespace, address, joined.welcome.plan))
        except (LinkError, OSError) as error:
            os.close(namespace)
            raise NodeError(f"cannot connect the pod: {error}") from error
        return namespace, address

    async def _keep(self) -> None:
        while True:
            try:
                joined = await asyncio.to_thread(join, directory_of(self._settings), self._settings.node)
                await self._stay(joined)
            except OSError as error:
                async with self._lock:
                    self._problem = f"the cluster's network is not there: {error}"
                    self._leave()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _stay(self, joined: Joined) -> None:
        """Plug everything in, then wait until the holder ends."""
        if joined.user is not None and not is_own_user_namespace(joined.user):
            # Without root, a new holder has a new user namespace, and only a new process can enter it.
            self._problem = "the holder of the network was replaced; the agent starts again"
            _LOG.warning("%s", self._problem)
            joined.close()
            os.kill(os.getpid(), signal.SIGTERM)
            return
        async with self._lock:
            self._joined = joined
            self._addresses = PodAddresses(self._state, joined.welcome.block)
            self._release_others()
            for uid, (namespace, address) in self._pods.items():
                try:
                    await _aside(partial(plug, joined.network, namespace, address, joined.welcome.plan))
                except (LinkError, OSError) as error:
                    _LOG.warning("pod %s: %s", uid, error)
            self._problem = ""
        _LOG.info("network: pods have addresses of %s", joined.welcome.block)
        joined.connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_recv(joined.connection, 1)
        except OSError as error:
            _LOG.debug("network: %s", error)
        async with self._lock:
            self._problem = "the cluster's network ended; waiting for its successor"
            self._leave()

    def _leave(self) -> None:
        joined, self._joined = self._joined, None
        if joined:
            joined.close()


async def _aside(function: Callable[[], T]) -> T:
    return await asyncio.to_thread(function)
