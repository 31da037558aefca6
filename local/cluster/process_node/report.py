"""What the cluster is told of one pod."""

from local.cluster.kube import Document
from local.cluster.process_node.context import PodContext, utc_now
from local.cluster.process_node.poster import StatusPoster
from local.cluster.process_node.status import finished, pod_status

_FLUSH_SECONDS = 30.0


class Report:
    """A pod's status, made of what is known here and posted in the background."""

    def __init__(self, context: PodContext) -> None:
        self._context = context
        ref = context.ref
        self._poster = StatusPoster(context.node.kube, ref.namespace, ref.name, ref.uid)
        self._status: Document = {}
        self.override: dict[str, str] = {}
        """Phase, reason and message that the node decided on; the pod ends for it."""

    async def run(self) -> None:
        """Post until cancelled."""
        await self._poster.run()

    async def flush(self) -> None:
        """Wait until the newest status is posted; not longer than half a minute."""
        await self._poster.flush(_FLUSH_SECONDS)

    def post(self, *, terminal: bool = False) -> None:
        """Tell how the pod is; ``terminal``: nothing of it runs or restarts any more."""
        context = self._context
        self._status = pod_status(
            self._with_own_status(),
            context.records,
            now=utc_now(),
            host_ip=context.node.settings.address,
            pod_ip=context.pod_ip,
            sandbox=context.sandbox is not None,
            terminal=terminal,
            override=self.override if terminal else {},
        )
        self._poster.post(self._status)

    def _with_own_status(self) -> Document:
        """The pod as if the API server had answered already: what was posted last, and other people's conditions."""
        pod = self._context.pod
        status = pod.get("status") or {}
        known = {item["type"]: item for item in status.get("conditions") or ()}
        known |= {item["type"]: item for item in self._status.get("conditions") or ()}
        own = {"startTime": self._status.get("startTime") or status.get("startTime")}
        if not finished(pod):
            own["phase"] = self._status.get("phase") or status.get("phase")
        return {**pod, "status": {**status, **own, "conditions": list(known.values())}}
