"""The chart mirror of the local environment: stand-in charts, built in memory, served as a Helm repository.

A stand-in has the workload's name, labels and placement and writes the values that it received into a ConfigMap, so
that tests can check what a program passes. Nothing of the real charts is in it.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from components.versions import CHARTS
from local.cluster.http_server import HttpResponse

_CREATED = "2026-01-01T00:00:00Z"
_OK, _NOT_FOUND = 200, 404


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

_RECORD = """\
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
    chart = {
        "apiVersion": "v2",
        "name": name,
        "version": version,
        "appVersion": version.removeprefix("v"),
        "type": "application",
        "description": f"Stand-in for {name} in a simulated environment",
    }
    files = {
        # JSON is YAML, and quoting is not our problem then.
        "Chart.yaml": json.dumps(chart, indent=2),
        "values.yaml": json.dumps(values, indent=2),
        "templates/daemonset.yaml": _DAEMON_SET.replace("CHART", name),
        "templates/received-values.yaml": _RECORD.replace("CHART", name),
    }
    return StandIn(name, version, files)


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


class ChartMirror:
    """The repository's files by name: ``index.yaml`` and one archive per chart."""

    def __init__(self) -> None:
        charts = [device_plugin(name, pin.version) for name, pin in CHARTS.items()]
        self.files: dict[str, bytes] = {}
        entries: dict[str, list[dict[str, object]]] = {}
        for chart in charts:
            data = archive(chart)
            file = f"{chart.name}-{chart.version}.tgz"
            self.files[file] = data
            meta = json.loads(chart.files["Chart.yaml"])
            digest = hashlib.sha256(data).hexdigest()
            entries[chart.name] = [{**meta, "urls": [file], "created": _CREATED, "digest": digest}]
        index = {"apiVersion": "v1", "entries": entries, "generated": _CREATED}
        self.files["index.yaml"] = json.dumps(index, indent=2).encode()

    def serve(self, name: str) -> HttpResponse:
        """The file ``name`` of the repository."""
        data = self.files.get(name)
        if data is None:
            held = ", ".join(sorted(self.files))
            return HttpResponse(_NOT_FOUND, f"the local chart mirror has no {name}; it has: {held}\n".encode())
        kind = "application/gzip" if name.endswith(".tgz") else "application/yaml"
        return HttpResponse(_OK, data, kind)
