"""What people run in a stack's clusters: the engine knows nothing of it, and waits in vain for claims that it holds."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from rich.console import Console

from cli import terminal
from cli.checkpoint import resources
from cli.errors import UserError
from cli.kube_objects import Json, conditions, namespace_of
from cli.kubernetes import Kubernetes
from cli.train_access import JOBS, TRAINJOBS, Found
from cli.train_stop import PATIENCE_SECONDS
from cli.training import FINISHED, ORIGIN_LABEL, SUBMITTED, run_of

Claim = tuple[str, str]
"""Namespace and name of a PersistentVolumeClaim."""

_CLAIM: Final = "kubernetes:core/v1:PersistentVolumeClaim"
_EVERY_SECONDS: Final = 1.0
_UNTOLD_SECONDS: Final = 90.0
"""For controllers to tell their pods to end, one after the other: TrainJob, JobSet, Job."""
_SILENT_SECONDS: Final = 5.0
"""A wait that is longer is told."""


def submitted_runs(api: Kubernetes) -> list[Found]:
    """The runs of all teams that no stack knows of."""
    label = f"{ORIGIN_LABEL}={SUBMITTED}"
    paths = (f"{TRAINJOBS}/trainjobs", f"{JOBS}/jobs")
    items = [item for path in paths for item in api.list(path, labelSelector=label)]
    return [Found(export=run_of(item), item=item) for item in items]


def unfinished(runs: Sequence[Found]) -> list[Found]:
    """Those that have not ended yet."""
    return [run for run in runs if not conditions(run.item) & FINISHED]


def claims_of(document: Mapping[str, Any]) -> set[Claim]:
    """The claims in a state."""
    found = [item.get("outputs", {}).get("metadata", {}) for item in resources(document) if item["type"] == _CLAIM]
    return {(str(one.get("namespace", "")), str(one["name"])) for one in found if "name" in one}


def take_away(api: Kubernetes, runs: Sequence[Found], console: Console) -> None:
    """Delete runs; their pods end by themselves after it."""
    for run in runs:
        api.delete(run.path)
    if runs:
        names = ", ".join(run.export.run for run in runs)
        many = terminal.counted(len(runs), "submitted run")
        console.print(f"destroying: {many}: {names}", style="dim", soft_wrap=True)


def wait_until_free(api: Kubernetes, claims: Collection[Claim], console: Console) -> None:
    """Wait until no pod holds ``claims``: Kubernetes keeps a claim for as long as a pod names it, even one that ended.

    Raises:
        UserError: somebody's pods still do, and nothing tells them to end.
    """
    began, told = time.monotonic(), False
    while pods := pods_with(api, claims):
        ending = all("deletionTimestamp" in pod["metadata"] for pod in pods)
        waited = time.monotonic() - began
        if waited > (PATIENCE_SECONDS if ending else _UNTOLD_SECONDS):
            raise _held(pods, claims)
        if waited > _SILENT_SECONDS and not told:
            told = True
            many = terminal.counted(len(pods), "pod")
            console.print(f"  waiting for {many} to let go of the stack's claims", style="dim", soft_wrap=True)
        time.sleep(_EVERY_SECONDS)


def pods_with(api: Kubernetes, claims: Collection[Claim]) -> list[Json]:
    """The pods that name one of ``claims``, whether they run or have ended."""
    namespaces = sorted({namespace for namespace, _ in claims})
    pods = [pod for namespace in namespaces for pod in api.list(f"/api/v1/namespaces/{namespace}/pods")]
    return [pod for pod in pods if any((namespace_of(pod), name) in claims for name in _claim_names(pod))]


def _claim_names(pod: Json) -> list[str]:
    volumes = pod.get("spec", {}).get("volumes", [])
    return [str(one["persistentVolumeClaim"]["claimName"]) for one in volumes if "persistentVolumeClaim" in one]


def _held(pods: Sequence[Json], claims: Collection[Claim]) -> UserError:
    named = {(str(namespace_of(pod)), name) for pod in pods for name in _claim_names(pod)}
    held = sorted("/".join(claim) for claim in named.intersection(claims))
    makers = sorted({_maker(pod) for pod in pods})
    return UserError(
        "pods that the stack did not make hold claims that it is to delete",
        where=f"claims {', '.join(held)}",
        value=", ".join(makers),
        fix="delete these with kubectl and run it again: it goes on from here",
    )


def _maker(pod: Json) -> str:
    """What has to be deleted so that the pod goes and none comes after it."""
    owner = next((one for one in pod["metadata"].get("ownerReferences", []) if one.get("controller")), None)
    kind, name = (owner["kind"], owner["name"]) if owner else ("Pod", pod["metadata"]["name"])
    return f"{kind} {namespace_of(pod)}/{name}"
