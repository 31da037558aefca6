"""The frameworks that rules about Kubernetes objects map to."""

from policies.rule import Reference


def cis(requirement: str) -> Reference:
    """A recommendation of the CIS Amazon EKS Benchmark, numbered as kube-bench's ``cfg/eks-1.5.0`` numbers them."""
    return Reference(framework="CIS Amazon EKS Benchmark", version="1.5.0", requirement=requirement)


def pod_security(requirement: str) -> Reference:
    """A control of the Pod Security Standards."""
    return Reference(framework="Pod Security Standards", version="v1.36", requirement=requirement)


def hardening(requirement: str) -> Reference:
    """A section of the Kubernetes Hardening Guide."""
    return Reference(framework="NSA/CISA Kubernetes Hardening Guide", version="1.2", requirement=requirement)
