"""The order in which a stack is taken away, and what is done to its state for it: pure functions.

Pulumi's own order follows dependencies, which a controller's doings are not: the load balancer of a Service, the volume
of a claim, a node's interfaces. So what makes such things goes first, and what they hang on goes last.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cli.checkpoint import Document, resources
from cli.events import short_type, urn_name

_KUBERNETES: Final = "kubernetes:"
_PROVIDER: Final = "pulumi:providers:kubernetes"
_CLUSTER: Final = "aws:eks/cluster:Cluster"
_WORKLOADS: Final = (
    *("batch/", "apps/", "jobset.", "kubeflow.", "serving.kserve.io/", "core/v1:Pod"),
    # Not the ClusterTrainingRuntimes that they use: those are the platform's, and go with the operator.
    *("trainer.kubeflow.org/v1alpha1:TrainJob", "trainer.kubeflow.org/v1alpha1:TrainingRuntime"),
)
_CLAIMS: Final = (
    "core/v1:Service",
    "core/v1:PersistentVolumeClaim",
    "core/v1:PersistentVolume",
    "networking.k8s.io/v1:Ingress",
    "gateway.networking.k8s.io/",
)
RUNS: Final = "runs and services"
CLAIMS: Final = "load balancers and claims"
"""Titles of the first two stages."""
_PRODUCTION: Final = re.compile(r"(.*-)?(prod|production|live)(-.*)?")


@dataclass(frozen=True, kw_only=True)
class Act:
    """One stage of a destruction."""

    title: str
    urns: tuple[str, ...]
    """What goes, with everything that depends on it; empty: all that is left."""

    @property
    def last(self) -> bool:
        """Whether it takes all that is left: leftovers of controllers must be gone before it, or the network stays."""
        return not self.urns

    @property
    def arguments(self) -> list[str]:
        """Arguments of ``pulumi`` for this stage."""
        targets = [f"--target={urn}" for urn in self.urns]
        return ["destroy", "--yes", "--skip-preview", *targets, *(["--target-dependents"] if targets else [])]


def acts(document: Mapping[str, Any]) -> list[Act]:
    """The stages of a state, those with nothing to do left out; the last one takes the rest."""
    found: dict[str, list[str]] = {}
    for item in resources(document):
        title = _stage(str(item.get("type", ""))) if item.get("custom") else None
        if title is not None:
            found.setdefault(title, []).append(str(item["urn"]))
    stages = (RUNS, CLAIMS, "add-ons", "nodes", "cluster")
    ordered = [Act(title=title, urns=tuple(dict.fromkeys(found[title]))) for title in stages if title in found]
    return [*ordered, Act(title="network and the rest", urns=())]


def in_order(read: Callable[[], Mapping[str, Any]]) -> Iterator[Act]:
    """The stages, each with what is still there when its turn comes: an earlier one took its dependents along.

    Args:
        read: Exports the state.
    """
    for act in acts(read()):
        there = {str(item["urn"]) for item in resources(read())} if act.urns else set()
        still = tuple(urn for urn in act.urns if urn in there)
        if still or not act.urns:
            yield replace(act, urns=still)


def _stage(token: str) -> str | None:
    if token.startswith(_KUBERNETES):
        rest = token.removeprefix(_KUBERNETES)
        if rest.startswith(_WORKLOADS):
            return RUNS
        # The whole token: a ServiceAccount is no Service.
        if rest in _CLAIMS or rest.startswith(tuple(claim for claim in _CLAIMS if claim.endswith("/"))):
            return CLAIMS
        return "add-ons"
    if token.startswith("aws:eks/nodeGroup:"):
        return "nodes"
    return "cluster" if token.startswith("aws:eks/") else None


def kubeconfigs(document: Mapping[str, Any]) -> list[str]:
    """The kubeconfigs with which the state's Kubernetes resources are reached, as JSON texts."""
    found = [(item.get("inputs") or {}).get("kubeconfig") for item in resources(document) if item["type"] == _PROVIDER]
    return [text for text in found if isinstance(text, str) and text.startswith("{")]


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """A state without what lives in an unreachable cluster."""

    document: Document
    number: int
    outside: tuple[str, ...]
    """Of what was taken out, that which may have made things outside the cluster: load balancers, volumes."""


def without_kubernetes(document: Mapping[str, Any]) -> Forgotten:
    """The state without everything that only the cluster's API could delete; it goes with the cluster."""
    edited: Document = copy.deepcopy(dict(document))
    deployment = edited["deployment"]
    gone = {
        str(item["urn"]): str(item["type"]) for item in resources(edited) if str(item["type"]).startswith(_KUBERNETES)
    }
    kept = [item for item in resources(edited) if str(item["urn"]) not in gone]
    for item in kept:
        item["dependencies"] = [urn for urn in item.get("dependencies") or [] if urn not in gone]
        depending = item.get("propertyDependencies") or {}
        item["propertyDependencies"] = {
            name: [urn for urn in urns or [] if urn not in gone] for name, urns in depending.items()
        }
    deployment["resources"] = kept
    deployment["pending_operations"] = [
        item
        for item in deployment.get("pending_operations") or []
        if not str(item["resource"].get("type", "")).startswith(_KUBERNETES)
    ]
    outside = tuple(f"{short_type(token)} {urn_name(urn)}" for urn, token in gone.items() if _stage(token) == CLAIMS)
    return Forgotten(document=edited, number=len(gone), outside=outside)


def protected(document: Mapping[str, Any]) -> list[str]:
    """What the state, or the cluster itself, protects from deletion; short type and name."""
    return [
        f"{short_type(str(item['type']))} {urn_name(str(item['urn']))}"
        for item in resources(document)
        if item.get("protect")
        or (item.get("type") == _CLUSTER and (item.get("outputs") or {}).get("deletionProtection"))
    ]


def clusters(document: Mapping[str, Any]) -> list[str]:
    """Physical names of the clusters in the state."""
    return [str(item["id"]) for item in resources(document) if item.get("type") == _CLUSTER and item.get("id")]


def networks(document: Mapping[str, Any]) -> list[str]:
    """Ids of the VPCs in the state."""
    return [str(item["id"]) for item in resources(document) if item.get("type") == "aws:ec2/vpc:Vpc" and item.get("id")]


def needs_words(environment: str, *, protect: bool) -> bool:
    """Whether a yes is not enough: production by its name, or protected."""
    return protect or _PRODUCTION.fullmatch(environment) is not None
