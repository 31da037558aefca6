"""The KServe charts of the local mirror, packed from the pinned Go module that the manager is built from.

Real: the CRDs, the serving runtimes, the default values and what becomes of them (the ``inferenceservice-config``).
Stand-ins: the manager's Deployment (the supervisor runs the manager itself), its webhooks and certificates.
"""

from pathlib import Path

from local.cluster.stages import HOLD_ANNOTATION
from local.cluster.stand_ins import RECORD, StandIn

CRD_CHART = "kserve-crd"
RESOURCES_CHART = "kserve-resources"
RUNTIMES_CHART = "kserve-runtime-configs"
CHARTS = (CRD_CHART, RESOURCES_CHART, RUNTIMES_CHART)
MANAGER = "kserve-controller-manager"
"""The Deployment's name, and the value of its label ``control-plane``, in the real chart."""
NAMESPACE = "kserve"
_NEVER_PACKED = ("README.md", "README.md.gotmpl", "NOTES.txt")
_COMMON = ("templates/common/configmap.yaml", "templates/common/clusterstoragecontainer.yaml")

_DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {MANAGER}
  namespace: {{{{ .Release.Namespace }}}}
  labels:
    control-plane: {MANAGER}
    app.kubernetes.io/name: {MANAGER}
spec:
  replicas: 1
  selector:
    matchLabels:
      control-plane: {MANAGER}
  template:
    metadata:
      labels:
        control-plane: {MANAGER}
        app.kubernetes.io/name: {MANAGER}
      annotations:
        {HOLD_ANNOTATION}: kserve-manager
    spec:
      {{{{- with .Values.kserve.controller.nodeSelector }}}}
      nodeSelector:
        {{{{- toYaml . | nindent 8 }}}}
      {{{{- end }}}}
      {{{{- with .Values.kserve.controller.tolerations }}}}
      tolerations:
        {{{{- toYaml . | nindent 8 }}}}
      {{{{- end }}}}
      securityContext:
        {{{{- toYaml .Values.kserve.controller.securityContext | nindent 8 }}}}
      containers:
        - name: manager
          image: slipway.invalid/simulated/kserve-controller:{{{{ .Chart.AppVersion }}}}
          securityContext:
            {{{{- toYaml .Values.kserve.controller.containerSecurityContext | nindent 12 }}}}
          resources:
            {{{{- toYaml .Values.kserve.controller.resources | nindent 12 }}}}
"""


def kserve_chart(name: str, version: str, module: Path) -> StandIn:
    """The chart ``name``, from the sources of the Go module at ``module``.

    Raises:
        ValueError: the module's chart has another version than the kit pins.
    """
    files = _files(module / "charts" / name)
    head = f"version: {version}\n"
    if head not in files["Chart.yaml"]:
        raise ValueError(f"the pinned Go module of KServe has no chart {name} of version {version}")
    if name == RESOURCES_CHART:
        kept = {path for path in files if not path.startswith("templates/") or path.endswith(".tpl")} | set(_COMMON)
        files = {path: text for path, text in files.items() if path in kept}
        files["templates/simulated-deployment.yaml"] = _DEPLOYMENT
    files["templates/simulated-received-values.yaml"] = RECORD.replace("CHART", name)
    return StandIn(name, version, files)


def _files(chart: Path) -> dict[str, str]:
    found = sorted(path for path in chart.rglob("*") if path.is_file() and path.name not in _NEVER_PACKED)
    return {path.relative_to(chart).as_posix(): path.read_text() for path in found}
