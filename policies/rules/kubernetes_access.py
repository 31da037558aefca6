"""Who may do what in a cluster, what of it is reachable from outside, and what drains must be able to do."""

from collections.abc import Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation
from policies.rules.frameworks import cis, hardening

_ROLE: Final = "kubernetes:rbac.authorization.k8s.io/v1:Role"
_CLUSTER_ROLE: Final = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
_CLUSTER_BINDING: Final = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"
_VOLUME: Final = "kubernetes:core/v1:PersistentVolume"
_INTERNAL: Final = (
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"),
    ("service.beta.kubernetes.io/aws-load-balancer-internal", "true"),
    ("networking.gke.io/load-balancer-type", "Internal"),
    ("service.beta.kubernetes.io/azure-load-balancer-internal", "true"),
)
"""Annotations that keep a load balancer inside the network, by cloud."""


def _wildcards(resource: Resource, _context: Context) -> Iterator[Violation]:
    for entry in objects.whole(resource).parts("rules"):
        if "*" in entry.texts("verbs") and "*" in entry.texts("resources"):
            yield Violation(message="it allows everything on everything", property=entry.path)


NO_WILDCARD_ROLE = Rule(
    id="kubernetes-no-wildcard-role",
    title="No role allows every verb on every resource",
    severity=Severity.HIGH,
    rationale="Such a role reads every Secret and grants itself the rest.",
    source="CIS Amazon EKS Benchmark 1.5.0, 4.1.3",
    fix="list the resources and the verbs that are used",
    types=frozenset({_ROLE, _CLUSTER_ROLE}),
    check=_wildcards,
    example=Example(
        passing=(
            examples.resource(
                _CLUSTER_ROLE,
                "reader",
                {"metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}]},
            ),
        ),
        resource="reader",
        changed="reader",
        path="rules[0].verbs",
        value=["*"],
    ),
    references=(cis("4.1.3"), hardening("Role-based access control")),
)


def _administrators(resource: Resource, _context: Context) -> Iterator[Violation]:
    body = objects.whole(resource)
    if body.text("roleRef.name") == "cluster-admin":
        names = ", ".join(item.text("name") for item in body.parts("subjects")) or "somebody"
        yield Violation(message=f"{names} may do everything in the cluster", property="roleRef.name")


NO_CLUSTER_ADMIN = Rule(
    id="kubernetes-no-cluster-admin-binding",
    title="Nothing is bound to cluster-admin inside the cluster",
    severity=Severity.HIGH,
    rationale="Administrators come in through EKS access entries, where their names are in the plan and in CloudTrail; "
    "a binding outlives them unseen.",
    source="CIS Amazon EKS Benchmark 1.5.0, 4.1.1",
    fix="list people under access.admins; give programs a role of their own",
    types=frozenset({_CLUSTER_BINDING}),
    check=_administrators,
    example=Example(
        passing=(
            examples.resource(
                _CLUSTER_BINDING,
                "tools",
                {
                    "metadata": {"name": "tools"},
                    "roleRef": {"kind": "ClusterRole", "name": "view"},
                    "subjects": [{"kind": "Group", "name": "tools"}],
                },
            ),
        ),
        resource="tools",
        changed="tools",
        path="roleRef.name",
        value="cluster-admin",
    ),
    references=(cis("4.1.1"), hardening("Role-based access control")),
)


def _reachable(resource: Resource, _context: Context) -> Iterator[Violation]:
    body = objects.whole(resource)
    if body.text("spec.type") != "LoadBalancer":
        return
    inside = any(body.text(f'metadata.annotations["{key}"]').lower() == value.lower() for key, value in _INTERNAL)
    sources = body.texts("spec.loadBalancerSourceRanges")
    if not inside and (not sources or {"0.0.0.0/0", "::/0"} & set(sources)):
        yield Violation(
            message=f"the Service {objects.object_name(resource)} answers the whole internet",
            property="spec.loadBalancerSourceRanges",
        )


NO_PUBLIC_SERVICE = Rule(
    id="kubernetes-no-public-service",
    title="A load balancer is internal, or answers listed addresses only",
    severity=Severity.CRITICAL,
    rationale="Inference servers authenticate nobody: whoever reaches one uses the GPUs.",
    source="AWS Load Balancer Controller documentation, Service annotations: scheme and source ranges",
    fix="service.beta.kubernetes.io/aws-load-balancer-scheme: internal as annotation, or set loadBalancerSourceRanges",
    types=frozenset({objects.SERVICE}),
    check=_reachable,
    example=Example(
        passing=(
            examples.resource(
                objects.SERVICE,
                "front",
                {
                    "metadata": {"name": "front", "namespace": "serving"},
                    "spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["203.0.113.0/24"]},
                },
            ),
        ),
        resource="front",
        changed="front",
        path="spec.loadBalancerSourceRanges",
        value=REMOVED,
    ),
    references=(hardening("Network separation and hardening"),),
)


def _drainable(resource: Resource, _context: Context) -> Iterator[Violation]:
    body = objects.whole(resource)
    for path, blocking in (("spec.maxUnavailable", (0, "0", "0%")), ("spec.minAvailable", ("100%",))):
        if body.get(path) in blocking:
            yield Violation(
                message=f"{path} is {body.get(path)}: no node with such a pod can be drained", property=path
            )


DRAINABLE = Rule(
    id="kubernetes-budget-allows-drain",
    title="A disruption budget lets at least one pod go",
    severity=Severity.MEDIUM,
    rationale="An upgrade or a repair of the node waits for that budget until it fails, hours later.",
    source="Kubernetes documentation, Specifying a Disruption Budget: Arbitrary controllers and drain (v1.36)",
    fix="maxUnavailable: 1",
    types=frozenset({objects.DISRUPTION_BUDGET}),
    check=_drainable,
    example=Example(
        passing=(examples.disruption_budget(),),
        resource="chat-budget",
        changed="chat-budget",
        path="spec.maxUnavailable",
        value=0,
    ),
)


def _reclaimed(resource: Resource, _context: Context) -> Iterator[Violation]:
    body = objects.whole(resource)
    policy = body.text("spec.persistentVolumeReclaimPolicy", "Retain")
    if policy != "Retain":
        yield Violation(
            message=f"its reclaim policy is {policy}: the data goes with the claim",
            property="spec.persistentVolumeReclaimPolicy",
        )


VOLUME_RETAINED = Rule(
    id="kubernetes-volume-retained",
    title="A volume that was made outside the cluster survives its claim",
    severity=Severity.HIGH,
    rationale="Deleting a namespace would delete the file system with every team's checkpoints.",
    source="kubernetes-sigs/aws-fsx-csi-driver v1.9.0, examples/kubernetes/static_provisioning/specs/pv.yaml",
    fix="persistentVolumeReclaimPolicy: Retain",
    types=frozenset({_VOLUME}),
    check=_reclaimed,
    example=Example(
        passing=(
            examples.resource(
                _VOLUME,
                "scratch",
                {"metadata": {"name": "scratch"}, "spec": {"persistentVolumeReclaimPolicy": "Retain"}},
            ),
        ),
        resource="scratch",
        changed="scratch",
        path="spec.persistentVolumeReclaimPolicy",
        value="Delete",
    ),
)
