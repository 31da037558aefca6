"""Live prices from AWS's Price List Query API, for the items that an estimate uses.

The API answers in us-east-1, eu-central-1 and ap-south-1 only (botocore's endpoint data), for every region's prices.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol

from policies.cost.catalogue import ON_DEMAND, Price

ENDPOINT_REGIONS: Final = ("us-east-1", "eu-central-1", "ap-south-1")
_PAGE: Final = 100


class PriceListClient(Protocol):
    """boto3's ``pricing`` client, as far as it is used here."""

    def get_products(self, **arguments: Any) -> Mapping[str, Any]:
        """One page of products."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which product of which service an item is."""

    service: str
    filters: Mapping[str, str]
    unit: str
    """Of the catalogue."""
    listed_unit: str
    """As the price list spells it; prices of other units are other dimensions."""
    usage_type: str = ""
    """How the product's usage type ends; it begins with a code of the region. Empty: any."""
    factor: Decimal = Decimal(1)
    """From the listed unit to the catalogue's."""


def endpoint_region(region: str) -> str:
    """The nearest region in which the API answers."""
    if region in ENDPOINT_REGIONS:
        return region
    continents = {
        "eu": "eu-central-1",
        "me": "eu-central-1",
        "af": "eu-central-1",
        "il": "eu-central-1",
        "ap": "ap-south-1",
    }
    return continents.get(region.split("-", 1)[0], "us-east-1")


_LUSTRE: Final = {"fileSystemType": "Lustre"}
_THOUSAND: Final = Decimal(1000)
_TEN_THOUSAND: Final = Decimal(10_000)


def _query(
    service: str, unit: str, listed: str, usage_type: str, factor: Decimal = Decimal(1), **filters: str
) -> Query:
    return Query(service=service, filters=filters, unit=unit, listed_unit=listed, usage_type=usage_type, factor=factor)


_FIXED: Final[Mapping[str, Query]] = {
    "eks:cluster": _query("AmazonEKS", "hour", "Hours", "AmazonEKS-Hours:perCluster"),
    "eks:cluster:extended-support": _query("AmazonEKS", "hour", "Hours", "AmazonEKS-Hours:extendedSupport"),
    "nat:gateway": _query("AmazonEC2", "hour", "Hrs", "NatGateway-Hours", productFamily="NAT Gateway"),
    "nat:data": _query("AmazonEC2", "GB", "GB", "NatGateway-Bytes", productFamily="NAT Gateway"),
    "endpoint:interface": _query("AmazonVPC", "hour", "Hrs", "VpcEndpoint-Hours"),
    "endpoint:data": _query("AmazonVPC", "GB", "GB", "VpcEndpoint-Bytes"),
    "ipv4:public": _query("AmazonVPC", "hour", "Hrs", "PublicIPv4:InUseAddress"),
    "ebs:gp3": _query("AmazonEC2", "GB-month", "GB-Mo", "EBS:VolumeUsage.gp3", volumeApiName="gp3"),
    "ebs:gp3:iops": _query("AmazonEC2", "IOPS-month", "IOPS-Mo", "EBS:VolumeP-IOPS.gp3", volumeApiName="gp3"),
    "ebs:gp2": _query("AmazonEC2", "GB-month", "GB-Mo", "EBS:VolumeUsage.gp2", volumeApiName="gp2"),
    "s3:standard": _query("AmazonS3", "GB-month", "GB-Mo", "TimedStorage-ByteHrs", volumeType="Standard"),
    "s3:standard:write": _query("AmazonS3", "1k requests", "Requests", "Requests-Tier1", _THOUSAND),
    "s3:standard:read": _query("AmazonS3", "1k requests", "Requests", "Requests-Tier2", _THOUSAND),
    "kms:key": _query("awskms", "key-month", "Keys", "KMS-Keys"),
    "kms:requests": _query("awskms", "10k requests", "Requests", "KMS-Requests", _TEN_THOUSAND),
    "logs:ingested": _query("AmazonCloudWatch", "GB", "GB", "DataProcessing-Bytes"),
    "logs:stored": _query("AmazonCloudWatch", "GB-month", "GB-Mo", "TimedStorage-ByteHrs"),
    "lb:application": _query("AWSELB", "hour", "Hrs", "LoadBalancerUsage", productFamily="Load Balancer-Application"),
    "lb:network": _query("AWSELB", "hour", "Hrs", "LoadBalancerUsage", productFamily="Load Balancer-Network"),
    "fsx:backup": _query("AmazonFSx", "GB-month", "GB-Mo", "BackupUsage", fileSystemType="Lustre"),
}


def query(item: str) -> Query | None:
    """How to ask for ``item``; None for what the price list does not hold or this module does not know."""
    if item.startswith(ON_DEMAND):
        filters = {
            "instanceType": item.removeprefix(ON_DEMAND),
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
            "marketoption": "OnDemand",
        }
        return Query(service="AmazonEC2", filters=filters, unit="hour", listed_unit="Hrs")
    kind, *rest = item.split(":")
    if kind == "fsx" and len(rest) == 3 and rest[0] == "PERSISTENT_2":  # noqa: PLR2004 (type, storage, speed)
        filters = {**_LUSTRE, "deploymentOption": "Single-AZ", "storageType": rest[1], "throughputCapacity": rest[2]}
        return Query(service="AmazonFSx", filters=filters, unit="GB-month", listed_unit="GB-Mo")
    return _FIXED.get(item)


def fetch(client: PriceListClient, items: Iterable[tuple[str, str]], *, today: str) -> Iterator[tuple[str, Price]]:
    """The live prices of those ``items`` (with their regions) that the price list answers unambiguously.

    Args:
        client: a client of an endpoint region.
        items: catalogue items and regions.
        today: the date of the prices.
    """
    for item, region in sorted(set(items)):
        asked = query(item)
        if asked is None:
            continue
        found = {usd for usd in _prices(client, asked, region) if usd > 0}
        if len(found) == 1:
            # Several different figures are tiers or other products: which of them is meant would be a guess.
            usd = found.pop() * asked.factor
            yield (
                item,
                Price(usd=usd, unit=asked.unit, region=region, as_of=today, sources=("AWS Price List",), live=True),
            )


def _prices(client: PriceListClient, asked: Query, region: str) -> Iterator[Decimal]:
    """The first tier of every product that answers the query."""
    filters = [
        {"Type": "TERM_MATCH", "Field": name, "Value": value}
        for name, value in {"regionCode": region, **asked.filters}.items()
    ]
    arguments: dict[str, Any] = {
        "ServiceCode": asked.service,
        "Filters": filters,
        "FormatVersion": "aws_v1",
        "MaxResults": _PAGE,
    }
    while True:
        page = client.get_products(**arguments)
        for text in page.get("PriceList", ()):
            yield from _of_product(json.loads(text), asked)
        if not page.get("NextToken"):
            return
        arguments["NextToken"] = page["NextToken"]


def _of_product(product: Mapping[str, Any], asked: Query) -> Iterator[Decimal]:
    usage_type = str(product.get("product", {}).get("attributes", {}).get("usagetype", ""))
    # Regions but us-east-1 put their code before: EUC1-NatGateway-Hours.
    if asked.usage_type and usage_type != asked.usage_type and not usage_type.endswith(f"-{asked.usage_type}"):
        return
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term.get("priceDimensions", {}).values():
            if dimension.get("unit") != asked.listed_unit or dimension.get("beginRange", "0") != "0":
                continue
            try:
                yield Decimal(dimension["pricePerUnit"]["USD"])
            except (KeyError, InvalidOperation):
                continue
