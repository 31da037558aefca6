"""Which labels a pool may put on its nodes, whichever cloud makes them."""

import re
from collections.abc import Mapping

PREFIX_LENGTH = 253
NAME_LENGTH = 63
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
KUBELET_PREFIXES = ("node.kubernetes.io", "kubelet.kubernetes.io")
"""What a kubelet may set on itself in Kubernetes' own name space; it does not start with any other label of that space
(kubelet's ``--node-labels``, admission plugin NodeRestriction)."""
KUBERNETES = ("kubernetes.io", "k8s.io")
RESERVED = {
    "eks.amazonaws.com": "EKS writes these itself",
    "topology.k8s.aws": "EKS writes where in the network a node stands",
    "slipway.dev": "this kit writes these itself",
}
"""Prefix -> whose it is. A domain below ``slipway.dev`` is free."""
_OWN = "slipway.dev"
KUBELET_OWN = frozenset({"node.kubernetes.io/instance-type", "node.kubernetes.io/windows-build"})
"""The cloud's controller or the kubelet writes these, and would write over a pool's."""


def key_problem(key: str) -> str | None:
    """What is wrong with a label's key; None: a pool may set it."""
    prefix, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        return f"label {key!r} has no name of 1 to {NAME_LENGTH} letters, digits, dots, underscores and hyphens"
    if slash and (not _DOMAIN.fullmatch(prefix) or len(prefix) > PREFIX_LENGTH):
        return f"label {key!r} has a prefix that is no domain name"
    for domain, why in RESERVED.items():
        if prefix == domain or (domain != _OWN and prefix.endswith(f".{domain}")):
            return f"label {key!r} is taken: {why}"
    kubelets = _within(prefix, KUBELET_PREFIXES) and key not in KUBELET_OWN
    if _within(prefix, KUBERNETES) and not kubelets:
        return f"label {key!r} belongs to Kubernetes, and a node that claims it never joins"
    return None


def value_problem(value: str) -> str | None:
    """What is wrong with a label's value; an empty one is refused because EKS takes none."""
    if not _NAME.fullmatch(value) or len(value) > NAME_LENGTH:
        return f"value {value!r} is not 1 to {NAME_LENGTH} letters, digits, dots, underscores and hyphens"
    return None


def problems(labels: Mapping[str, str]) -> list[str]:
    """Everything that a cluster would refuse, or write over."""
    found = [key_problem(key) for key in labels] + [value_problem(value) for value in labels.values()]
    return [problem for problem in found if problem is not None]


def _within(prefix: str, domains: tuple[str, ...]) -> bool:
    return any(prefix == domain or prefix.endswith(f".{domain}") for domain in domains)
