"""What AWS offers where: zones, instance types, network cards, EKS versions and add-ons, endpoint services.

Zones, offerings and instance types are read from the tables inside the installed moto package (dumps of
DescribeAvailabilityZones, DescribeInstanceTypeOfferings and DescribeInstanceTypes), not from the kit's own catalogue:
the simulator must be able to contradict the catalogue that the program uses.
"""

import ast
import gzip
import importlib.util
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from local.cloud.values import Json

REGIONS_WITH_TABLES = "moto/ec2/resources/instance_type_offerings"


@dataclass(frozen=True)
class Zone:
    """An availability zone: the name is the account's own, the id (``use1-az6``) is the same for everyone."""

    name: str
    zone_id: str


@dataclass(frozen=True)
class Card:
    """One network card of an instance type; ``interface_types`` are EC2's words (interface, efa, efa-only)."""

    index: int
    interface_types: frozenset[str]
    max_interfaces: int


@dataclass(frozen=True)
class InstanceFacts:
    """What EC2's DescribeInstanceTypes says that the rules need."""

    name: str
    vcpus: int
    cards: Mapping[int, Card]
    max_efa_interfaces: int
    max_interfaces: int
    placement_strategies: frozenset[str]
    architectures: frozenset[str]
    usage_classes: frozenset[str]


@cache
def _moto_folder() -> Path:
    # The package is located, not imported: importing moto pulls in every service and takes seconds.
    spec = importlib.util.find_spec("moto")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package moto is not installed: run `uv sync` (dependency group `local`)")
    return Path(spec.origin).parent


def _table(relative: str) -> Json:
    return json.loads(gzip.decompress((_moto_folder() / "ec2" / "resources" / relative).read_bytes()))


@cache
def zones(region: str) -> tuple[Zone, ...]:
    """Availability zones of a region by name; empty for a region that is not in the tables.

    The mapping of names to ids differs between accounts on AWS; here it is always moto's. Where moto lists no zones by
    name, those that the offerings know are called a, b, c in the order of their ids.
    """
    return _named_zones().get(region) or tuple(
        Zone(f"{region}{letter}", identifier)
        for letter, identifier in zip(string.ascii_lowercase, _zone_ids(region), strict=False)
    )


@cache
def _named_zones() -> Mapping[str, tuple[Zone, ...]]:
    source = (_moto_folder() / "ec2" / "models" / "availability_zones_and_regions.py").read_text()
    found: dict[str, list[Zone]] = {}
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Zone"):
            continue
        words = {item.arg: item.value.value for item in node.keywords if isinstance(item.value, ast.Constant)}
        # moto fills the regions that it does not spell out in a loop, whose calls have no constants.
        if "name" in words and words.get("zone_type", "availability-zone") == "availability-zone":
            found.setdefault(str(words["region_name"]), []).append(Zone(str(words["name"]), str(words["zone_id"])))
    return {region: tuple(sorted(listed, key=lambda zone: zone.name)) for region, listed in found.items()}


def _zone_ids(region: str) -> list[str]:
    return sorted(set().union(*_offerings(region).values())) if region in regions() else []


def zone_id(region: str, name: str) -> str | None:
    """The zone id of a zone name, or None when the region has no such zone."""
    return next((zone.zone_id for zone in zones(region) if zone.name == name), None)


def zone_name(region: str, identifier: str) -> str | None:
    """The zone name of a zone id, or None."""
    return next((zone.name for zone in zones(region) if zone.zone_id == identifier), None)


@cache
def regions() -> tuple[str, ...]:
    """Regions for which the offerings table has a file."""
    folder = _moto_folder() / "ec2" / "resources" / "instance_type_offerings" / "availability-zone-id"
    return tuple(sorted(path.name.removesuffix(".json.gz") for path in folder.glob("*.json.gz")))


@cache
def _offerings(region: str) -> Mapping[str, frozenset[str]]:
    rows = _table(f"instance_type_offerings/availability-zone-id/{region}.json.gz")
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["InstanceType"], set()).add(row["Location"])
    return {name: frozenset(places) for name, places in found.items()}


def offered_zone_ids(region: str, instance_type: str) -> frozenset[str]:
    """Zone ids of ``region`` that offer ``instance_type``."""
    return _offerings(region).get(instance_type, frozenset())


def offered_types(region: str) -> Sequence[str]:
    """All instance types that at least one zone of the region offers."""
    return sorted(_offerings(region))


@cache
def _instance_table() -> Mapping[str, Json]:
    return dict(_table("instance_types.json.gz"))


def raw_instance(name: str) -> Json:
    """The DescribeInstanceTypes entry of ``name``, or None."""
    return _instance_table().get(name)


@cache
def instance(name: str) -> InstanceFacts | None:
    """Facts of an instance type, or None when EC2 lists no such type."""
    row = _instance_table().get(name)
    if row is None:
        return None
    network = row["NetworkInfo"]
    cards = {
        card["NetworkCardIndex"]: Card(
            card["NetworkCardIndex"],
            frozenset(card.get("InterfaceTypes") or ["interface"]),
            card["MaximumNetworkInterfaces"],
        )
        for card in network["NetworkCards"]
    }
    return InstanceFacts(
        name=name,
        vcpus=row["VCpuInfo"]["DefaultVCpus"],
        cards=cards,
        max_efa_interfaces=network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0),
        max_interfaces=network["MaximumNetworkInterfaces"],
        placement_strategies=frozenset(row.get("PlacementGroupInfo", {}).get("SupportedStrategies", [])),
        architectures=frozenset(row["ProcessorInfo"]["SupportedArchitectures"]),
        usage_classes=frozenset(row.get("SupportedUsageClasses", [])),
    )
