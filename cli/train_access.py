"""The way to an environment that is up, for people who run things on it: its settings, its API server, its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli import session
from cli.errors import UserError
from cli.exits import Exit
from cli.kube_objects import Json, find, namespace_of
from cli.kubernetes import Kubernetes
from cli.observe import look_at_runs, stack_outputs
from cli.outputs import StackOutputs, TrainingExport
from cli.own_kubeconfig import own_api
from cli.project import Stack, open_stack
from cli.training import RunView, run_of
from components import versions

JOBS = "/apis/batch/v1"
TRAINJOBS = f"/apis/{versions.TRAINER_API}"
WORKLOADS = f"/apis/{versions.KUEUE_API}"


@dataclass(frozen=True, kw_only=True)
class Platform:
    """An environment that is up."""

    stack: Stack
    outputs: StackOutputs
    api: Kubernetes

    @property
    def namespaces(self) -> list[str]:
        """The teams' namespaces."""
        return sorted(team.name for team in self.stack.settings.teams)

    def runs(self, namespaces: Sequence[str] | None = None) -> RunView:
        """One look at the runs of some teams."""
        return look_at_runs(self.api, namespaces or self.namespaces, self.api.list("/api/v1/nodes"))


@dataclass(frozen=True, kw_only=True)
class Found:
    """One run: as a stack would export it, and the object behind it."""

    export: TrainingExport
    item: Json

    @property
    def path(self) -> str:
        """Of the object in the API."""
        group, kind = (TRAINJOBS, "trainjobs") if self.export.runner == "trainer" else (JOBS, "jobs")
        return f"{group}/namespaces/{self.export.namespace}/{kind}/{self.export.job}"


def connect(env: str, kubeconfig: Path | None = None) -> Platform:
    """The environment ``env``, with the credentials of its kubeconfig or of one's own.

    Raises:
        UserError: it is not up, or the kubeconfig cannot be used.
    """
    stack = open_stack(env)
    engine = session.existing(stack)
    outputs = stack_outputs(engine)
    if not outputs.clusters:
        raise UserError("the stack has no cluster", value=env, fix=f"run `slipway up {env}`", status=Exit.NOT_READY)
    if kubeconfig is None:
        api = Kubernetes.of(outputs.clusters[0].kubeconfig, engine.environment)
    else:
        api = own_api(kubeconfig, engine.environment)
    return Platform(stack=stack, outputs=outputs, api=api)


def find_run(view: RunView, name: str, namespaces: Sequence[str]) -> Found:
    """The newest run called ``name``: its whole name, what people call it, or how it begins, in this order.

    Raises:
        UserError: there is none, or it could be several that are called differently or are different teams'.
    """
    items = _runs_only(view)
    found = _called(items, name)
    if not found:
        known = sorted(str(item["metadata"]["name"]) for item in items)
        raise UserError(
            "there is no run of this name",
            where=f"namespaces {', '.join(namespaces)}",
            value=name,
            allowed=", ".join(known) or "none yet",
            fix="choose one of those, or make one: `slipway train submit --help`",
            status=Exit.USAGE,
        )
    if len({(namespace_of(item), _title(item)) for item in found}) > 1:
        raise UserError(
            "several runs could be meant",
            where=f"namespaces {', '.join(namespaces)}",
            value=name,
            allowed=", ".join(sorted(str(item["metadata"]["name"]) for item in found)),
            fix="give the whole name of one",
            status=Exit.USAGE,
        )
    item = max(found, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    return Found(export=run_of(item), item=item)


def again(platform: Platform, run: Found) -> tuple[Found | None, RunView]:
    """The run as it is now (None when it is gone), and all that is around it."""
    view = platform.runs([run.export.namespace])
    items = view.trainjobs if run.export.runner == "trainer" else view.jobs
    item = find(items, run.export.namespace, run.export.job)
    return (None if item is None else Found(export=run_of(item), item=item)), view


def all_runs(view: RunView) -> list[TrainingExport]:
    """Every run that the kit made, of stacks and of people, newest last."""
    items = sorted(_runs_only(view), key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    return [run_of(item) for item in items]


def _runs_only(view: RunView) -> list[Json]:
    """Without the Jobs that a TrainJob's JobSet made."""
    jobs = [item for item in view.jobs if not item["metadata"].get("ownerReferences")]
    return [item for item in (*view.trainjobs, *jobs) if _labels(item).get("app.kubernetes.io/component") == "training"]


def _called(items: Sequence[Json], name: str) -> list[Json]:
    whole = [item for item in items if item["metadata"]["name"] == name]
    titled = [item for item in items if _title(item) == name]
    return whole or titled or [item for item in items if str(item["metadata"]["name"]).startswith(name)]


def _title(item: Json) -> str | None:
    """What people call it."""
    return _labels(item).get("app.kubernetes.io/name")


def _labels(item: Json) -> Mapping[str, str]:
    found: Mapping[str, str] = item["metadata"].get("labels", {})
    return found
