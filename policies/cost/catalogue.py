"""List prices by item and region: dated, with the sources of each figure (``policies/cost/data/SOURCES.md``).

An item is a short text such as ``ec2:on-demand:p5.48xlarge`` or ``fsx:PERSISTENT_2:SSD:500``. A price that no row
lists is None: it is unpriced, never zero. Some are derived, and say how.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).parent / "data"
FILES: Final = ("compute.csv", "platform.csv", "storage.csv")
REFERENCE_REGION: Final = "us-east-1"
"""The region for which most prices are listed, and to which ratios refer."""
EVERYWHERE: Final = "*"
ON_DEMAND: Final = "ec2:on-demand:"
SPOT: Final = "ec2:spot:"
CAPACITY_BLOCK: Final = "ec2:capacity-block:"
_USUAL_FAMILY: Final = "m7i"
"""Its ratio stands for services whose price in a region is not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One unit price."""

    usd: Decimal
    unit: str
    """What one costs that much: ``hour``, ``GB-month``, ``1k requests`` …"""
    region: str
    as_of: str
    """Date of the price: a day, a month, a year or ``undated``."""
    sources: tuple[str, ...]
    """Ids of SOURCES.md; for a live price ``AWS Price List``."""
    derived: str = ""
    """The assumption, when the figure was computed or carried over from another region; else empty."""
    live: bool = False
    """Whether AWS itself gave the price (``slipway cost refresh``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A second figure for a listed price, from a source that the price itself does not use."""

    item: str
    region: str
    usd: Decimal
    as_of: str
    source: str
    note: str


Prices = Mapping[tuple[str, str], Price]
"""By item and region."""


@dataclass(frozen=True)
class Catalogue:
    """All prices that are known here."""

    prices: Prices
    ratios: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    """On-demand price of an EC2 family in a region against ``REFERENCE_REGION``."""
    _found: dict[tuple[str, str], Price | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def load(cls, *overlays: Path) -> "Catalogue":
        """The prices that come with the kit, with files of live prices on top (the last one wins).

        Raises:
            ValueError: an overlay is no file of prices; the message names it.
        """
        prices = dict(_listed())
        for path in overlays:
            prices.update(read_overlay(path))
        return cls(prices, _ratios())

    def price(self, item: str, region: str) -> Price | None:
        """What one unit of ``item`` costs in ``region``; None when nothing says it."""
        key = (item, region)
        if key not in self._found:
            self._found[key] = self._look_up(item, region)
        return self._found[key]

    def _look_up(self, item: str, region: str) -> Price | None:
        listed = self.prices.get((item, region))
        if listed is not None:
            return listed
        anywhere = self.prices.get((item, EVERYWHERE))
        if anywhere is not None:
            return _moved(anywhere, region, anywhere.usd, anywhere.derived)
        reference = self.prices.get((item, REFERENCE_REGION))
        if reference is None or item.startswith((SPOT, CAPACITY_BLOCK)):
            # Spot and Capacity Blocks follow supply and demand of a place: no ratio says anything about them.
            return None
        family = item.removeprefix(ON_DEMAND).partition(".")[0] if item.startswith(ON_DEMAND) else _USUAL_FAMILY
        ratio = self.ratios.get((family, region))
        if ratio is None:
            return None
        why = f"{REFERENCE_REGION} price x {ratio.normalize():f}, the ratio of {family} on demand in {region}"
        return _moved(reference, region, reference.usd * ratio, why)

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """Every item and region that was looked up so far, found or not."""
        return tuple(sorted(self._found))

    @property
    def items(self) -> tuple[str, ...]:
        """Every item that some row prices."""
        return tuple(sorted({item for item, _ in self.prices}))


def _moved(price: Price, region: str, usd: Decimal, why: str) -> Price:
    return Price(usd=usd, unit=price.unit, region=region, as_of=price.as_of, sources=price.sources, derived=why)


def rows(file: str) -> Iterator[dict[str, str]]:
    """The rows of one table of this folder."""
    with (DATA / file).open(encoding="utf-8") as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))


@cache
def _listed() -> Prices:
    found: dict[tuple[str, str], Price] = {}
    for row in (row for file in FILES for row in rows(file)):
        found[row["item"], row["region"]] = Price(
            usd=Decimal(row["usd"]),
            unit=row["unit"],
            region=row["region"],
            as_of=row["as_of"],
            sources=tuple(row["sources"].split("|")),
            derived=row["derived"],
        )
    return found


@cache
def _ratios() -> Mapping[tuple[str, str], Decimal]:
    return {(row["family"], row["region"]): Decimal(row["ratio"]) for row in rows("region_ratios.csv")}


@cache
def checks() -> tuple[Check, ...]:
    """Second figures for listed prices."""
    return tuple(Check(**{**row, "usd": Decimal(row["usd"])}) for row in rows("checks.csv"))  # type: ignore[arg-type]


# --- live prices, as a file ------------------------------------------------------------------------------------------
OVERLAY_VERSION: Final = 1


def overlay(prices: Iterable[tuple[str, Price]]) -> dict[str, Any]:
    """The document of a file of live prices; figures are text so that nothing rounds them."""
    return {
        "version": OVERLAY_VERSION,
        "prices": [
            {"item": item, "region": price.region, "unit": price.unit, "usd": str(price.usd), "as_of": price.as_of}
            for item, price in prices
        ],
    }


def read_overlay(path: Path) -> dict[tuple[str, str], Price]:
    """The live prices in ``path``.

    Raises:
        ValueError: it is no file of prices; the message names it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != OVERLAY_VERSION:
            raise ValueError(f"version {document['version']}, expected {OVERLAY_VERSION}")  # noqa: TRY301 (told below)
        return {
            (row["item"], row["region"]): Price(
                usd=Decimal(row["usd"]),
                unit=row["unit"],
                region=row["region"],
                as_of=row["as_of"],
                sources=("AWS Price List",),
                live=True,
            )
            for row in document["prices"]
        }
    except (KeyError, TypeError, ArithmeticError, ValueError) as error:
        raise ValueError(f"{path} is no file of live prices: {error}") from error
