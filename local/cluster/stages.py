"""What KWOK does to the simulated nodes and their pods, as Stage objects (kwok.x-k8s.io/v1alpha1)."""

import json
from collections.abc import Sequence

from local.cluster.kube import Document

NODE_ANNOTATION = "kwok.x-k8s.io/node"
NODE_ANNOTATION_VALUE = "fake"
VOLUMES_ANNOTATION = "simulation.slipway.dev/volumes"
"""Set on a pod to ``mounted`` once all its volumes are; until then a pod with claims stays in ContainerCreating."""
VOLUMES_MOUNTED = "mounted"
DURATION_ANNOTATION = "simulation.slipway.dev/duration"
"""How long a Job's pod runs, as a Go duration (``90s``)."""
HOLD_ANNOTATION = "simulation.slipway.dev/waits-for"
"""On a pod that stands for a process of the supervisor: taken off once that process is ready."""
EXIT_CODE_ANNOTATION = "simulation.slipway.dev/exit-code"
"""Exit code with which a Job's pod ends, instead of 0."""

_JOB_MILLISECONDS = 3000
_HEARTBEAT_MILLISECONDS = 300_000
NODE_LEASE_SECONDS = 120
"""Long enough that a thousand leases are cheap to renew and that a restarted kwok finds its nodes still Ready."""

_LIVING = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
_READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'
_CLAIMS = ".spec.volumes.[].persistentVolumeClaim.claimName"
_MOUNTED = f'.metadata.annotations["{VOLUMES_ANNOTATION}"]'
_HELD = f'.metadata.annotations["{HOLD_ANNOTATION}"]'
_EXIT_CODE = f'.metadata.annotations["{EXIT_CODE_ANNOTATION}"]'

_CONDITIONS_OF_NODE = """
{{ $now := Now }}
{{ $lastTransitionTime := or .metadata.creationTimestamp $now }}
conditions:
{{ range NodeConditions }}
- lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $lastTransitionTime | Quote }}
  message: {{ .message | Quote }}
  reason: {{ .reason | Quote }}
  status: {{ .status | Quote }}
  type: {{ .type | Quote }}
{{ end }}
"""

_ADDRESSES = """
{{ $hostIPs := NodeIPsWith .spec.nodeName }}
{{ with $hostIPs }}
hostIP: {{ index . 0 | Quote }}
hostIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
"""

_RUNNING = """
{{ $now := Now }}
conditions:
- lastTransitionTime: {{ $now | Quote }}
  status: "True"
  type: Initialized
- lastTransitionTime: {{ $now | Quote }}
  status: "True"
  type: PodReadyToStartContainers
- lastTransitionTime: {{ $now | Quote }}
  status: "True"
  type: Ready
- lastTransitionTime: {{ $now | Quote }}
  status: "True"
  type: ContainersReady
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: true
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: true
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      finishedAt: {{ $now | Quote }}
      reason: Completed
      startedAt: {{ $now | Quote }}
{{ end }}
"""

_POD_IPS = """
{{ $meta := .metadata }}
{{ $podIPs := PodIPsWith .spec.nodeName ( or .spec.hostNetwork false ) $meta.uid $meta.name $meta.namespace }}
{{ with $podIPs }}
podIP: {{ index . 0 | Quote }}
podIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
phase: Running
startTime: {{ $now | Quote }}
"""

_WAITING = """
{{ $now := Now }}
conditions:
- lastTransitionTime: {{ $now | Quote }}
  status: "True"
  type: Initialized
- lastTransitionTime: {{ $now | Quote }}
  status: "False"
  reason: ContainersNotReady
  type: Ready
- lastTransitionTime: {{ $now | Quote }}
  status: "False"
  reason: ContainersNotReady
  type: ContainersReady
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  imageID: ""
  name: {{ .name | Quote }}
  ready: false
  started: false
  restartCount: 0
  state:
    waiting:
      reason: ContainerCreating
{{ end }}
phase: Pending
startTime: {{ $now | Quote }}
"""


def _ended(exit_code: str, reason: str, phase: str) -> str:
    return f"""
{{{{ $now := Now }}}}
{{{{ $root := . }}}}
containerStatuses:
{{{{ range $index, $item := .spec.containers }}}}
- image: {{{{ $item.image | Quote }}}}
  name: {{{{ $item.name | Quote }}}}
  ready: false
  restartCount: 0
  started: false
  state:
    terminated:
      exitCode: {exit_code}
      finishedAt: {{{{ $now | Quote }}}}
      reason: {reason}
      startedAt: {{{{ $root.status.startTime | Quote }}}}
{{{{ end }}}}
phase: {phase}
"""


def stages() -> list[Document]:
    """All stages, in no particular order: their selectors exclude each other."""
    not_ready: Document = {"key": _READY, "operator": "NotIn", "values": ["True"]}
    return [*_node_stages(not_ready), *_pod_stages(not_ready)]


def _node_stages(not_ready: Document) -> list[Document]:
    return [
        _stage("node-initialize", "Node", [not_ready], _CONDITIONS_OF_NODE + "phase: Running\n"),
        _stage(
            "node-heartbeat",
            "Node",
            [_in(_READY, "True")],
            _CONDITIONS_OF_NODE,
            {
                "durationMilliseconds": _HEARTBEAT_MILLISECONDS,
                "jitterDurationMilliseconds": 2 * _HEARTBEAT_MILLISECONDS,
            },
        ),
    ]


def _pod_stages(not_ready: Document) -> list[Document]:
    pending = [_LIVING, _in(".status.phase", "Pending"), {"key": ".spec.nodeName", "operator": "Exists"}]
    of_job = [
        _LIVING,
        _in(".status.phase", "Running"),
        _in(_READY, "True"),
        _in(".metadata.ownerReferences.[].kind", "Job"),
    ]
    duration = {
        "durationMilliseconds": _JOB_MILLISECONDS,
        "durationFrom": {"expressionFrom": f'.metadata.annotations["{DURATION_ANNOTATION}"]'},
    }
    exit_code = f'{{{{ index $root.metadata.annotations "{EXIT_CODE_ANNOTATION}" }}}}'
    no_code: Document = {"key": _EXIT_CODE, "operator": "DoesNotExist"}
    running = _RUNNING + _ADDRESSES + _POD_IPS
    return [
        _stage(
            "pod-ready",
            "Pod",
            [
                *pending,
                not_ready,
                {"key": _CLAIMS, "operator": "DoesNotExist"},
                {"key": _HELD, "operator": "DoesNotExist"},
            ],
            running,
        ),
        _stage("pod-ready-mounted", "Pod", [*pending, not_ready, _in(_MOUNTED, VOLUMES_MOUNTED)], running),
        _stage(
            "pod-waits-for-volumes",
            "Pod",
            [
                *pending,
                {"key": _READY, "operator": "DoesNotExist"},
                {"key": _CLAIMS, "operator": "Exists"},
                {"key": _MOUNTED, "operator": "DoesNotExist"},
            ],
            _WAITING + _ADDRESSES,
        ),
        _stage("pod-complete", "Pod", [*of_job, no_code], _ended("0", "Completed", "Succeeded"), duration),
        _stage(
            "pod-fail",
            "Pod",
            [*of_job, {"key": _EXIT_CODE, "operator": "Exists"}],
            _ended(exit_code, "Error", "Failed"),
            duration,
        ),
        _stage("pod-delete", "Pod", [{"key": ".metadata.deletionTimestamp", "operator": "Exists"}], None),
    ]


def configuration() -> str:
    """The file for ``kwok --config``: options and stages, one YAML document each (JSON is YAML)."""
    options: Document = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "enableCRDs": [],
            "nodeLeaseDurationSeconds": NODE_LEASE_SECONDS,
            "podPlayStageParallelism": 16,
            "nodePlayStageParallelism": 16,
            "nodeLeaseParallelism": 16,
            "podsOnNodeSyncParallelism": 4,
        },
    }
    return "\n---\n".join(json.dumps(document, indent=1) for document in [options, *stages()])


def _stage(
    name: str, kind: str, selector: Sequence[Document], template: str | None, delay: Document | None = None
) -> Document:
    spec: Document = {"resourceRef": {"apiGroup": "v1", "kind": kind}, "selector": {"matchExpressions": list(selector)}}
    spec["next"] = {"delete": True} if template is None else {"statusTemplate": template}
    if delay:
        spec["delay"] = delay
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def _in(key: str, *values: str) -> Document:
    return {"key": key, "operator": "In", "values": list(values)}
