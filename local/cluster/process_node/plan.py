"""What to do next with a pod's containers: a pure function of what is known, as a kubelet's computePodActions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from local.cluster.process_node.backoff import Backoff, words
from local.cluster.process_node.records import INITIALIZING, Record, Terminated, Waiting


@dataclass
class Plan:
    """The next step."""

    start: Record | None = None
    backing_off: Mapping[str, str] = field(default_factory=dict)
    """By container: why it is not started yet (``CrashLoopBackOff``)."""
    wake_at: float | None = None
    """Look again then, in seconds since the epoch."""
    stop_sidecars: bool = False
    finished: bool = False
    """Nothing of the pod will run again."""


def should_restart(record: Record, policy: str, ended: Terminated) -> bool:
    """Whether a container that has ended runs again.

    Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, "Container restart policy"; a container's own
    ``restartPolicy`` and ``restartPolicyRules`` (KEP-5307) come before the pod's.
    """
    if record.sidecar:
        return True
    own = record.spec.get("restartPolicy")
    for rule in record.spec.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        inside = ended.exit_code in (codes.get("values") or ())
        if inside == (codes.get("operator") == "In"):
            return True
    wanted = own or ("OnFailure" if record.init and policy == "Always" else policy)
    return wanted == "Always" or (wanted == "OnFailure" and ended.exit_code != 0)


def anew(records: Sequence[Record], policy: str) -> None:
    """The pod gets a new sandbox: its init containers run once more, before all others that run again."""
    if any(record.init for record in records):
        for record in records:
            state = record.state
            if isinstance(state, Terminated) and (record.init or should_restart(record, policy, state)):
                record.last, record.state = state, Waiting(INITIALIZING)


def next_step(records: Sequence[Record], policy: str, backoff: Backoff, pod: str, now: float) -> Plan:
    """The next container to start, or what to wait for.

    ``pod`` is the pod as a kubelet prints it, ``name_namespace(uid)``; ``policy`` its restart policy.
    """
    return _Planner(policy, backoff, pod, now).plan(records)


class _Planner:
    def __init__(self, policy: str, backoff: Backoff, pod: str, now: float) -> None:
        self._policy = policy
        self._backoff = backoff
        self._pod = pod
        self._now = now
        self._waits: dict[str, str] = {}
        self._plan = Plan(backing_off=self._waits)

    def plan(self, records: Sequence[Record]) -> Plan:
        mains = [record for record in records if not record.init]
        if _done(mains, self._policy):
            return self._finish(records)
        initialized = (
            any(record.running or record.ended or record.busy for record in mains)
            and not any(_in_new_sandbox(record) for record in mains)
            and all(_succeeded(record) for record in records if record.init and not record.sidecar)
        )
        for record in (record for record in records if record.init):
            if record.sidecar:
                self._consider(record)
                if not initialized and not record.started:
                    return self._plan
            elif not initialized and not _succeeded(record):
                state = record.state
                if isinstance(state, Terminated) and not should_restart(record, self._policy, state):
                    return self._finish(records)
                self._consider(record)
                return self._plan
        for record in mains:
            self._consider(record)
        return self._plan

    def _finish(self, records: Sequence[Record]) -> Plan:
        self._plan.stop_sidecars = any(record.sidecar and record.running for record in records)
        self._plan.finished = not any(record.running or record.busy for record in records)
        return self._plan

    def _consider(self, record: Record) -> None:
        if record.running or record.busy or self._plan.start is not None:
            return
        ended = record.ended
        if ended is None:
            if record.retry_at > self._now:
                self._wake(record.retry_at)
            else:
                self._plan.start = record
            return
        # One that waits was to run again already, such as a successful init container in a new sandbox.
        if isinstance(record.state, Terminated) and not should_restart(record, self._policy, ended):
            return
        until = self._backoff.waits_until(record.name, ended.finished.timestamp(), self._now)
        until = max(until or 0.0, record.retry_at)
        if until <= self._now:
            self._plan.start = record
            return
        self._wake(until)
        delay = words(self._backoff.delay(record.name))
        self._waits[record.name] = f"back-off {delay} restarting failed container={record.name} pod={self._pod}"

    def _wake(self, moment: float) -> None:
        self._plan.wake_at = min(moment, self._plan.wake_at or moment)


def _succeeded(record: Record) -> bool:
    return isinstance(record.state, Terminated) and record.state.exit_code == 0


def _in_new_sandbox(record: Record) -> bool:
    return isinstance(record.state, Waiting) and record.state.reason == INITIALIZING and record.last is not None


def _done(mains: Sequence[Record], policy: str) -> bool:
    return all(
        isinstance(record.state, Terminated) and not record.busy and not should_restart(record, policy, record.state)
        for record in mains
    )


def phase(records: Sequence[Record], policy: str, *, terminal: bool, initialized: bool) -> str:
    """The pod's phase, as ``getPhase`` in kubernetes/pkg/kubelet/kubelet_pods.go counts it.

    ``terminal``: the pod is being ended, so that nothing restarts; ``initialized``: its condition Initialized is True.
    """
    inits = [record for record in records if record.init and not record.sidecar]
    if any(_failed_for_good(record, policy) for record in inits):
        return "Failed"
    sidecars = [record for record in records if record.sidecar]
    mains = [record for record in records if not record.init]
    pending = any(record.running or record.ended is None for record in inits)
    starting = any(_is_new(record) or (record.running and not record.started) for record in sidecars)
    if pending or (starting and not initialized) or any(_is_new(record) for record in (*sidecars, *mains)):
        return "Pending"
    if any(record.running for record in (*sidecars, *mains)):
        return "Running"
    ends = [record.ended for record in mains if record.ended is not None]
    restarts = any(record.ended and should_restart(record, policy, record.ended) for record in mains)
    if restarts and not terminal:
        return "Running"
    return "Succeeded" if all(ended.exit_code == 0 for ended in ends) else "Failed"


def _is_new(record: Record) -> bool:
    return isinstance(record.state, Waiting) and record.last is None


def _failed_for_good(record: Record, policy: str) -> bool:
    ended = record.ended
    return (
        ended is not None and not record.running and ended.exit_code != 0 and not should_restart(record, policy, ended)
    )
