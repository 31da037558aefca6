"""The section of model services."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from stacks.fields import (
    EnvironmentVariableName,
    GpuCount,
    ImageReference,
    Name,
    NamespaceName,
    ObjectName,
    Section,
    Whole,
)
from stacks.model_access import ModelAccessList
from stacks.problems import refusal

_FLOATING = frozenset({"latest", "main", "master", "current", "stable", "dev", "prod", "production"})
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
LAKE = "lake"
"""``lake://models/chat/v3`` lies in the stack's own data lake, whose bucket has a generated name."""
MODEL_SCHEMES = (LAKE, "s3", "gs", "hf", "pvc", "https")


def _model_uri(value: str) -> str:
    """A model under this address never changes, as far as the address can tell."""
    scheme, _, rest = value.partition("://")
    schemes = ", ".join(f"{known}://…" for known in MODEL_SCHEMES)
    if scheme == "oci":
        # KServe v0.20.0, pkg/utils/storage.go: modelcar and modelcar-init have no security context of their own.
        raise refusal(
            "inference-model-image",
            "KServe runs a model image in containers that the Pod Security of team namespaces refuses",
            allowed=schemes,
            fix="copy the model into the data lake, or into an image of your own (server: {kind: container})",
        )
    if scheme not in MODEL_SCHEMES or not re.fullmatch(r"[\w.@:/+-]+[\w]", rest):
        raise refusal(
            "model-uri",
            "this is no address of a model",
            allowed=schemes,
            fix="write where the model lies, without a slash at its end",
        )
    if not names_one_version(value):
        raise refusal(
            "model-uri-immutable",
            "another model may lie under this address tomorrow, and replicas would differ",
            allowed="hf://owner/model:<commit>, else a last part with a number: lake://models/chat/v3",
            fix="name the commit or the version",
        )
    return value


def names_one_version(uri: str) -> bool:
    """Whether another model can hardly lie under ``uri`` tomorrow: a commit, a digest, or a last part with a number."""
    scheme, _, rest = uri.partition("://")
    if scheme == "hf":
        return bool(_DIGEST.fullmatch(rest.rpartition(":")[2]))
    if scheme == "oci":
        return bool(re.search(r"@sha256:[0-9a-f]{64}$", rest))
    last = rest.rpartition("/")[2]
    return "/" in rest and last not in _FLOATING and any(character.isdigit() for character in last)


ModelUri: TypeAlias = Annotated[str, AfterValidator(_model_uri)]
"""A model's address that names one version of it."""


class Model(Section):
    """What is served: one version of one model."""

    uri: ModelUri
    size_gib: Annotated[Whole, Field(ge=1, le=4096)]
    """Size of the weights; how long a replica may take to start follows from it."""


class ContainerServing(Section):
    """An image of one's own; it finds the model in /mnt/models and answers on port 8080."""

    kind: Literal["container"]
    image: ImageReference
    args: tuple[str, ...] = ()


class RuntimeServing(Section):
    """A serving runtime of the platform, which is installed when a service names it."""

    kind: Literal["runtime"]
    runtime: ObjectName
    model_format: ObjectName = "huggingface"
    args: tuple[str, ...] = ()


Serving: TypeAlias = Annotated[ContainerServing | RuntimeServing, Field(discriminator="kind")]
Replicas: TypeAlias = Annotated[Whole, Field(ge=1, le=1000)]


class Inference(Section):
    """One model behind one address."""

    name: Name
    team: NamespaceName
    pool: Name
    model: Model
    server: Serving
    gpus_per_replica: GpuCount = 1
    min_replicas: Replicas = 1
    max_replicas: Replicas = 1
    """Above ``minReplicas`` a horizontal autoscaler decides."""
    environment: dict[EnvironmentVariableName, str] = Field(default_factory=dict)
    model_access: ModelAccessList = ()
    """What this service may read, in place of its team's ``modelAccess``; models in s3:// and lake:// need either."""
    startup_minutes: Annotated[Whole, Field(ge=1, le=24 * 60)] | None = None
    """Time that a replica may take before it answers. Unset: derived from the model's size."""
