"""Every rule of the kit: the modules listed here, one or more for each family, hold them as module-level objects."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from policies.rule import Family, Rule
from policies.rules import (
    cost_budget,
    cost_size,
    cost_tags,
    gpu_capacity,
    gpu_network,
    gpu_nodes,
    gpu_pods,
    hygiene_cloud,
    identity_nodes,
    identity_policies,
    inference,
    kubernetes_access,
    kubernetes_images,
    kubernetes_namespaces,
    kubernetes_pods,
    network_access,
    network_paths,
    storage_lustre,
    storage_lustre_access,
    storage_s3,
    storage_state,
    training_gangs,
    training_queues,
    training_runs,
)

_MODULES: Final[tuple[ModuleType, ...]] = (
    cost_budget,
    cost_size,
    cost_tags,
    gpu_capacity,
    gpu_network,
    gpu_nodes,
    gpu_pods,
    hygiene_cloud,
    identity_nodes,
    identity_policies,
    inference,
    kubernetes_access,
    kubernetes_images,
    kubernetes_namespaces,
    kubernetes_pods,
    network_access,
    network_paths,
    storage_lustre,
    storage_lustre_access,
    storage_s3,
    storage_state,
    training_gangs,
    training_queues,
    training_runs,
)
"""Listed, not searched for: a file that is forgotten here is found by a test."""


def _of(modules: tuple[ModuleType, ...]) -> Iterator[Rule]:
    for module in modules:
        yield from (item for item in vars(module).values() if isinstance(item, Rule))


_ORDER: Final = {family: position for position, family in enumerate(Family)}

RULES: Final[tuple[Rule, ...]] = tuple(sorted(_of(_MODULES), key=lambda rule: (_ORDER[rule.family], rule.id)))
"""By family, then by id."""

BY_ID: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in RULES})
