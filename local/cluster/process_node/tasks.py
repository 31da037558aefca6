"""What goes on beside a pod's worker: starts and stops of its containers, and their probes."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeAlias

from local.cluster.process_node.context import PodContext
from local.cluster.process_node.probes import Probes, Unhealthy
from local.cluster.process_node.records import Record

Work: TypeAlias = Coroutine[Any, Any, None]


class PodTasks:
    """The tasks of one pod."""

    def __init__(self, pod: str) -> None:
        self._pod = pod
        self._starts: set[asyncio.Task[None]] = set()
        self._others: set[asyncio.Task[None]] = set()
        self._probes: dict[str, Probes] = {}

    def start(self, work: Work, container: str) -> None:
        """Begin the start of a container."""
        self._add(self._starts, work, f"start of {container}")

    def spawn(self, work: Work, name: str) -> None:
        """Begin something else."""
        self._add(self._others, work, name)

    def probe(self, context: PodContext, record: Record, unhealthy: Unhealthy) -> None:
        """Begin the probes of a running container, unless they have begun."""
        if record.name not in self._probes:
            self._probes[record.name] = Probes(context, record, unhealthy)

    def stop_probes(self, container: str) -> None:
        """The container has ended."""
        probes = self._probes.pop(container, None)
        if probes is not None:
            probes.stop()

    def quiet_probes(self) -> None:
        """The pod is being ended."""
        for probes in self._probes.values():
            probes.quiet()

    async def cancel_starts(self) -> None:
        """Nothing is being started any more; what has been started runs."""
        await _cancelled(self._starts)

    async def cancel(self) -> None:
        """Nothing goes on any more."""
        for probes in self._probes.values():
            probes.stop()
        await _cancelled(self._starts | self._others)

    def _add(self, tasks: set[asyncio.Task[None]], work: Work, name: str) -> None:
        task = asyncio.create_task(work, name=f"{self._pod}: {name}")
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
