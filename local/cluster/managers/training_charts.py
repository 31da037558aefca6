"""The charts of Kueue, JobSet and Kubeflow Trainer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from local.cluster.managers.module_charts import ModuleChart

_KUEUE: Final = ModuleChart(
    name="kueue",
    executable="kueue-manager",
    deployment="templates/manager/manager.yaml",
    hold_after="        kubectl.kubernetes.io/default-container: manager\n",
    hold="        kubectl.kubernetes.io/default-container: manager\n        HOLD\n",
    image='image: "{{ .Values.controllerManager.manager.image.repository }}:'
    '{{ .Values.controllerManager.manager.image.tag | default .Chart.AppVersion }}"',
    webhooks=("templates/webhook/manifests.yaml",),
    crds="templates/crd",
    # Certificates come from the simulation. An APIService that nobody answers keeps every namespace from going away.
    left_out=("certmanager", "kueueviz", "map", "prometheus", "visibility", "visibility-apf"),
    refused=(
        (".Values.enableKueueViz", "the local mirror has no KueueViz: set enableKueueViz to false"),
        (
            ".Values.enableMutatingAdmissionPolicy",
            "the local mirror has no admission policies of Kueue: set enableMutatingAdmissionPolicy to false",
        ),
    ),
)

_JOBSET: Final = ModuleChart(
    name="jobset",
    executable="jobset-manager",
    deployment="templates/controller/deployment.yaml",
    hold_after="        jobset.x-k8s.io/config-hash:",
    hold="        HOLD\n        jobset.x-k8s.io/config-hash:",
    image='image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"',
    webhooks=("templates/webhook/manifests.yaml",),
    left_out=("certmanager", "prometheus"),
)

_TRAINER: Final = ModuleChart(
    name="kubeflow-trainer",
    executable="trainer-manager",
    deployment="templates/manager/deployment.yaml",
    hold_after="""\
      {{- if $podAnnotations }}
      annotations:
        {{- $podAnnotations | nindent 8 }}
      {{- end }}
""",
    hold="""\
      annotations:
        HOLD
        {{- if $podAnnotations }}
        {{- $podAnnotations | nindent 8 }}
        {{- end }}
""",
    image='image: {{ include "trainer.image" . }}',
    webhooks=(
        "templates/webhook/mutating_webhook_configuration.yaml",
        "templates/webhook/validating_webhook_configuration.yaml",
    ),
    left_out=(
        "data-cache",
        "runtimes/cleanup-job.yaml",
        "runtimes/configmap.yaml",
        "runtimes/installer-job.yaml",
        "runtimes/rbac.yaml",
    ),
    refused=(
        (
            ".Values.jobset.install",
            "the local mirror has JobSet as a chart of its own: install it and set jobset.install to false",
        ),
        (".Values.dataCache.enabled", "the local mirror has no data cache: set dataCache.enabled to false"),
        (
            'eq (include "trainer.runtimes.enabled" .) "true"',
            "a pod that needs the network installs the stock runtimes: switch them off, the kit brings its own",
        ),
    ),
    # Of the two dependencies one is a release of its own here, the other is refused.
    replaced=(("Chart.yaml", r"(?m)^dependencies:\n(?:[- ] .*\n)+", ""),),
)

CHARTS: Final[Mapping[str, ModuleChart]] = MappingProxyType(
    {chart.name: chart for chart in (_KUEUE, _JOBSET, _TRAINER)}
)
