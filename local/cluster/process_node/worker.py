"""One pod, from the moment that it is bound to this node until nothing of it is left."""

import asyncio
import contextlib
import datetime as dt
import logging

import httpx2

from local.cluster.kube import Document, KubeError
from local.cluster.process_node import hooks, starting, stopping
from local.cluster.process_node.context import NodeContext, clock, pod_context, utc_now
from local.cluster.process_node.ending import Ending
from local.cluster.process_node.network import resolver
from local.cluster.process_node.plan import Plan, anew, next_step
from local.cluster.process_node.records import Record, Terminated, Waiting, records_of, restore
from local.cluster.process_node.report import Report
from local.cluster.process_node.sandbox import MemoryMount, Sandbox
from local.cluster.process_node.seams import NodeError
from local.cluster.process_node.status import finished
from local.cluster.process_node.tasks import PodTasks
from local.cluster.process_node.volumes import MountError
from local.cluster.process_node.waits import until_set

_LOG = logging.getLogger(__name__)
_SHM_BYTES = 64 << 20
"""containerd's ``/dev/shm``."""
_MOUNT_RETRY_SECONDS = 1.0
_MOUNT_EVENT_SECONDS = 10.0
_REFRESH_SECONDS = 10.0
"""A kubelet looks at its ConfigMaps and Secrets once a minute; nobody here wants to wait for that."""
_WATCH_SECONDS = 1.0


class PodWorker:
    """Runs a pod; ``update`` tells it of changes, ``task`` ends when nothing is left."""

    def __init__(self, node: NodeContext, pod: Document) -> None:
        records = records_of(pod)
        self._restored = restore(records, pod, utc_now())
        self.context = pod_context(node, pod, records, self._wake, self._exited)
        self._woken = asyncio.Event()
        self._tasks = PodTasks(self.context.words)
        self._report = Report(self.context)
        self._ending = Ending(self.context, self._tasks, self._report, self._woken)
        self.task = asyncio.create_task(self._run(), name=f"pod {self.context.words}")

    def update(self, pod: Document) -> None:
        """The pod has changed."""
        self.context.pod = pod
        self._wake()

    def forget(self) -> None:
        """The pod is gone from the API: end it, and report to nobody."""
        self._ending.deleted = True
        self._wake()

    def _wake(self) -> None:
        self._woken.set()

    async def _run(self) -> None:
        reporting = asyncio.create_task(self._report.run())
        try:
            if not finished(self.context.pod):
                await self._live()
                await self._ending.stop()
            await self._ending.clear()
        finally:
            # Also when the agent ends: its containers end with it, but logs stay for its successor.
            await self._ending.kill()
            reporting.cancel()

    async def _live(self) -> None:
        if self._restored and not self._goes_on():
            return
        if not await self._set_up():
            return
        watch = asyncio.create_task(self._watch())
        try:
            while not self._leaving():
                self._woken.clear()
                plan = self._step()
                self._report.post()
                if plan.finished:
                    return
                await self._sleep(plan)
        finally:
            watch.cancel()

    def _leaving(self) -> bool:
        pod = self.context.pod
        # Others end a pod by its phase too, such as the garbage collector the pods of a node that is out of service.
        told = "deletionTimestamp" in pod["metadata"] or finished(pod)
        return told or self._ending.deleted or bool(self._report.override)

    def _goes_on(self) -> bool:
        """Whether a pod of a former agent, whose containers and sandbox are dead, runs again; otherwise it has ended.

        Its init containers run again before others do.
        """
        records = self.context.records
        if next_step(records, self._policy(), self.context.backoff, "", clock()).finished:
            return False
        message = "Pod sandbox changed, it will be killed and re-created."
        self.context.node.events.pod(self.context.pod, "SandboxChanged", message)
        anew(records, self._policy())
        return True

    def _policy(self) -> str:
        return str(self.context.pod["spec"].get("restartPolicy", "Always"))

    async def _set_up(self) -> bool:
        """Volumes, network and sandbox; False when the pod is to go before they are there."""
        context, told = self.context, 0.0
        self._report.post()
        while not self._leaving():
            self._woken.clear()
            try:
                await context.volumes.mount(context.pod)
                await self._make_sandbox()
            except MountError as error:
                if not error.reported and clock() - told > _MOUNT_EVENT_SECONDS:
                    told = clock()
                    context.node.events.pod(context.pod, "FailedMount", str(error), warning=True)
            except (NodeError, OSError) as error:
                if clock() - told > _MOUNT_EVENT_SECONDS:
                    told = clock()
                    message = f"Failed to create pod sandbox: {error}"
                    context.node.events.pod(context.pod, "FailedCreatePodSandBox", message, warning=True)
            except (KubeError, httpx2.HTTPError) as error:
                _LOG.info("%s: volumes wait: %s", context.words, error)
            else:
                return True
            self._deadline()
            await until_set(self._woken, _MOUNT_RETRY_SECONDS)
        return False

    async def _make_sandbox(self) -> None:
        context, spec = self.context, self.context.pod["spec"]
        attachment = None
        if not spec.get("hostNetwork"):
            attachment = await context.node.network.attach(context.ref)
        context.pod_ip = attachment.ip if attachment else context.node.settings.address
        shm = context.directory / "shm"
        shm.mkdir(parents=True, exist_ok=True)
        host_name = resolver.hostname(context.pod)
        (context.directory / "etc-hosts").write_text(resolver.hosts(context.pod, context.pod_ip))
        (context.directory / "hostname").write_text(f"{host_name}\n")
        servers = resolver.resolv_conf(context.pod, attachment.resolv_conf if attachment else "")
        (context.directory / "resolv.conf").write_text(servers)
        memory = [MemoryMount(str(shm), _SHM_BYTES, "1777"), *context.volumes.memory]
        shared = bool(spec.get("shareProcessNamespace"))
        context.sandbox = await Sandbox.create(
            "" if spec.get("hostNetwork") else host_name, memory, attachment, shared_pid=shared
        )

    def _step(self) -> Plan:
        context = self.context
        plan = next_step(context.records, self._policy(), context.backoff, context.words, clock())
        for record in context.records:
            message = plan.backing_off.get(record.name)
            if message is not None and isinstance(record.state, Terminated):
                record.last = record.state
                record.state = Waiting("CrashLoopBackOff", message)
                words = f"Back-off restarting failed container {record.name} in pod {context.words}"
                context.event(record, "BackOff", words, warning=True)
            if record.running and not record.busy:
                self._tasks.probe(context, record, self._unhealthy)
        if plan.start is not None:
            self._start(plan.start)
        if plan.stop_sidecars:
            self._stop_sidecars()
        return plan

    def _start(self, record: Record) -> None:
        record.busy = True
        if record.ended is not None:
            self.context.backoff.used(record.name, clock())

        async def start() -> None:
            try:
                await starting.start(self.context, record)
            finally:
                record.busy = False
                self._wake()

        self._tasks.start(start(), record.name)

    def _stop_sidecars(self) -> None:
        """The last one first, as they began; KEP-753."""
        running = [record for record in self.context.records if record.sidecar and record.running]
        if running and not running[-1].stopping:
            self._tasks.spawn(
                stopping.stop(self.context, running[-1], hooks.grace_of(self.context.pod)), "stop of a sidecar"
            )

    def _unhealthy(self, record: Record, kind: str) -> None:
        message = f"Container {record.name} failed {kind} probe, will be restarted"
        grace = hooks.grace_of(self.context.pod)
        probe = record.spec[f"{kind}Probe"]
        grace = float(probe.get("terminationGracePeriodSeconds", grace))
        self._tasks.spawn(stopping.stop(self.context, record, grace, message), f"restart of {record.name}")

    def _exited(self, record: Record) -> None:
        self._tasks.stop_probes(record.name)
        if record.process is not None and not record.process.exit.cancelled():
            stopping.ended(self.context, record, record.process.exit.result())
        self._wake()

    async def _sleep(self, plan: Plan) -> None:
        seconds = _WATCH_SECONDS if plan.wake_at is None else min(_WATCH_SECONDS, max(0.01, plan.wake_at - clock()))
        await until_set(self._woken, seconds)
        self._deadline()

    async def _watch(self) -> None:
        """What nobody tells: memory without control groups, full volumes, old tokens."""
        refreshed = clock()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await self._kill_for_memory()
                if clock() - refreshed > _REFRESH_SECONDS:
                    refreshed = clock()
                    with contextlib.suppress(KubeError, httpx2.HTTPError):
                        await self.context.volumes.refresh(self.context.with_addresses())
                    self._evict_for_volumes(await asyncio.to_thread(self.context.volumes.exceeded))
            except Exception:  # noqa: BLE001 - it is written down, see below
                # One look that fails is no reason to look no more: the pod would run on without its limits.
                _LOG.exception("%s: its limits and volumes are looked at again later", self.context.words)

    async def _kill_for_memory(self) -> None:
        for record in self.context.records:
            group, process = self.context.groups.get(record.name), record.process
            if group is None or process is None:
                continue
            if await asyncio.to_thread(group.exceeds, process.pid):
                record.killed_for = "OOMKilled"
                process.kill()

    def _evict_for_volumes(self, found: tuple[str, int] | None) -> None:
        if found is not None:
            message = f'Usage of EmptyDir volume "{found[0]}" exceeds the limit "{found[1]}". '
            self._report.override = {"phase": "Failed", "reason": "Evicted", "message": message}
            self.context.node.events.pod(self.context.pod, "Evicted", message, warning=True)
            self._wake()

    def _deadline(self) -> None:
        spec, status = self.context.pod["spec"], self.context.pod.get("status") or {}
        seconds, began = spec.get("activeDeadlineSeconds"), status.get("startTime")
        if seconds is None or began is None or self._report.override:
            return
        if (utc_now() - dt.datetime.fromisoformat(began)).total_seconds() >= seconds:
            message = "Pod was active on the node longer than the specified deadline"
            self._report.override = {"phase": "Failed", "reason": "DeadlineExceeded", "message": message}
            self.context.node.events.pod(self.context.pod, "DeadlineExceeded", message)
