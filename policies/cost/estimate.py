"""What a resource graph costs a month.

Every resource becomes a line of components, is listed as free, or is named as unpriced: nothing is silently zero.
The estimate is a pure function of its arguments; the order of the graph does not matter.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from policies.cost import kubernetes, network, nodes, operations, storage, volumes
from policies.cost.catalogue import Catalogue, Price
from policies.cost.free import concerns_gpu_or_storage, why_free
from policies.cost.model import (
    HOURS_PER_MONTH,
    Category,
    Component,
    Estimate,
    Free,
    Line,
    Range,
    Unpriced,
)
from policies.cost.pricing import Block, Priced, Pricing, RegionUnknownError
from policies.graph import Operation, Resource, ResourceGraph, UndecidedError
from stacks.governance import Usage

__all__ = [
    "HOURS_PER_MONTH",
    "Block",
    "Category",
    "Component",
    "Estimate",
    "Free",
    "Line",
    "Price",
    "Range",
    "Unpriced",
    "estimate",
    "estimate_one",
]

PRICERS: Final[Mapping[str, Priced]] = {
    **nodes.PRICERS,
    **volumes.PRICERS,
    **storage.PRICERS,
    **network.PRICERS,
    **operations.PRICERS,
    **kubernetes.PRICERS,
}
"""How each type is priced. A type that is neither here nor free is unpriced."""
_NOTHING: Final = "costs nothing as it is set up"
_POOL_LABEL: Final = "slipway.dev/pool"


def estimate(
    graph: ResourceGraph,
    *,
    catalogue: Catalogue,
    usage: Usage | None = None,
    blocks: Mapping[str, Block] | None = None,
) -> Estimate:
    """The cost of everything that ``graph`` will have.

    Args:
        graph: what the stack will be; what is about to be deleted does not count.
        catalogue: prices.
        usage: what no resource says; the documented defaults when it is not given.
        blocks: when each capacity block begins and ends, by id of its reservation.
    """
    pricing = Pricing(graph=graph, catalogue=catalogue, usage=usage or Usage(), blocks=blocks or {})
    lines: list[Line] = []
    free: list[Free] = []
    unpriced: list[Unpriced] = []
    for resource in graph.resources:
        if not resource.custom or resource.operation is Operation.DELETE or resource.type.startswith("pulumi:"):
            continue
        found = _priced(resource, pricing)
        if isinstance(found, Line):
            lines.append(found)
            unpriced.extend(_gaps(found, pricing))
        elif isinstance(found, Free):
            free.append(found)
        else:
            unpriced.append(found)
    return Estimate(
        lines=tuple(sorted(lines, key=lambda line: (line.category.rank, line.urn))),
        unpriced=tuple(sorted(unpriced, key=lambda item: (item.urn, item.what))),
        free=tuple(sorted(free, key=lambda item: item.urn)),
        stack=graph.stack,
        origin=graph.origin,
        simulated=graph.simulated,
    )


def estimate_one(
    resource: Resource,
    graph: ResourceGraph,
    *,
    catalogue: Catalogue,
    usage: Usage | None = None,
    blocks: Mapping[str, Block] | None = None,
) -> tuple[Line | None, tuple[Unpriced, ...]]:
    """One resource of ``graph`` alone: its line, when it has one, and what of it is unpriced."""
    pricing = Pricing(graph=graph, catalogue=catalogue, usage=usage or Usage(), blocks=blocks or {})
    found = _priced(resource, pricing)
    if isinstance(found, Line):
        return found, tuple(_gaps(found, pricing))
    return None, (found,) if isinstance(found, Unpriced) else ()


def _priced(resource: Resource, pricing: Pricing) -> Line | Free | Unpriced:
    entry = PRICERS.get(resource.type)
    if entry is None:
        why = why_free(resource.type)
        if why is not None:
            return Free(urn=resource.urn, name=resource.name, type=resource.type, why=why)
        return _unpriced(resource, "the resource", "the kit does not know what this type costs")
    try:
        components = tuple(entry.price(resource, pricing))
        if not components:
            return Free(urn=resource.urn, name=resource.name, type=resource.type, why=_NOTHING)
        compute = resource.type in nodes.COMPUTE and _accelerated(resource, pricing)
        hours = nodes.gpu_hours(resource, pricing) if compute else Range()
        return Line(
            urn=resource.urn,
            type=resource.type,
            name=resource.name,
            category=Category.ACCELERATORS if compute else entry.category,
            region=pricing.region(resource),
            pool=_pool(resource),
            cluster=_cluster(resource),
            labels=_labels(resource),
            components=components,
            gpu_hours=hours,
        )
    except UndecidedError as error:
        path = error.path or "an input"
        return _unpriced(resource, "the resource", f"{path} is only known at the update", entry, undecided=path)
    except RegionUnknownError:
        return _unpriced(resource, "the resource", "nothing says in which region it lies", entry)


def _accelerated(resource: Resource, pricing: Pricing) -> bool:
    return resource.type == nodes.BLOCK or any(
        nodes.gpus_of(name) > 0 for name in nodes.instance_types(resource, pricing)
    )


def _unpriced(resource: Resource, what: str, why: str, entry: Priced | None = None, *, undecided: str = "") -> Unpriced:
    serious = (
        concerns_gpu_or_storage(resource.type) if entry is None else entry.storage or resource.type in nodes.COMPUTE
    )
    return Unpriced(
        urn=resource.urn,
        name=resource.name,
        type=resource.type,
        what=what,
        why=why,
        concerns_gpu_or_storage=serious,
        undecided=undecided,
    )


def _gaps(line: Line, pricing: Pricing) -> Iterator[Unpriced]:
    """The components of ``line`` that no price was found for."""
    for item in line.components:
        if item.unit_price is not None:
            continue
        yield Unpriced(
            urn=line.urn,
            name=line.name,
            type=line.type,
            what=item.name,
            why=f"no price per {item.unit} is known for {line.region}",
            concerns_gpu_or_storage=_serious(line, item, pricing),
        )


def _serious(line: Line, item: Component, pricing: Pricing) -> bool:
    if line.type not in nodes.COMPUTE:
        return PRICERS[line.type].storage or line.category is Category.CONTROL_PLANE
    resource = pricing.graph.by_urn[line.urn]
    types = nodes.instance_types(resource, pricing) if line.type != nodes.BLOCK else ()
    return not types or any(nodes.may_have_gpus(name) for name in types) or "volume" in item.name


def _pool(resource: Resource) -> str:
    if resource.type != nodes.NODE_GROUP:
        return ""
    labels = resource.properties.get("labels")
    label = labels.get(_POOL_LABEL) if isinstance(labels, Mapping) else None
    return label if isinstance(label, str) else resource.name


def _cluster(resource: Resource) -> str:
    key = "name" if resource.type == "aws:eks/cluster:Cluster" else "clusterName"
    found = resource.properties.get(key)
    return found if isinstance(found, str) and resource.type.startswith("aws:eks/") else ""


def _labels(resource: Resource) -> Mapping[str, str]:
    """Tags, or a Kubernetes object's labels; only those that are known."""
    found = resource.properties.get("tags")
    if resource.type.startswith("kubernetes:"):
        metadata = resource.properties.get("metadata")
        found = metadata.get("labels") if isinstance(metadata, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    return {key: value for key, value in sorted(found.items()) if isinstance(value, str)}
