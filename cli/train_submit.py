"""``slipway train submit``: a run's objects, made through the cluster's own API as the person who asks."""

import getpass
from collections.abc import Mapping
from typing import Any, Final

import yaml

from cli.errors import UserError
from cli.exits import Exit
from cli.kubernetes import ApiRefusedError
from cli.train_access import JOBS, TRAINJOBS, Platform
from cli.training import ORIGIN_LABEL, SUBMITTED
from components.outputs import FabricProfile
from workloads.manifests.runs import manifests
from workloads.specs import TrainingSpec

Manifest = dict[str, Any]
SUBMITTER: Final = "slipway.dev/submitted-by"
_CONFLICT: Final = 409
_COLLECTIONS: Final = {
    "Service": "/api/v1/namespaces/{}/services",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Job": JOBS + "/namespaces/{}/jobs",
    "TrainJob": TRAINJOBS + "/namespaces/{}/trainjobs",
    "TrainingRuntime": TRAINJOBS + "/namespaces/{}/trainingruntimes",
}


def objects(spec: TrainingSpec, profile: FabricProfile) -> list[Manifest]:
    """The run's objects in the order in which they are made, marked as nobody's but the submitter's."""
    made = list(manifests(spec, profile).values())
    for item in made:
        metadata = item["metadata"]
        metadata["labels"] = {**metadata.get("labels", {}), ORIGIN_LABEL: SUBMITTED}
        kept = {key: value for key, value in metadata.get("annotations", {}).items() if "pulumi.com" not in key}
        metadata["annotations"] = {**kept, SUBMITTER: _person()}
    return made


def as_yaml(made: list[Manifest]) -> str:
    """All objects as one YAML stream, ready for ``kubectl apply -f -``."""
    return yaml.safe_dump_all(made, sort_keys=False, width=120)


def check(platform: Platform, made: list[Manifest]) -> None:
    """Have the API server and its webhooks judge every object; nothing is stored.

    Raises:
        UserError: one was refused.
    """
    brought = {item["metadata"]["name"] for item in made if item["kind"] == "TrainingRuntime"}
    for item in made:
        if item["kind"] == "TrainJob" and item["spec"]["runtimeRef"]["name"] in brought:
            # Its webhook looks the runtime up, and a dry run stores none.
            continue
        platform.api.create(_collection(item), item, dry_run=True)


def submit(platform: Platform, made: list[Manifest]) -> None:
    """Make the objects; what was made before one was refused is taken away again.

    Raises:
        UserError: the run exists already, or the API server refused an object.
    """
    done: list[str] = []
    for item in made:
        path = _collection(item)
        try:
            answer = platform.api.create(path, item)
        except ApiRefusedError as error:
            for made_path in reversed(done):
                platform.api.delete(made_path)
            if error.code == _CONFLICT:
                raise _exists(item) from error
            raise
        done.append(f"{path}/{item['metadata']['name']}")
    _belong_to(platform, done[:-1], made[-1], answer)


def _belong_to(platform: Platform, paths: list[str], job: Manifest, answer: Mapping[str, Any]) -> None:
    """The run's other objects go when the run goes."""
    owner = {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "name": job["metadata"]["name"],
        "uid": answer["metadata"]["uid"],
    }
    for path in paths:
        platform.api.merge(path, {"metadata": {"ownerReferences": [owner]}})


def _exists(item: Manifest) -> UserError:
    name = item["metadata"]["name"]
    return UserError(
        "this run is there already: a run is its content, and nothing of it was changed",
        where=f"{item['kind']} {item['metadata']['namespace']}/{name}",
        fix=f"look at it (`slipway train logs {name}`), take it away (`slipway train stop {name} --delete`), or change "
        "something, for example --name",
        status=Exit.USAGE,
    )


def _collection(item: Manifest) -> str:
    return _COLLECTIONS[item["kind"]].format(item["metadata"]["namespace"])


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
