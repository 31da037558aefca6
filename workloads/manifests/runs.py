"""A run as Kubernetes objects, for whichever controller runs it."""

from typing import Any

from components.outputs import FabricProfile
from workloads.manifests import training, trainjob
from workloads.specs import Runner, TrainingSpec

Manifest = dict[str, Any]


def manifests(spec: TrainingSpec, profile: FabricProfile) -> dict[str, Manifest]:
    """Every object of the run, by role; ``job`` is the last, and needs the others."""
    if spec.runner is Runner.TRAINER:
        return trainjob.manifests(spec, profile)
    return training.manifests(spec, profile)
