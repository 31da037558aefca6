"""What the kubelet's API reads of this node's pods."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from local.cluster.kube import Document
from local.cluster.process_node.context import PodContext
from local.cluster.process_node.execution import start_beside
from local.cluster.process_node.records import Record, Waiting
from local.cluster.process_node.seams import (
    ContainerLog,
    ContainerUsage,
    ExecProcess,
    PodUsage,
    Stdio,
    UnknownContainerError,
)
from local.cluster.process_node.worker import PodWorker


class Worker(Protocol):
    """Who looks after one pod: a ``PodWorker``, or a stand-in."""

    task: asyncio.Task[None]

    def update(self, pod: Document) -> None:
        """The pod has changed."""

    def forget(self) -> None:
        """The pod is gone from the API."""


class Pods:
    """The workers by uid; implements ``seams.PodStore``."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.documents: Mapping[str, Document] = {}
        """All pods of the node, by namespace/name."""

    def pods(self) -> Sequence[Document]:
        """See ``PodStore``."""
        return list(self.documents.values())

    def log(self, namespace: str, pod: str, container: str, *, previous: bool = False) -> ContainerLog:
        """See ``PodStore``."""
        context = self._context(namespace, pod)
        record = _record(context, container)
        restart = record.restart_count - 1 if previous else record.restart_count
        found = context.log(record, max(0, restart))
        if previous and (restart < 0 or not found.path.exists()):
            raise UnknownContainerError(f'previous terminated container "{record.name}" in pod "{pod}" not found')
        if not found.path.exists():
            state = record.state
            why = f": {state.reason}" if isinstance(state, Waiting) else ""
            raise UnknownContainerError(f'container "{record.name}" in pod "{pod}" is waiting to start{why}')
        return found

    async def start_exec(
        self, namespace: str, pod: str, container: str, command: Sequence[str], stdio: Stdio, *, tty: bool = False
    ) -> ExecProcess:
        """See ``PodStore``."""
        context = self._context(namespace, pod)
        record = _record(context, container)
        if not record.running:
            raise UnknownContainerError(f'container "{record.name}" in pod "{pod}" is not running')
        return await start_beside(context, record, command, stdio, tty=tty)

    async def usage(self) -> Sequence[PodUsage]:
        """See ``PodStore``."""
        contexts = [worker.context for worker in self.workers.values() if isinstance(worker, PodWorker)]
        return await asyncio.to_thread(lambda: [_usage(context) for context in contexts])

    def _context(self, namespace: str, pod: str) -> PodContext:
        document = self.documents.get(f"{namespace}/{pod}")
        if document is not None:
            # By uid: a predecessor of the same name may still be ending here.
            worker = self.workers.get(document["metadata"]["uid"])
            if isinstance(worker, PodWorker):
                return worker.context
            raise UnknownContainerError(f'pod "{pod}" is a stand-in without processes: it is simulated')
        raise UnknownContainerError(f'pod "{pod}" not found')


def _record(context: PodContext, container: str) -> Record:
    mains = [record for record in context.records if not record.init]
    if not container and len(mains) == 1:
        return mains[0]
    for record in context.records:
        if record.name == container:
            return record
    names = ", ".join(record.name for record in context.records)
    raise UnknownContainerError(f'container "{container}" of pod "{context.ref.name}" not found; it has {names}')


def _usage(context: PodContext) -> PodUsage:
    found = []
    for record in context.records:
        group, process = context.groups.get(record.name), record.process
        if group is not None and process is not None:
            cpu, memory = group.usage(process.pid)
            found.append(ContainerUsage(name=record.name, cpu_nanoseconds=cpu, memory_bytes=memory))
    return PodUsage(pod=context.ref, containers=found)
