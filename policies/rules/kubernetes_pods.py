"""Pods: what Pod Security Standards call restricted, and what keeps one pod from taking a node with it."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.kubernetes_objects import Part
from policies.rule import REMOVED, Check, Context, Example, Rule, Severity, Violation
from policies.rules.frameworks import cis, hardening, pod_security

_STANDARDS: Final = "Kubernetes documentation, Pod Security Standards (v1.36)"
_CONTAINER: Final = "spec.containers[0]"
_SECURITY: Final = f"{_CONTAINER}.securityContext"


def _of_pods(look: Callable[[Part], Iterator[Violation]]) -> Check:
    """A check of every pod template outside the privileged namespaces."""

    def check(resource: Resource, context: Context) -> Iterator[Violation]:
        if not objects.is_privileged(objects.namespace_of(resource), context.limits):
            for pod in objects.pods(resource):
                yield from look(pod)

    return check


def _of_containers(look: Callable[[Part], Iterator[Violation]]) -> Check:
    """A check of every container outside the privileged namespaces."""
    return _of_pods(lambda pod: (found for item in objects.containers(pod) for found in look(item)))


def _example(path: str, value: object) -> Example:
    return Example(passing=(examples.pod(),), resource="demo", changed="demo", path=path, value=value)


def _is_privileged(container: Part) -> Iterator[Violation]:
    if container.get("securityContext.privileged") is True:
        yield Violation(
            message=f"container {container.text('name')} is privileged: it owns its node and every GPU in it",
            property=container.at("securityContext.privileged"),
        )


NOT_PRIVILEGED = Rule(
    id="kubernetes-not-privileged",
    title="No container is privileged",
    severity=Severity.CRITICAL,
    rationale="A privileged container sees the node's devices, its kubelet's credentials and every other pod.",
    source=f"{_STANDARDS}, Baseline: Privileged Containers",
    fix="remove securityContext.privileged; GPUs are requested as resources, which needs no privilege",
    types=objects.RUNNING,
    check=_of_containers(_is_privileged),
    example=_example(f"{_SECURITY}.privileged", True),
    references=(cis("4.2.1"), pod_security("Baseline: Privileged Containers"), hardening("Kubernetes Pod security")),
)


def _host_namespaces(pod: Part) -> Iterator[Violation]:
    for member in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(member) is True:
            yield Violation(message=f"the pod shares its node's namespaces ({member})", property=pod.at(member))


NO_HOST_NAMESPACES = Rule(
    id="kubernetes-no-host-namespaces",
    title="No pod shares the network, the processes or the IPC of its node",
    severity=Severity.CRITICAL,
    rationale="It gets around network policies, reaches the instance metadata service and reads other pods' memory.",
    source=f"{_STANDARDS}, Baseline: Host Namespaces",
    fix="remove hostNetwork, hostPID and hostIPC; EFA works in the pod's own network",
    types=objects.RUNNING,
    check=_of_pods(_host_namespaces),
    example=_example("spec.hostNetwork", True),
    references=(cis("4.2.2"), cis("4.2.3"), cis("4.2.4"), pod_security("Baseline: Host Namespaces")),
)


def _host_paths(pod: Part) -> Iterator[Violation]:
    for volume in pod.parts("volumes"):
        if volume.get("hostPath") is not None:
            yield Violation(
                message=f"volume {volume.text('name')} is the node's own {volume.text('hostPath.path')}",
                property=volume.at("hostPath"),
            )


NO_HOST_PATH = Rule(
    id="kubernetes-no-host-path",
    title="No pod mounts a directory of its node",
    severity=Severity.HIGH,
    rationale="A directory of the node leads to its credentials, its containers and, written to, to the node itself.",
    source=f"{_STANDARDS}, Baseline: HostPath Volumes",
    fix="use a claim, an emptyDir or a generic ephemeral volume (local NVMe: an emptyDir on a RAID0 node)",
    types=objects.RUNNING,
    check=_of_pods(_host_paths),
    example=_example("spec.volumes", [{"name": "data", "hostPath": {"path": "/mnt"}}]),
    references=(pod_security("Baseline: HostPath Volumes"), hardening("Kubernetes Pod security")),
)


def _host_ports(container: Part) -> Iterator[Violation]:
    for port in container.parts("ports"):
        if port.number("hostPort"):
            yield Violation(
                message=f"port {port.number('hostPort')} of the node leads to {container.text('name')}",
                property=port.at("hostPort"),
            )


NO_HOST_PORT = Rule(
    id="kubernetes-no-host-port",
    title="No container takes a port of its node",
    severity=Severity.MEDIUM,
    rationale="Such a port answers outside every Service and network policy, and two pods cannot share it.",
    source=f"{_STANDARDS}, Baseline: Host Ports",
    fix="publish the port through a Service",
    types=objects.RUNNING,
    check=_of_containers(_host_ports),
    example=_example(f"{_CONTAINER}.ports", [{"containerPort": 8080, "hostPort": 8080}]),
    references=(pod_security("Baseline: Host Ports"),),
)


def _escalation(container: Part) -> Iterator[Violation]:
    if container.get("securityContext.allowPrivilegeEscalation") is not False:
        yield Violation(
            message=f"container {container.text('name')} may gain privileges (absent means yes)",
            property=container.at("securityContext.allowPrivilegeEscalation"),
        )


NO_PRIVILEGE_ESCALATION = Rule(
    id="kubernetes-no-privilege-escalation",
    title="No process gains more privileges than its parent had",
    severity=Severity.MEDIUM,
    rationale="A setuid binary in an image turns a broken-in process into root.",
    source=f"{_STANDARDS}, Restricted: Privilege Escalation",
    fix="securityContext.allowPrivilegeEscalation: false",
    types=objects.RUNNING,
    check=_of_containers(_escalation),
    example=_example(f"{_SECURITY}.allowPrivilegeEscalation", REMOVED),
    references=(cis("4.2.5"), pod_security("Restricted: Privilege Escalation")),
)


def _capabilities(container: Part) -> Iterator[Violation]:
    where = container.at("securityContext.capabilities")
    if "ALL" not in container.texts("securityContext.capabilities.drop"):
        yield Violation(
            message=f"container {container.text('name')} keeps Linux capabilities", property=f"{where}.drop"
        )
    extra = sorted(set(container.texts("securityContext.capabilities.add")) - {"NET_BIND_SERVICE"})
    if extra:
        yield Violation(
            message=f"container {container.text('name')} adds {', '.join(extra)}; only NET_BIND_SERVICE may be added",
            property=f"{where}.add",
        )


CAPABILITIES_DROPPED = Rule(
    id="kubernetes-capabilities-dropped",
    title="Containers drop all Linux capabilities",
    severity=Severity.MEDIUM,
    rationale="The default set is enough to forge packets and to change the owner of other teams' files.",
    source=f"{_STANDARDS}, Restricted: Capabilities",
    fix="securityContext.capabilities.drop: [ALL]; RDMA needs a memlock limit on the node, not IPC_LOCK in the pod",
    types=objects.RUNNING,
    check=_of_containers(_capabilities),
    example=_example(f"{_SECURITY}.capabilities.drop", []),
    references=(pod_security("Restricted: Capabilities"), cis("4.5.2")),
)


def _root(pod: Part) -> Iterator[Violation]:
    general = pod.get("securityContext.runAsNonRoot")
    for container in objects.containers(pod):
        own = container.get("securityContext.runAsNonRoot")
        if (general if own is None else own) is not True:
            yield Violation(
                message=f"container {container.text('name')} may run as root",
                property=container.at("securityContext.runAsNonRoot") if own is False else pod.at("securityContext"),
            )


RUNS_AS_NON_ROOT = Rule(
    id="kubernetes-runs-as-non-root",
    title="Containers run as a user other than root",
    severity=Severity.MEDIUM,
    rationale="Root in a container is root on its node as soon as one kernel or runtime flaw is found, and it owns "
    "every file on a shared file system without root squash.",
    source=f"{_STANDARDS}, Restricted: Running as Non-root",
    fix="securityContext.runAsNonRoot: true and a numeric runAsUser",
    types=objects.RUNNING,
    check=_of_pods(_root),
    example=_example("spec.securityContext.runAsNonRoot", False),
    references=(pod_security("Restricted: Running as Non-root"), hardening("“Non-root” containers")),
)


def _seccomp(pod: Part) -> Iterator[Violation]:
    general = pod.text("securityContext.seccompProfile.type")
    for container in objects.containers(pod):
        profile = container.text("securityContext.seccompProfile.type", general)
        if profile not in ("RuntimeDefault", "Localhost"):
            yield Violation(
                message=f"container {container.text('name')} may make any system call ({profile or 'no profile'})",
                property=pod.at("securityContext.seccompProfile.type"),
            )


SECCOMP_PROFILE = Rule(
    id="kubernetes-seccomp-profile",
    title="System calls are filtered",
    severity=Severity.LOW,
    rationale="Most container escapes of the last years used system calls that the runtime's own profile forbids.",
    source=f"{_STANDARDS}, Restricted: Seccomp",
    fix="securityContext.seccompProfile.type: RuntimeDefault",
    types=objects.RUNNING,
    check=_of_pods(_seccomp),
    example=_example("spec.securityContext.seccompProfile.type", "Unconfined"),
    references=(pod_security("Restricted: Seccomp"),),
)


def _writable_root(container: Part) -> Iterator[Violation]:
    if container.get("securityContext.readOnlyRootFilesystem") is not True:
        yield Violation(
            message=f"container {container.text('name')} can change its own image's files",
            property=container.at("securityContext.readOnlyRootFilesystem"),
        )


READ_ONLY_ROOT = Rule(
    id="kubernetes-read-only-root",
    title="Containers cannot change their image's files",
    severity=Severity.LOW,
    rationale="Files written into the image's layer are lost with the pod, fill the node's disk, and hide what an "
    "intruder brought.",
    source="NSA/CISA Kubernetes Hardening Guide 1.2 (August 2022), Immutable container file systems",
    fix="securityContext.readOnlyRootFilesystem: true, with an emptyDir on /tmp",
    types=objects.RUNNING,
    check=_of_containers(_writable_root),
    example=_example(f"{_SECURITY}.readOnlyRootFilesystem", False),
    references=(hardening("Immutable container file systems"),),
)


def _memory(container: Part) -> Iterator[Violation]:
    if not objects.amount(container.part("resources.limits"), "memory"):
        yield Violation(
            message=f"container {container.text('name')} has no memory limit",
            property=container.at("resources.limits"),
        )


MEMORY_LIMITED = Rule(
    id="kubernetes-memory-limited",
    title="Every container has a memory limit",
    severity=Severity.MEDIUM,
    rationale="A data loader that leaks takes the kubelet, and with it all GPUs of the node, instead of itself.",
    source="NSA/CISA Kubernetes Hardening Guide 1.2 (August 2022), Resource policies",
    fix="resources.limits.memory (no CPU limit: throttled data loaders starve GPUs)",
    types=objects.RUNNING,
    check=_of_containers(_memory),
    example=_example(f"{_CONTAINER}.resources.limits.memory", REMOVED),
    references=(hardening("Resource policies"),),
)


def _token(pod: Part) -> Iterator[Violation]:
    if pod.get("automountServiceAccountToken") is not False and not pod.text("serviceAccountName"):
        yield Violation(
            message="the token of the default service account is mounted (absent means yes)",
            property=pod.at("automountServiceAccountToken"),
        )


NO_DEFAULT_TOKEN = Rule(
    id="kubernetes-no-default-token",
    title="Pods without a service account of their own mount no token",
    severity=Severity.LOW,
    rationale="Training and serving code does not call the API server; whoever takes over the process would.",
    source="CIS Amazon EKS Benchmark 1.5.0, 4.1.6",
    fix="automountServiceAccountToken: false, or name the service account that the pod needs",
    types=objects.RUNNING,
    check=_of_pods(_token),
    example=_example("spec.automountServiceAccountToken", REMOVED),
    references=(cis("4.1.5"), cis("4.1.6")),
)

_SECRET_NAME: Final = re.compile(
    r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_KEY|ACCESS_KEY)(_ID)?$", re.IGNORECASE
)


def _plain_secrets(container: Part) -> Iterator[Violation]:
    for variable in container.parts("env"):
        name = variable.text("name")
        if _SECRET_NAME.search(name) and variable.get("value"):
            yield Violation(
                message=f"variable {name} of {container.text('name')} has its value in the manifest",
                property=variable.at("value"),
            )


NO_SECRET_IN_ENVIRONMENT = Rule(
    id="kubernetes-no-secret-in-environment",
    title="No manifest carries a secret in an environment variable",
    severity=Severity.HIGH,
    rationale="Everybody who may read pods reads it, and so do crash dumps, child processes and the state.",
    source="CIS Amazon EKS Benchmark 1.5.0, 4.4.1",
    fix="mount a Secret, or give the service account a cloud role so that there is no key at all",
    types=objects.WORKLOADS,
    check=_of_containers(_plain_secrets),
    example=_example(f"{_CONTAINER}.env", [{"name": "AWS_SECRET_ACCESS_KEY", "value": "example"}]),
    references=(cis("4.4.1"),),
)
