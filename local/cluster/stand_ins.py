"""Stand-in charts: a workload's name, labels and placement, and a record of the values received; none of the code."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class StandIn:
    """One chart and the files in it."""

    name: str
    version: str
    files: Mapping[str, str]


_DAEMON_SET = """\
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
  labels:
    app.kubernetes.io/name: CHART
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: CHART
      app.kubernetes.io/instance: {{ .Release.Name }}
  updateStrategy:
    type: RollingUpdate
  template:
    metadata:
      labels:
        app.kubernetes.io/name: CHART
        app.kubernetes.io/instance: {{ .Release.Name }}
      {{- with .Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      priorityClassName: {{ .Values.priorityClassName | default "system-node-critical" | quote }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: CHART
          image: slipway.invalid/simulated/CHART:{{ .Chart.AppVersion }}
          {{- with .Values.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
"""

RECORD = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-received-values
  namespace: {{ .Release.Namespace }}
  labels:
    app.kubernetes.io/name: CHART
    simulation.slipway.dev/record: values
data:
  chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
  values: {{ .Values | toJson | quote }}
"""

_DEFAULT_TOLERATIONS: Mapping[str, list[dict[str, str]]] = {
    "nvidia-device-plugin": [
        {"key": "CriticalAddonsOnly", "operator": "Exists"},
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
    ],
    "aws-efa-k8s-device-plugin": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
}
"""Defaults of the real charts, which decide whether a program has to pass tolerations."""


def device_plugin(name: str, version: str) -> StandIn:
    """The stand-in of a device plugin's chart."""
    values = {
        "nodeSelector": {},
        "affinity": {},
        "tolerations": _DEFAULT_TOLERATIONS.get(name, []),
        "podAnnotations": {},
        "resources": {},
        "priorityClassName": "system-node-critical",
    }
    files = {
        # JSON is YAML, and quoting is not our problem then.
        "Chart.yaml": json.dumps(_chart(name, version), indent=2),
        "values.yaml": json.dumps(values, indent=2),
        "templates/daemonset.yaml": _DAEMON_SET.replace("CHART", name),
        "templates/received-values.yaml": RECORD.replace("CHART", name),
    }
    return StandIn(name, version, files)


_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
  labels:
    app.kubernetes.io/name: CHART
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}
spec:
  replicas: {{ .Values.replicaCount }}
  selector:
    matchLabels:
      app.kubernetes.io/name: CHART
      app.kubernetes.io/instance: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: CHART
        app.kubernetes.io/instance: {{ .Release.Name }}
    spec:
      containers:
        - name: CHART
          image: slipway.invalid/simulated/CHART:{{ .Chart.AppVersion }}
          securityContext:
            allowPrivilegeEscalation: false
            runAsNonRoot: true
            capabilities: {drop: [ALL]}
            seccompProfile: {type: RuntimeDefault}
          {{- with .Values.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
"""


def controller(name: str, version: str) -> StandIn:
    """The stand-in of a chart whose workload is one Deployment."""
    files = {
        "Chart.yaml": json.dumps(_chart(name, version), indent=2),
        "values.yaml": json.dumps({"replicaCount": 1, "resources": {}}, indent=2),
        "templates/deployment.yaml": _DEPLOYMENT.replace("CHART", name),
        "templates/received-values.yaml": RECORD.replace("CHART", name),
    }
    return StandIn(name, version, files)


def _chart(name: str, version: str) -> dict[str, str]:
    return {
        "apiVersion": "v2",
        "name": name,
        "version": version,
        "appVersion": version.removeprefix("v"),
        "type": "application",
        "description": f"Stand-in for {name} in a simulated environment",
    }


def archive(chart: StandIn) -> bytes:
    """The chart as a ``.tgz``; equal charts give equal bytes, so that digests never change between runs."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, text in sorted(chart.files.items()):
            data = text.encode()
            member = tarfile.TarInfo(f"{chart.name}/{path}")
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)
