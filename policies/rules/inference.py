"""Model services: bounded, the same on every replica, and able to be rolled out on the GPUs that there are."""

from collections.abc import Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.kubernetes_objects import INFERENCE_SERVICE, Part
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation
from stacks.inference import names_one_version

_SERVICES: Final = frozenset({INFERENCE_SERVICE})
_MODE: Final = "serving.kserve.io/deploymentMode"
_AUTOSCALER: Final = "serving.kserve.io/autoscalerClass"
_STANDARD_MODES: Final = frozenset({"Standard", "RawDeployment"})
_PREDICTOR: Final = "spec.predictor"
_MAIN: Final = f"{_PREDICTOR}.containers[0]"
_LEAST_STARTUP_SECONDS: Final = 300
"""Large models take more than ten minutes from an object store, small ones a minute; below five no probe is set on
purpose (KServe's huggingface runtime, whose documentation asks for a long startup probe)."""
_DEFAULT_PERIOD_SECONDS: Final = 10
_DEFAULT_FAILURES: Final = 3


def _predictor(resource: Resource) -> Part:
    return objects.whole(resource).part(_PREDICTOR)


def _annotation(resource: Resource, name: str) -> str:
    return objects.whole(resource).text(f'metadata.annotations["{name}"]')


def _example(path: str, value: object, *, changed: str = "chat", **more: object) -> Example:
    passing = (examples.inference_service(), examples.disruption_budget())
    return Example(passing=passing, resource="chat", changed=changed, path=path, value=value, **more)  # type: ignore[arg-type]


def _unbounded(resource: Resource, _context: Context) -> Iterator[Violation]:
    if not _predictor(resource).number("maxReplicas"):
        yield Violation(
            message="nothing says how many replicas there may be at most (absent or 0)",
            property=f"{_PREDICTOR}.maxReplicas",
        )


MAX_REPLICAS = Rule(
    id="inference-max-replicas-set",
    title="A model service says how many replicas it may have",
    severity=Severity.HIGH,
    rationale="An autoscaler without a ceiling follows a retry storm up to the last GPU of the cluster and its bill.",
    source="KServe v0.20 API reference, ComponentExtensionSpec.maxReplicas",
    fix="maxReplicas in the settings",
    types=_SERVICES,
    check=_unbounded,
    example=_example(f"{_PREDICTOR}.maxReplicas", REMOVED),
)


def _zero(resource: Resource, _context: Context) -> Iterator[Violation]:
    least = _predictor(resource).get("minReplicas")
    scaler = _annotation(resource, _AUTOSCALER) or "hpa"
    if least == 0 and scaler == "hpa" and _annotation(resource, _MODE) in _STANDARD_MODES:
        yield Violation(
            message="minReplicas is 0, which KServe's HPA silently turns into 1", property=f"{_PREDICTOR}.minReplicas"
        )


MIN_REPLICAS = Rule(
    id="inference-scale-to-zero-works",
    title="Who asks for scale to zero gets it",
    severity=Severity.MEDIUM,
    rationale="The service keeps its GPUs all night, while the estimate and the team believe that it does not.",
    source="kserve/kserve issue 3514 (pkg/controller hpa_reconciler, v0.20)",
    fix="minReplicas: 1 with the HPA, or autoscalerClass keda where the first request may fail",
    types=_SERVICES,
    check=_zero,
    example=_example(f"{_PREDICTOR}.minReplicas", 0),
)


def _mode(resource: Resource, _context: Context) -> Iterator[Violation]:
    if _annotation(resource, _MODE) not in _STANDARD_MODES:
        yield Violation(
            message=f"the deployment mode is {_annotation(resource, _MODE) or 'left to the chart, which says Knative'}",
            property="metadata.annotations",
        )


STANDARD_MODE = Rule(
    id="inference-deployment-mode-standard",
    title="A model service names the deployment mode Standard",
    severity=Severity.MEDIUM,
    rationale="The chart's default is Knative, which this platform does not install; the mode of an existing service "
    "cannot be changed, its webhook refuses.",
    source="kserve/kserve charts/kserve-resources values.yaml (kserve.controller.deploymentMode), v0.20",
    fix=f"annotate it with {_MODE}: Standard",
    types=_SERVICES,
    check=_mode,
    example=_example("metadata.annotations", {_AUTOSCALER: "hpa"}),
)


def _models(resource: Resource) -> Iterator[tuple[str, str]]:
    """Addresses of models and where they stand."""
    predictor = _predictor(resource)
    if uri := predictor.text("model.storageUri"):
        yield uri, predictor.at("model.storageUri")
    for entry in predictor.parts("model.storageUris"):
        yield entry.text("uri"), entry.at("uri")
    for container in objects.containers(predictor):
        for variable in container.parts("env"):
            if variable.text("name") == "STORAGE_URI" and variable.text("value"):
                yield variable.text("value"), variable.at("value")


def _floating(resource: Resource, _context: Context) -> Iterator[Violation]:
    for uri, where in _models(resource):
        if not names_one_version(uri):
            yield Violation(message=f"another model may lie under {uri} tomorrow", property=where)


IMMUTABLE_MODEL = Rule(
    id="inference-model-uri-immutable",
    title="A model's address names one version of it",
    severity=Severity.HIGH,
    rationale="A replica that starts after a new upload serves another model than its neighbours, and a rollback "
    "brings nothing back.",
    source="KServe documentation, Storage: the initializer downloads at every start of a pod (v0.20)",
    fix="hf://owner/model:<commit>, oci://…@sha256:<digest>, or a path whose last part has a number: s3://models/chat/v3",
    types=_SERVICES,
    check=_floating,
    example=_example(f"{_MAIN}.env[0].value", "s3://models/chat/latest"),
)


def _surge(resource: Resource, _context: Context) -> Iterator[Violation]:
    predictor = _predictor(resource)
    if not objects.accelerator_count(predictor) or predictor.text("deploymentStrategy.type") == "Recreate":
        return
    surge = predictor.get("deploymentStrategy.rollingUpdate.maxSurge", "25%")
    if surge not in (0, "0", "0%"):
        yield Violation(
            message=f"a rollout starts new replicas first (maxSurge {surge}), for which there must be spare GPUs",
            property=f"{_PREDICTOR}.deploymentStrategy.rollingUpdate.maxSurge",
        )


ROLLOUT_FITS = Rule(
    id="inference-rollout-fits-gpus",
    title="A rollout needs no more GPUs than the service has",
    severity=Severity.HIGH,
    rationale="With one replica and no spare GPU the default of 25 % never finishes: the new pod waits for the old "
    "one's GPU and the old one for the new one's readiness.",
    source="kserve/kserve issue 4618",
    fix="rollingUpdate: {maxSurge: 0, maxUnavailable: 1}, or Recreate",
    types=_SERVICES,
    check=_surge,
    example=_example(f"{_PREDICTOR}.deploymentStrategy.rollingUpdate.maxSurge", "25%"),
)


def _patience(probe: Part) -> int:
    """Seconds after which a replica that does not answer is ended."""
    period = probe.number("periodSeconds") or _DEFAULT_PERIOD_SECONDS
    return (probe.number("initialDelaySeconds") or 0) + period * (probe.number("failureThreshold") or _DEFAULT_FAILURES)


def _impatient(resource: Resource, _context: Context) -> Iterator[Violation]:
    for container in objects.containers(_predictor(resource), initial=False):
        startup, live = container.part("startupProbe"), container.part("livenessProbe")
        probe = startup if startup.body else live
        if objects.accelerators(container) and probe.body and _patience(probe) < _LEAST_STARTUP_SECONDS:
            yield Violation(
                message=f"a replica is ended {_patience(probe)} s after its start if it does not answer; "
                f"a model on GPUs needs {_LEAST_STARTUP_SECONDS} s at least",
                property=probe.path,
            )


PATIENT_PROBES = Rule(
    id="inference-probes-long-enough",
    title="A replica has five minutes at least to load its model",
    severity=Severity.HIGH,
    rationale="A replica that is ended while it loads starts to load again: the service never answers and the GPUs are "
    "paid for.",
    source="kserve/kserve python/huggingfaceserver, startup of large models takes more than ten minutes (2026-08)",
    fix="give the model's size in the settings; elsewhere, startupProbe.failureThreshold x periodSeconds >= 300",
    types=_SERVICES,
    check=_impatient,
    example=_example(f"{_MAIN}.startupProbe.failureThreshold", 6),
)


def _unready(resource: Resource, _context: Context) -> Iterator[Violation]:
    for container in objects.containers(_predictor(resource), initial=False):
        if container.path.endswith(".model"):
            return
        if objects.accelerators(container) and not container.mapping("readinessProbe"):
            yield Violation(
                message=f"container {container.text('name')} counts as ready as soon as its process runs",
                property=container.at("readinessProbe"),
            )


READINESS = Rule(
    id="inference-readiness-probe",
    title="A container that serves a model says when it can",
    severity=Severity.MEDIUM,
    rationale="Requests reach a replica that still loads, and a rollout takes the old ones away before it has loaded.",
    source="Kubernetes documentation, Configure Liveness, Readiness and Startup Probes (v1.36)",
    fix="readinessProbe on the server's health path",
    types=_SERVICES,
    check=_unready,
    example=_example(f"{_MAIN}.readinessProbe", REMOVED),
)


def _unguarded(resource: Resource, context: Context) -> Iterator[Violation]:
    if (_predictor(resource).number("minReplicas") or 1) < 2:  # noqa: PLR2004 -- one replica cannot be guarded
        return
    name, namespace = objects.object_name(resource), objects.namespace_of(resource)
    for budget in objects.in_namespace(context.graph, namespace, objects.DISRUPTION_BUDGET):
        if name in objects.whole(budget).values("spec.selector.matchLabels"):
            return
    yield Violation(message="no disruption budget names its pods", property=f"{_PREDICTOR}.minReplicas")


DISRUPTION_BUDGET = Rule(
    id="inference-disruption-budget",
    title="A service of several replicas has a disruption budget",
    severity=Severity.MEDIUM,
    rationale="Without one, an upgrade of the pool may drain all replicas at once.",
    source="Kubernetes documentation, Specifying a Disruption Budget for your Application (v1.36)",
    fix="a PodDisruptionBudget with maxUnavailable 1 on serving.kserve.io/inferenceservice",
    types=_SERVICES,
    check=_unguarded,
    example=_example("spec.selector.matchLabels", {"app": "another"}, changed="chat-budget"),
    whole_stack=True,
)


def _multi_node(resource: Resource, _context: Context) -> Iterator[Violation]:
    predictor = _predictor(resource)
    if not predictor.get("workerSpec"):
        return
    if _annotation(resource, _AUTOSCALER) != "none":
        yield Violation(
            message="replicas of several nodes cannot be scaled by an autoscaler", property="metadata.annotations"
        )
    uri = predictor.text("model.storageUri")
    if uri and not uri.startswith(("pvc://", "oci://")):
        yield Violation(
            message=f"workers cannot load {uri}: several nodes read from pvc:// or oci:// only",
            property=f"{_PREDICTOR}.model.storageUri",
        )


_WORKERS: Final = examples.resource(
    INFERENCE_SERVICE,
    "large",
    {
        "metadata": {"name": "large", "namespace": "serving", "annotations": {_MODE: "Standard", _AUTOSCALER: "none"}},
        "spec": {
            "predictor": {
                "maxReplicas": 1,
                "model": {"modelFormat": {"name": "huggingface"}, "storageUri": "pvc://models/large/v1"},
                "workerSpec": {"pipelineParallelSize": 2, "tensorParallelSize": 8},
            }
        },
    },
)

MULTI_NODE = Rule(
    id="inference-multi-node-as-kserve-can",
    title="A replica of several nodes reads from a claim or an OCI image and has no autoscaler",
    severity=Severity.HIGH,
    rationale="KServe's webhook refuses the rest, in the middle of the update.",
    source="kserve/kserve pkg/apis/serving/v1beta1 inference_service_validation (v0.20)",
    fix=f"storageUri pvc://… or oci://…, annotation {_AUTOSCALER}: none",
    types=_SERVICES,
    check=_multi_node,
    example=Example(
        passing=(_WORKERS,),
        resource="large",
        changed="large",
        path=f"{_PREDICTOR}.model.storageUri",
        value="s3://models/large/v1",
    ),
)
