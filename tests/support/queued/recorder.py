"""Every change of pods, nodes and workloads of a cluster, as facts; none is missed, or the recording fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2

from local.cluster.kube import Kube
from tests.support.queued import facts
from tests.support.queued.facts import Fact

WORKLOADS: Final = "/apis/kueue.x-k8s.io/v1beta2/workloads"
_PARSERS: Final[dict[str, Callable[..., Fact]]] = {
    "/api/v1/nodes": facts.node,
    "/api/v1/pods": facts.pod,
    WORKLOADS: facts.workload,
}
_SILENT_SECONDS = 300.0


class MissedError(Exception):
    """Some changes cannot be told any more: the recording proves nothing."""


class Recorder:
    """Lists, then watches, from the revision of the list on."""

    def __init__(self, kube: Kube) -> None:
        self.facts: list[Fact] = []
        self.queued: set[str] = set()
        """Names of workloads that there have been."""
        self.finished: set[str] = set()
        """Names of workloads that have ended well."""
        self.admitted: set[str] = set()
        """Names of workloads that have been admitted at least once."""
        self._kube = kube
        self._changed = asyncio.Event()
        self._listed = 0

    async def _record(self, path: str) -> None:
        parse = _PARSERS[path]
        first = await self._kube.request("GET", path)
        for item in first.get("items") or ():
            self._keep(parse(item, received=time.monotonic()))
        self._listed += 1
        self._changed.set()
        version = first["metadata"]["resourceVersion"]
        while True:
            try:
                async for event in self._kube.watch(path, version):
                    version = self._event(parse, event, version)
            except httpx2.TransportError:
                # The same revision again: nothing is lost while the server still remembers it.
                await asyncio.sleep(0.2)

    def _event(self, parse: Callable[..., Fact], event: dict[str, Any], version: str) -> str:
        """Keeps one event; the revision that it brought us to."""
        kind, document = event["type"], event["object"]
        if kind == "ERROR":
            raise MissedError(f"the watch from revision {version} on ended: {document.get('message')}")
        if kind != "BOOKMARK":
            self._keep(parse(document, gone=kind == "DELETED", received=time.monotonic()))
        return str(document["metadata"]["resourceVersion"])

    def _keep(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._changed.set()
        if isinstance(fact, facts.WorkloadFact):
            self.queued.add(fact.name)
            if fact.admitted:
                self.admitted.add(fact.name)
            if fact.succeeded:
                self.finished.add(fact.name)

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Returns once what was recorded fulfils ``condition``.

        Raises:
            TimeoutError: nothing changed for five minutes: nothing will come any more.
        """
        while not condition():
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), _SILENT_SECONDS)
            except TimeoutError as error:
                state = f"{len(self.queued)} queued, {len(self.admitted)} admitted, {len(self.finished)} ended"
                raise TimeoutError(f"nothing changed for {_SILENT_SECONDS:.0f} s: {state}") from error

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Records while the body runs; a recording that broke ends the body with its error."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._record(path)) for path in _PARSERS]
            await self.wait(lambda: self._listed == len(tasks))
            yield
            for task in tasks:
                task.cancel()
