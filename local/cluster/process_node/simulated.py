"""Stand-in pods: software that is not here, shown as running as KWOK shows it; imageID says so."""

import asyncio
import contextlib

import httpx2

from local.cluster.kube import Document, KubeError
from local.cluster.process_node.context import NodeContext, utc_now
from local.cluster.process_node.images import ImageError, program
from local.cluster.process_node.poster import StatusPoster
from local.cluster.process_node.records import Record, Running, Terminated, records_of
from local.cluster.process_node.status import pod_status
from local.cluster.stages import HOLD_ANNOTATION

_RETRY_SECONDS = 1.0


def is_simulated(pod: Document) -> bool:
    """Whether all of its images are stand-ins."""
    spec = pod["spec"]
    try:
        images = [program(item.get("image", "")) for item in (*(spec.get("initContainers") or ()), *spec["containers"])]
    except ImageError:
        return False
    return all(image.simulated for image in images)


class SimulatedPod:
    """One of them; the same calls as a ``PodWorker``."""

    def __init__(self, node: NodeContext, pod: Document) -> None:
        self._node = node
        self._pod = pod
        self._gone = False
        self._woken = asyncio.Event()
        self._records = records_of(pod)
        meta = pod["metadata"]
        self._path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self._poster = StatusPoster(node.kube, meta["namespace"], meta["name"], meta["uid"])
        self.task = asyncio.create_task(self._run(), name=f"stand-in {meta['name']}")

    def update(self, pod: Document) -> None:
        """The pod has changed."""
        self._pod = pod
        self._woken.set()

    def forget(self) -> None:
        """The pod is gone from the API."""
        self._gone = True
        self._woken.set()

    async def _run(self) -> None:
        poster = asyncio.create_task(self._poster.run())
        try:
            while not self._gone:
                self._woken.clear()
                meta = self._pod["metadata"]
                if "deletionTimestamp" in meta:
                    await self._delete()
                    return
                self._show(held=HOLD_ANNOTATION in (meta.get("annotations") or {}))
                await self._woken.wait()
        finally:
            poster.cancel()

    def _show(self, *, held: bool) -> None:
        if not held:
            for record in self._records:
                _run(record)
        status = pod_status(
            self._pod,
            self._records,
            now=utc_now(),
            host_ip=self._node.settings.address,
            pod_ip=self._node.settings.address,
            sandbox=not held,
        )
        self._poster.post(status)

    async def _delete(self) -> None:
        while not self._gone:
            with contextlib.suppress(KubeError, httpx2.HTTPError):
                await self._node.kube.delete(self._path, uid=self._pod["metadata"]["uid"], grace_seconds=0)
                return
            await asyncio.sleep(_RETRY_SECONDS)


def _run(record: Record) -> None:
    if record.running or isinstance(record.state, Terminated):
        return
    record.image_id = "simulated"
    record.started = record.ready = True
    now = utc_now()
    if record.init and not record.sidecar:
        record.state = Terminated(exit_code=0, reason="Completed", started=now, finished=now)
    else:
        record.state = Running(now)
