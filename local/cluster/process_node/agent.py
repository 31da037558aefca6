"""The agent of one process node: follows its pods, runs them, and tells the cluster how they and it are."""

import asyncio
import contextlib
import logging
import shutil
import signal
from collections.abc import Collection, Coroutine
from pathlib import Path
from typing import Any

from local.cluster.informer import Informer
from local.cluster.kube import Document, Kube
from local.cluster.process_node import network
from local.cluster.process_node.cgroups import Cgroups
from local.cluster.process_node.context import NodeContext
from local.cluster.process_node.events import Events
from local.cluster.process_node.kubelet_api import KubeletServer
from local.cluster.process_node.node_status import NodeStatus
from local.cluster.process_node.sandbox import Sandbox
from local.cluster.process_node.seams import NodeError, NodeSettings
from local.cluster.process_node.simulated import SimulatedPod, is_simulated
from local.cluster.process_node.status import finished
from local.cluster.process_node.store import Pods
from local.cluster.process_node.worker import PodWorker
from local.toolchain import workloads
from local.toolchain.errors import ToolchainError

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


class Agent:
    """One node."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._store = Pods()
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop; the containers end with it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        settings = self._settings
        kube = Kube(settings.server, settings.authority, settings.certificate, settings.key)
        events = Events(kube, settings.node)
        selector = f"spec.nodeName={settings.node}"
        pods: Informer[Document] = Informer(kube, "/api/v1/pods", _whole, self._changed.set, selector)
        services: Informer[Document] = Informer(kube, "/api/v1/services", _whole, lambda: None)
        node: Informer[Document] = Informer(
            kube, "/api/v1/nodes", _whole, self._changed.set, f"metadata.name={settings.node}"
        )
        pod_network = await network.connect(settings)
        cgroups = await asyncio.to_thread(Cgroups, settings.directory)
        context = NodeContext(
            settings=settings,
            kube=kube,
            events=events,
            network=pod_network,
            cgroups=cgroups,
            environment=lambda: workloads_environment(settings),
            services=lambda: services.items,
        )
        status = NodeStatus(settings, kube, events, pod_network)
        problem = await namespaces_problem()
        background = [
            self._in_background(name, work)
            for name, work in (
                ("watch of pods", pods.run()),
                ("watch of services", services.run()),
                ("watch of the node", node.run()),
                ("events", events.run()),
                ("status of the node", status.run(problem)),
            )
        ]
        api = KubeletServer(settings, self._store)
        try:
            await api.start()
            events.node("Starting", "Starting kubelet.")
            await self._follow(context, pods, services, node)
        finally:
            await self._end_workers()
            await api.stop()
            await events.flush()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await pod_network.close()
            cgroups.close()
            await kube.close()
            _LOG.info("stopped")

    def _in_background(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                # Without it the node would be deaf or mute for ever; the supervisor starts a new agent.
                _LOG.error("%s failed, and the agent ends", name, exc_info=error)
                self._stopping.set()

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(ended)
        return task

    async def _follow(
        self,
        context: NodeContext,
        pods: Informer[Document],
        services: Informer[Document],
        node: Informer[Document],
    ) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        swept = False
        while not self._stopping.is_set():
            changed = asyncio.create_task(self._changed.wait())
            await asyncio.wait({stopping, changed}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            self._changed.clear()
            if not all(informer.synced.is_set() for informer in (pods, services, node)):
                continue
            for item in node.items.values():
                context.allocatable = (item.get("status") or {}).get("allocatable") or {}
            if not swept:
                swept = True
                living = {item["metadata"]["uid"]: item for item in pods.items.values()}
                await asyncio.to_thread(self._sweep, living.keys())
                # A finished pod has given its address back, or would have if the former agent had lived.
                await context.network.keep({uid for uid, item in living.items() if not finished(item)})
            self._sync(context, pods)

    def _sync(self, context: NodeContext, pods: Informer[Document]) -> None:
        self._store.documents = pods.items
        workers = self._store.workers
        living = {item["metadata"]["uid"]: item for item in pods.items.values()}
        for uid in [uid for uid, worker in workers.items() if worker.task.done()]:
            worker = workers[uid]
            if not worker.task.cancelled() and worker.task.exception() is not None:
                _LOG.error("a pod's worker failed and starts again", exc_info=worker.task.exception())
                del workers[uid]
            elif uid not in living:
                del workers[uid]
        for uid, pod in living.items():
            if uid in workers:
                workers[uid].update(pod)
            else:
                workers[uid] = SimulatedPod(context, pod) if is_simulated(pod) else PodWorker(context, pod)
                workers[uid].task.add_done_callback(self._worker_ended)
        for uid, worker in workers.items():
            if uid not in living:
                worker.forget()

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        failed = not task.cancelled() and task.exception() is not None
        asyncio.get_running_loop().call_later(_RETRY_SECONDS if failed else 0.0, self._changed.set)

    def _sweep(self, living: Collection[str]) -> None:
        """Remove what is left of pods that went away while no agent ran."""
        base = self._settings.directory
        for path in [*(base / "pods").glob("*"), *(base / "logs").glob("*")]:
            if path.name.rpartition("_")[2] not in living:
                shutil.rmtree(path, ignore_errors=True)

    async def _end_workers(self) -> None:
        tasks = [worker.task for worker in self._store.workers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _whole(item: Document) -> Document:
    return item


async def namespaces_problem() -> str:
    """Why no sandbox can be made on this machine; "" when it can."""
    try:
        sandbox = await Sandbox.create("probe", (), None, shared_pid=False)
    except (NodeError, OSError) as error:
        return f"process nodes need Linux namespaces: {error}"
    await sandbox.close()
    return ""


def workloads_environment(settings: NodeSettings) -> Path:
    """The prefix of the workloads' Python environment.

    Raises:
        NodeError: it is not there; says how to make it.
    """
    if settings.environment:
        return Path(settings.environment)
    try:
        return workloads.environment()
    except ToolchainError as error:
        raise NodeError(str(error)) from error


def run(settings: NodeSettings) -> None:
    """Run the agent in this process until it is told to stop."""

    async def main() -> None:
        await Agent(settings).run()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
