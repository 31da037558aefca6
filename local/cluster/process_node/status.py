"""A pod's status as a kubelet posts it: pure functions of the pod and of its containers' records."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from local.cluster.kube import Document
from local.cluster.process_node.plan import phase
from local.cluster.process_node.records import Record, Running, State, Terminated, Waiting, stamp

_TERMINAL = frozenset({"Succeeded", "Failed"})


def finished(pod: Document) -> bool:
    """Whether its phase says that nothing of it will ever run again."""
    return (pod.get("status") or {}).get("phase") in _TERMINAL


def pod_status(
    pod: Document,
    records: Sequence[Record],
    *,
    now: dt.datetime,
    host_ip: str,
    pod_ip: str,
    sandbox: bool,
    terminal: bool = False,
    override: Mapping[str, str] | None = None,
) -> Document:
    """The status to post.

    ``sandbox``: it exists and has its address; ``terminal``: nothing of the pod restarts; ``override``: phase, reason
    and message that the node decided on (an eviction, a deadline).
    """
    spec, old = pod["spec"], pod.get("status") or {}
    before = {item["type"]: item for item in old.get("conditions") or ()}
    policy = spec.get("restartPolicy", "Always")
    initialized = (before.get("Initialized") or {}).get("status") == "True"
    found = (override or {}).get("phase") or phase(records, policy, terminal=terminal, initialized=initialized)
    if finished(pod) or (found in _TERMINAL and not terminal):
        # Nobody leads a pod away from there, also not to the other end; and it comes there only when nothing of it
        # runs any more and its sandbox is gone (``mergePodStatus``, "Delay transitioning").
        found = old.get("phase") or "Pending"
    conditions = [
        _condition("PodReadyToStartContainers", sandbox),
        _initialized(records, found),
        *_readiness(pod, records, found, before),
        _condition("PodScheduled", True),
    ]
    generation = pod["metadata"].get("generation")
    status: Document = {
        "phase": found,
        "conditions": [_dated(item, before, now, generation) for item in conditions],
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": old.get("startTime") or stamp(now),
        "containerStatuses": [container_status(item) for item in records if not item.init],
        **{name: value for name, value in (override or {}).items() if name != "phase"},
    }
    if generation is not None:
        status["observedGeneration"] = generation
    if any(item.init for item in records):
        status["initContainerStatuses"] = [container_status(item) for item in records if item.init]
    if pod_ip:
        status |= {"podIP": pod_ip, "podIPs": [{"ip": pod_ip}]}
    return status


def container_status(record: Record) -> Document:
    """One entry of ``containerStatuses``."""
    spec = record.spec
    status: Document = {
        "name": record.name,
        "image": spec.get("image", ""),
        "imageID": record.image_id,
        "ready": record.ready,
        "started": record.started and record.running,
        "restartCount": record.restart_count,
        "state": _state(record.state),
        "lastState": _state(record.last) if record.last else {},
    }
    if record.init and not record.sidecar:
        status["ready"] = isinstance(record.state, Terminated) and record.state.exit_code == 0
    if record.container_id:
        status["containerID"] = record.container_id
        status["volumeMounts"] = [_mount(item) for item in spec.get("volumeMounts") or ()]
    resources = spec.get("resources") or {}
    if record.running and resources:
        status["resources"] = {name: resources[name] for name in ("limits", "requests") if name in resources}
        if "requests" in resources:
            status["allocatedResources"] = resources["requests"]
    if record.user:
        status["user"] = {"linux": dict(record.user)}
    return status


def _mount(mount: Mapping[str, Any]) -> Document:
    read_only = bool(mount.get("readOnly"))
    found = {"name": mount["name"], "mountPath": mount["mountPath"], "readOnly": read_only}
    return found | ({"recursiveReadOnly": "Disabled"} if read_only else {})


def _state(state: State) -> Document:
    if isinstance(state, Running):
        return {"running": {"startedAt": stamp(state.since)}}
    if isinstance(state, Waiting):
        return {"waiting": {"reason": state.reason, **({"message": state.message} if state.message else {})}}
    ended: Document = {
        "exitCode": state.exit_code,
        "reason": state.reason,
        "startedAt": stamp(state.started) if state.started else None,
        "finishedAt": stamp(state.finished),
    }
    # The exit code carries the signal (128 + N); containerd reports none beside it.
    for name, value in (("message", state.message), ("containerID", state.container_id)):
        if value:
            ended[name] = value
    return {"terminated": ended}


def _initialized(records: Sequence[Record], found: str) -> Document:
    inits = [record for record in records if record.init]
    if found == "Succeeded":
        return _condition("Initialized", True, "PodCompleted")
    if any(not record.init and (record.running or record.ended) for record in records):
        return _condition("Initialized", True)
    incomplete = [
        record.name
        for record in inits
        if not (
            record.started if record.sidecar else isinstance(record.state, Terminated) and record.state.exit_code == 0
        )
    ]
    if not incomplete:
        return _condition("Initialized", True)
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return _condition("Initialized", False, "ContainersNotInitialized", message)


def _readiness(pod: Document, records: Sequence[Record], found: str, before: Mapping[str, Any]) -> list[Document]:
    terminal = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(found)
    unready = [record.name for record in records if (not record.init or record.sidecar) and not record.ready]
    if terminal or unready:
        reason = terminal or "ContainersNotReady"
        message = "" if terminal else f"containers with unready status: [{' '.join(unready)}]"
        return [_condition(name, False, reason, message) for name in ("Ready", "ContainersReady")]
    problems = []
    for gate in pod["spec"].get("readinessGates") or ():
        name = gate["conditionType"]
        if name not in before:
            problems.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif before[name]["status"] != "True":
            problems.append(f'the status of pod readiness gate "{name}" is not "True", but {before[name]["status"]}')
    reason = "ReadinessGatesNotReady" if problems else ""
    ready = _condition("Ready", not problems, reason, ", ".join(problems))
    return [ready, _condition("ContainersReady", True)]


def _condition(kind: str, value: bool, reason: str = "", message: str = "") -> Document:  # noqa: FBT001 - the condition's status
    # Null takes a former reason away: the list is merged by type.
    return {"type": kind, "status": str(value), "reason": reason or None, "message": message or None}


def _dated(condition: Document, before: Mapping[str, Any], now: dt.datetime, generation: int | None) -> Document:
    old = before.get(condition["type"]) or {}
    changed = old.get("status") != condition["status"]
    since = stamp(now) if changed else old.get("lastTransitionTime") or stamp(now)
    observed = {} if generation is None else {"observedGeneration": generation}
    return {**condition, "lastTransitionTime": since, "lastProbeTime": None, **observed}
