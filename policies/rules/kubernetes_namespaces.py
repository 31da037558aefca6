"""Namespaces: what holds for every pod in them, whoever made it."""

from collections.abc import Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.kubernetes_objects import Part
from policies.rule import Context, Example, Rule, Severity, Violation
from policies.rules.frameworks import cis, hardening, pod_security

_ENFORCE: Final = "pod-security.kubernetes.io/enforce"
_DEFAULTED: Final = frozenset({"default"})
"""Namespaces that exist without anybody declaring them."""


def _level(resource: Resource, context: Context) -> Iterator[Violation]:
    name = objects.object_name(resource)
    level = objects.whole(resource).text(f'metadata.labels["{_ENFORCE}"]')
    if level != "restricted" and not objects.is_privileged(name, context.limits):
        yield Violation(
            message=f"namespace {name} enforces {level or 'nothing'}; only restricted keeps a pod from its node",
            property="metadata.labels",
        )


ENFORCES_RESTRICTED = Rule(
    id="kubernetes-namespace-enforces-restricted",
    title="Namespaces enforce the restricted Pod Security Standard, except those on the allow-list",
    severity=Severity.HIGH,
    rationale="Rules on manifests do not see what people apply by hand; admission does.",
    source="Kubernetes documentation, Pod Security Admission (v1.36)",
    fix=f"label the namespace {_ENFORCE}: restricted, or put it on the list policies.limits.privilegedNamespaces",
    types=frozenset({objects.NAMESPACE}),
    check=_level,
    example=Example(
        passing=(examples.namespace(),),
        resource="research-namespace",
        changed="research-namespace",
        path="metadata.labels",
        value={_ENFORCE: "privileged"},
    ),
    references=(cis("4.2.1"), pod_security("Policy instantiation"), hardening("Pod security enforcement")),
)


def _denies(policy: Part) -> set[str]:
    """The directions that a policy closes for every pod of its namespace."""
    spec = policy.part("spec")
    selector = spec.mapping("podSelector")
    if selector or spec.parts("ingress") or spec.parts("egress"):
        return set()
    return set(spec.texts("policyTypes")) or {"Ingress"}


def _closed(resource: Resource, context: Context) -> Iterator[Violation]:
    name = objects.object_name(resource)
    if objects.is_privileged(name, context.limits):
        return
    policies = objects.in_namespace(context.graph, name, objects.NETWORK_POLICY)
    closed = set().union(*(_denies(objects.whole(item)) for item in policies))
    missing = sorted({"Ingress", "Egress"} - closed)
    if missing:
        yield Violation(
            message=f"nothing closes namespace {name} by default for {' and '.join(missing).lower()}",
            property="metadata.name",
        )


DEFAULT_DENY = Rule(
    id="kubernetes-namespace-default-deny",
    title="Every namespace has a network policy that denies all traffic by default, both ways",
    severity=Severity.MEDIUM,
    rationale="Without one, any pod of any team talks to every model server, and a poisoned package talks to the "
    "world.",
    source="Kubernetes documentation, Network Policies: Default deny all ingress and all egress traffic (v1.36)",
    fix="add a NetworkPolicy with an empty podSelector and policyTypes Ingress and Egress; then allow what is needed",
    types=frozenset({objects.NAMESPACE}),
    check=_closed,
    example=Example(
        passing=(examples.namespace(), examples.default_deny()),
        resource="research-namespace",
        changed="research-default-deny",
        path="spec.policyTypes",
        value=["Ingress"],
    ),
    references=(cis("4.3.2"), hardening("Network policies")),
    whole_stack=True,
)


def _has_quota(resource: Resource, context: Context) -> Iterator[Violation]:
    if not objects.uses_accelerators(resource):
        return
    name = objects.namespace_of(resource)
    limited = any(
        key.removeprefix("requests.").count("/") and key.startswith("requests.")
        for item in objects.in_namespace(context.graph, name, objects.RESOURCE_QUOTA)
        for key in objects.whole(item).mapping("spec.hard")
    )
    if not limited:
        yield Violation(
            message=f"namespace {name} has pods with accelerators and no quota on them",
            property="metadata.namespace",
        )


GPU_QUOTA = Rule(
    id="kubernetes-gpu-namespace-quota",
    title="A namespace whose pods use accelerators has a quota on them",
    severity=Severity.MEDIUM,
    rationale="Without a quota the first team to ask gets every GPU, and a typing error in a replica count the rest.",
    source="Kubernetes documentation, Resource Quotas: quota for extended resources (v1.36)",
    fix="give the team a number of gpus in the settings; in other programs, a ResourceQuota on requests.nvidia.com/gpu",
    types=objects.RUNNING,
    check=_has_quota,
    example=Example(
        passing=(examples.training_job(), examples.quota()),
        resource="run",
        changed="research-quota",
        path="spec.hard",
        value={"pods": "100"},
    ),
    references=(hardening("Resource policies"),),
    whole_stack=True,
)


def _in_default(resource: Resource, _context: Context) -> Iterator[Violation]:
    name = objects.namespace_of(resource)
    if name in _DEFAULTED:
        yield Violation(message=f"it lies in the namespace {name}", property="metadata.namespace")


NOT_IN_DEFAULT = Rule(
    id="kubernetes-not-in-default-namespace",
    title="No workload lies in the namespace `default`",
    severity=Severity.LOW,
    rationale="It has no quota, no network policy and no Pod Security level, and everybody's objects lie in it.",
    source="CIS Amazon EKS Benchmark 1.5.0, 4.5.3",
    fix="name the team's namespace",
    types=objects.RUNNING,
    check=_in_default,
    example=Example(
        passing=(examples.pod(),), resource="demo", changed="demo", path="metadata.namespace", value="default"
    ),
    references=(cis("4.5.1"), cis("4.5.3")),
)
