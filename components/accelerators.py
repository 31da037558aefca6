"""The catalogue of instance types: what one machine has, by name.

Facts are rows of ``components/data/*.csv``; where and when they were read is in ``components/data/SOURCES.md``.
"""

import csv
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from components.outputs import AcceleratorKind

DATA = Path(__file__).parent / "data"
INTERFACE = "interface"
EFA = "efa"
EFA_ONLY = "efa-only"


class UnknownInstanceTypeError(ValueError):
    """The catalogue has no such instance type; the message names near matches."""

    def __init__(self, name: str, near: list[str]) -> None:
        hint = (
            f"Did you mean {', '.join(near)}?" if near else "See components/data/aws_instances.csv for what it holds."
        )
        super().__init__(
            f"instance type {name!r} is not in the catalogue. {hint} "
            "To add a type, add its rows to components/data with the source and the date."
        )
        self.name = name
        self.near = near


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """One network card of an instance type and what may be attached to it."""

    index: int
    max_interfaces: int
    interface_types: frozenset[str]
    """``interface`` (ENA), ``efa`` (EFA with ENA), ``efa-only`` (no IP address)."""

    @property
    def efa(self) -> bool:
        """Whether an EFA may sit on this card."""
        return bool(self.interface_types & {EFA, EFA_ONLY})


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """One machine type of a cloud."""

    name: str
    cloud: str
    accelerator_model: str | None
    """For example ``H100``; None on CPU types."""
    accelerator_kind: AcceleratorKind
    accelerator_count: float
    """A fraction where the type has a slice of a GPU (g6f)."""
    accelerator_memory_gib: float | None
    """Per device, as the cloud's API reports it; None when no plausible source was found."""
    vcpus: int
    memory_gib: int
    network_cards: tuple[NetworkCard, ...]
    max_efa_interfaces: int
    architecture: str
    """``x86_64`` or ``arm64``."""
    local_nvme_gb: int
    """All local NVMe disks of the machine together, GB (10^9 bytes); 0 where there are none."""

    @property
    def efa_interfaces(self) -> int:
        """EFA interfaces of a node that uses every card that takes one: at most one per card."""
        return min(self.max_efa_interfaces, sum(card.efa for card in self.network_cards))

    @property
    def devices(self) -> int:
        """Accelerators that a device plugin advertises: whole ones, and one for a slice of a GPU."""
        return max(1, int(self.accelerator_count)) if self.accelerator_count else 0


def _rows(file: str) -> Iterator[dict[str, str]]:
    with (DATA / file).open(encoding="utf-8") as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))


def _cards(rows: list[dict[str, str]]) -> tuple[NetworkCard, ...]:
    return tuple(
        NetworkCard(
            index=index,
            max_interfaces=int(row["max_interfaces_per_card"]),
            interface_types=frozenset(row["interface_types"].split("|")),
        )
        for row in rows
        for index in range(int(row["card_first"]), int(row["card_last"]) + 1)
    )


@cache
def catalogue() -> Mapping[str, InstanceType]:
    """All known instance types by name."""
    by_type = {
        name: list(rows) for name, rows in groupby(_rows("aws_network_cards.csv"), key=lambda row: row["instance_type"])
    }
    types = {}
    for row in _rows("aws_instances.csv"):
        name, cards = row["instance_type"], by_type[row["instance_type"]]
        memory = row["accelerator_memory_gib"]
        types[name] = InstanceType(
            name=name,
            cloud="aws",
            accelerator_model=row["accelerator_model"] or None,
            accelerator_kind=AcceleratorKind(row["accelerator_kind"]),
            accelerator_count=float(row["accelerator_count"]),
            accelerator_memory_gib=float(memory) if memory else None,
            vcpus=int(row["vcpus"]),
            memory_gib=int(row["memory_gib"]),
            network_cards=_cards(cards),
            max_efa_interfaces=int(cards[0]["max_efa_interfaces"]),
            architecture=row["architecture"],
            local_nvme_gb=int(row["local_nvme_gb"]),
        )
    return MappingProxyType(types)


def instance(name: str) -> InstanceType:
    """The instance type called ``name``.

    Raises:
        UnknownInstanceTypeError: the catalogue has no such type.
    """
    types = catalogue()
    if name not in types:
        raise UnknownInstanceTypeError(name, difflib.get_close_matches(name, types, n=3, cutoff=0.75))
    return types[name]
