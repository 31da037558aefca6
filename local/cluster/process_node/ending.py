"""The end of one pod: how its containers are stopped, what is reported last, and what is given back when."""

import asyncio
import logging
import shutil

import httpx2

from local.cluster.kube import KubeError
from local.cluster.process_node import hooks, stopping
from local.cluster.process_node.context import PodContext, clock
from local.cluster.process_node.records import Waiting
from local.cluster.process_node.report import Report
from local.cluster.process_node.tasks import PodTasks

_LOG = logging.getLogger(__name__)
_DELETE_RETRY_SECONDS = 1.0


class Ending:
    """The end of a pod, step by step; ``woken`` is set whenever something has changed."""

    def __init__(self, context: PodContext, tasks: PodTasks, report: Report, woken: asyncio.Event) -> None:
        self._context = context
        self._tasks = tasks
        self._report = report
        self._woken = woken
        self.deleted = False
        """The object is gone already: there is nobody to report to."""

    async def stop(self) -> None:
        """Stop all containers, sidecars after the others, the last one first; and report how it ended."""
        grace = self._grace()
        self._tasks.quiet_probes()
        # First whoever is being started: what runs then is stopped below.
        await self._tasks.cancel_starts()
        following = asyncio.create_task(self._follow(grace))
        try:
            await self._stop_containers(grace)
        finally:
            following.cancel()
        await self.kill()
        if not self.deleted:
            await self._tell()

    async def clear(self) -> None:
        """Give the network back, wait until somebody deletes the pod, and remove everything else of it."""
        await self._release()
        await self._await_deletion()
        await asyncio.to_thread(self._remove_files)

    async def kill(self) -> None:
        """Nothing of the pod runs any more: containers, what goes on beside them, and their sandbox."""
        context = self._context
        await self._tasks.cancel()
        processes = [record.process for record in context.records if record.process is not None]
        await asyncio.gather(*(process.abort() for process in processes))
        sandbox, context.sandbox = context.sandbox, None
        if sandbox is not None:
            await sandbox.close()
        # Also of containers that ended before others of the pod which share their processes' namespace.
        context.node.cgroups.remove(context.ref.uid)

    async def _stop_containers(self, grace: float) -> None:
        records, began = self._context.records, clock()
        mains = [record for record in records if not record.sidecar]
        await asyncio.gather(*(stopping.stop(self._context, record, grace) for record in mains))
        for record in reversed([record for record in records if record.sidecar]):
            left = min(grace, self._grace()) - (clock() - began)
            await stopping.stop(self._context, record, max(0.0, left))

    async def _follow(self, grace: float) -> None:
        """Tell how far the end is, and hurry when whoever deletes the pod says so."""
        while True:
            self._woken.clear()
            self._report.post()
            if self._grace() < grace:
                grace = self._grace()
                for record in self._context.records:
                    if record.stopping:
                        self._tasks.spawn(stopping.stop(self._context, record, grace), f"end of {record.name}")
            await self._woken.wait()

    def _grace(self) -> float:
        """Seconds that containers have to end by themselves."""
        if self.deleted:
            # Nobody but this node removes a pod that ends in its own time, so that this one was removed by force:
            # kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, "Forced Pod termination".
            return 0.0
        pod = self._context.pod
        return float(pod["metadata"].get("deletionGracePeriodSeconds", hooks.grace_of(pod)))

    async def _tell(self) -> None:
        for record in self._context.records:
            # One that waits for its next run ends as it did (``convertToAPIContainerStatuses``, pod being ended).
            if isinstance(record.state, Waiting) and record.last is not None:
                record.state, record.last = record.last, None
        self._report.post(terminal=True)
        await self._report.flush()

    async def _release(self) -> None:
        """Give the network back, as ``SyncTerminatingPod`` with the sandbox; the status keeps the address.

        After the report: the controllers that take it out of Services know before the address is another pod's.
        """
        try:
            await self._context.node.network.detach(self._context.ref.uid)
        except OSError as error:
            _LOG.warning("%s: the agent's next start gives the address back: %s", self._context.words, error)

    async def _await_deletion(self) -> None:
        """Its logs stay until somebody deletes it."""
        while "deletionTimestamp" not in self._context.pod["metadata"] and not self.deleted:
            self._woken.clear()
            await self._woken.wait()
        ref = self._context.ref
        path = f"/api/v1/namespaces/{ref.namespace}/pods/{ref.name}"
        while not self.deleted:
            # An API server that was away is told how the pod ended before it lets the pod go.
            await self._report.flush()
            try:
                await self._context.node.kube.delete(path, uid=ref.uid, grace_seconds=0)
            except (KubeError, httpx2.HTTPError) as error:
                _LOG.info("%s: not deleted yet: %s", self._context.words, error)
                await asyncio.sleep(_DELETE_RETRY_SECONDS)
            else:
                return

    def _remove_files(self) -> None:
        shutil.rmtree(self._context.directory, ignore_errors=True)
        shutil.rmtree(self._context.logs, ignore_errors=True)
