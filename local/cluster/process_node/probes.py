"""Startup, liveness and readiness probes of one running container."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from local.cluster.process_node import hooks
from local.cluster.process_node.context import PodContext, clock
from local.cluster.process_node.records import Record, Running

_AGENT = "kube-probe/1.36"
Unhealthy: TypeAlias = Callable[[Record, str], None]
"""Called with the container and the kind of probe (``liveness``, ``startup``) that it has failed for good."""
KINDS = ("startupProbe", "livenessProbe", "readinessProbe")


@dataclass
class Threshold:
    """Turns single answers into results: so many of the same kind in a row.

    Source: kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes, "Configure probes".
    """

    failures: int = 3
    successes: int = 1
    _last: bool | None = None
    _run: int = 0

    def take(self, *, good: bool) -> bool | None:
        """The result that this answer decides; None: not yet."""
        self._run = self._run + 1 if good == self._last else 1
        self._last = good
        needed = self.successes if good else self.failures
        return good if self._run >= needed else None


class Probes:
    """Runs a container's probes until it ends."""

    def __init__(self, context: PodContext, record: Record, unhealthy: Unhealthy) -> None:
        self._context = context
        self._record = record
        self._unhealthy = unhealthy
        # Until they answer.
        record.started = "startupProbe" not in record.spec
        record.ready = record.started and "readinessProbe" not in record.spec
        kinds = [kind for kind in KINDS if kind in record.spec]
        self._tasks = [asyncio.create_task(self._run(kind, record.spec[kind]), name=kind) for kind in kinds]

    def stop(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()

    def quiet(self) -> None:
        """The pod is being ended: only readiness is still asked for (prober/worker.go, "Graceful shutdown")."""
        for task in self._tasks:
            if task.get_name() != "readinessProbe":
                task.cancel()

    async def _run(self, kind: str, probe: Mapping[str, Any]) -> None:
        record, period = self._record, float(probe.get("periodSeconds", 10))
        threshold = Threshold(probe.get("failureThreshold", 3), probe.get("successThreshold", 1))
        # So that the probes of many pods do not come at the same moment.
        await asyncio.sleep(random.random() * min(period, 1.0))  # noqa: S311 - no secret
        while True:
            if self._due(kind, probe):
                good = await self._ask(kind, probe)
                result = None if good is None else threshold.take(good=good)
                if result is not None and self._settle(kind, record, good=result):
                    return
            await asyncio.sleep(period)

    def _due(self, kind: str, probe: Mapping[str, Any]) -> bool:
        record = self._record
        if not isinstance(record.state, Running):
            return False
        if clock() - record.state.since.timestamp() < probe.get("initialDelaySeconds", 0):
            return False
        return kind == "startupProbe" or record.started

    def _settle(self, kind: str, record: Record, *, good: bool) -> bool:
        """Act on a result; returns whether this probe is over."""
        if kind == "readinessProbe":
            changed, record.ready = record.ready != good, good
            if changed:
                self._context.wake()
            return False
        if kind == "startupProbe" and good:
            record.started = True
            record.ready = "readinessProbe" not in record.spec
            self._context.wake()
            return True
        if not good:
            self._unhealthy(record, kind.removesuffix("Probe"))
            return True
        return False

    async def _ask(self, kind: str, probe: Mapping[str, Any]) -> bool | None:
        """The answer; None when this node could not ask, which says nothing of the container (prober/worker.go)."""
        seconds = float(probe.get("timeoutSeconds", 1))
        try:
            # Not wait_for: Python 3.11's forgets that it is cancelled when what it waits for comes just then.
            async with asyncio.timeout(seconds):
                await self._act(probe)
        except TimeoutError:
            self._report(kind, _too_late(probe, self._context.pod_ip, seconds))
            return False
        except hooks.HookError as error:
            self._report(kind, str(error))
            return False
        except OSError as error:
            self._report(kind, str(error), "errored and resulted in unknown state")
            return None
        return True

    def _report(self, kind: str, message: str, how: str = "failed") -> None:
        words = f"{kind.removesuffix('Probe').capitalize()} probe {how}: {message}"
        self._context.event(self._record, "Unhealthy", words, warning=True)

    async def _act(self, probe: Mapping[str, Any]) -> None:
        context, record = self._context, self._record
        if "exec" in probe:
            await hooks.command(context, record, probe["exec"].get("command") or ())
        elif "httpGet" in probe:
            await hooks.http_get(context, record, probe["httpGet"], _AGENT)
        elif "tcpSocket" in probe:
            await hooks.tcp(context, record, probe["tcpSocket"])
        else:
            raise hooks.HookError("gRPC probes are not offered by a process node; use exec, httpGet or tcpSocket")


def _too_late(probe: Mapping[str, Any], address: str, seconds: float) -> str:
    if "exec" in probe:
        return f'command timed out: "{" ".join(probe["exec"].get("command") or ())}" timed out after {seconds:g}s'
    if "httpGet" in probe:
        action = probe["httpGet"]
        url = f"{str(action.get('scheme', 'HTTP')).lower()}://{action.get('host') or address}:{action['port']}"
        return (
            f'Get "{url}{action.get("path") or "/"}": context deadline exceeded '
            "(Client.Timeout exceeded while awaiting headers)"
        )
    return f"dial tcp {address}:{probe['tcpSocket']['port']}: i/o timeout"
