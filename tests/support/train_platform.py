"""An environment that is up, for `slipway train` to work on, and an API server that keeps what it is told."""

from typing import Any

from cli.kubernetes import ApiRefusedError
from cli.outputs import StackOutputs
from cli.project import Stack, settings_file
from cli.train_access import Platform
from cli.train_spec import Wishes, wanted_spec
from cli.train_submit import objects, submit
from components.accelerators import instance
from components.aws.fabric import fabric_profile
from components.outputs import Taint
from local.paths import REPOSITORY
from stacks.settings import Settings, validate
from stacks.sources import Raw, read_file

PROFILE = fabric_profile(
    instance("m7i.xlarge"),
    efa=False,
    node_selector={"slipway.dev/pool": "cpu"},
    taints=(Taint(key="slipway.dev/pool", value="cpu", effect="NoSchedule"),),
)
JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/research/trainjobs"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/research/workloads"
PODS = "/api/v1/namespaces/research/pods"


class Api:
    """An API server that keeps objects by path and does as the test says."""

    def __init__(self) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {}
        self.logs: dict[str, list[str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.refuse: str = ""
        self.after_log: list[Any] = []

    def put(self, path: str, item: dict[str, Any]) -> None:
        self.kept.setdefault(path, []).append(item)

    def list(self, path: str, **_parameters: str) -> list[dict[str, Any]]:
        return self.kept.get(path, [])

    def create(self, path: str, body: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        if self.refuse and self.refuse in path:
            raise ApiRefusedError(403, "admission webhook denied the request", where=path)
        if any(item["metadata"]["name"] == body["metadata"]["name"] for item in self.kept.get(path, [])):
            raise ApiRefusedError(409, "already exists", where=path)
        self.calls.append(("dry run" if dry_run else "create", path))
        made = {**body, "metadata": {**body["metadata"], "uid": f"u{len(self.calls)}"}}
        if not dry_run:
            self.put(path, made)
        return made

    def merge(self, path: str, body: dict[str, Any]) -> None:
        self.calls.append((f"merge {body}", path))
        collection, _, name = path.rpartition("/")
        (item,) = [one for one in self.kept[collection] if one["metadata"]["name"] == name]
        _patch(item, body)

    def delete(self, path: str) -> None:
        self.calls.append(("delete", path))

    def text(self, path: str, **_parameters: str) -> str:
        return "\n".join(self.logs.get(path, []))

    def lines(self, path: str, **_parameters: str) -> Any:
        yield from self.logs.get(path, [])
        if self.after_log:
            self.after_log.pop(0)()


def _patch(item: dict[str, Any], body: dict[str, Any]) -> None:
    """As RFC 7386 merges."""
    for key, value in body.items():
        if isinstance(value, dict):
            _patch(item.setdefault(key, {}), value)
        else:
            item[key] = value


def settings() -> Settings:
    """``local`` with a pool of processors, queues and the operator, whatever the checked-in file has."""
    raw = read_file(settings_file(REPOSITORY, "local"))
    values = raw.values | {"queueing": {}, "trainingOperator": {}}
    values["pools"] = [item for item in values["pools"] if item["name"] != "cpu"]
    values["training"] = [item for item in values["training"] if item["pool"] != "cpu"]
    cpu = {"name": "cpu", "instanceType": "m7i.xlarge", "nodes": 2, "zones": ["us-east-1a"], "dedicated": True}
    values["pools"] += [cpu]
    return validate(Raw(source="test", values=values, encrypted=raw.encrypted), encrypted_values_are_clear=False)


def made_platform() -> Platform:
    """``local`` as if it were up, before an `Api`."""
    stack = Stack(name="local", directory=REPOSITORY, file=settings_file(REPOSITORY, "local"), settings=settings())
    outputs = StackOutputs(environment="local", account="0", region="us-east-1")
    made: Any = Api()
    return Platform(stack=stack, outputs=outputs, api=made)


def api(platform: Platform) -> Api:
    found: Any = platform.api
    assert isinstance(found, Api)
    return found


def spec(platform: Platform, **wishes: Any) -> Any:
    given = Wishes(**{"recipe": "debug", "team": "research", "pool": "cpu", **wishes})
    return wanted_spec(given, platform.stack.settings, platform.stack.file)


def running(platform: Platform, *, phase: str = "Running", node: int = 0, uid: str = "p1") -> str:
    """A submitted run with a pod; returns the run's name."""
    made = objects(spec(platform), PROFILE)
    name = str(made[-1]["metadata"]["name"])
    if not api(platform).kept.get(JOBS):
        submit(platform, made)
    labels = {"slipway.dev/run": name, "batch.kubernetes.io/job-completion-index": str(node)}
    known = {"namespace": "research", "uid": uid, "labels": labels, "creationTimestamp": uid}
    pod = {"metadata": {"name": f"{name}-node-0-{node}-{uid}", **known}, "status": {"phase": phase}}
    api(platform).put(PODS, pod)
    return name


def job(platform: Platform) -> dict[str, Any]:
    return api(platform).kept[JOBS][0]


def ends(platform: Platform, kind: str) -> None:
    job(platform)["status"] = {"conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m"}]}
