"""File systems, buckets and image repositories."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from policies.cost.model import Category, Component
from policies.cost.pricing import Priced, Pricing, entries, number, percent
from policies.graph import Resource

_LIFECYCLE: Final = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_VERSIONING: Final = "aws:s3/bucketVersioning:BucketVersioning"


def _lustre(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    if str(resource.get("storageType", "SSD")) == "INTELLIGENT_TIERING":
        yield from _tiering(resource, pricing)
        return
    size = number(resource, "storageCapacity")
    kind = str(resource.get("deploymentType", "SCRATCH_1"))
    item = f"fsx:{kind}:{resource.get('storageType', 'SSD')}"
    speed = resource.get("perUnitStorageThroughput")
    if speed is not None:
        item += f":{number(resource, 'perUnitStorageThroughput').normalize():f}"
    yield pricing.component(
        resource,
        f"{kind}{f', {speed} MB/s per TiB' if speed is not None else ''}",
        item,
        size,
        unit="GB-month",
        assumption="provisioned GiB, billed as GB",
    )
    yield from _metadata(resource, pricing)
    if number(resource, "automaticBackupRetentionDays") > 0:
        share = pricing.usage.backup_percent
        yield pricing.component(
            resource,
            "backups",
            "fsx:backup",
            size * percent(share),
            unit="GB-month",
            assumption=f"usage.backupPercent: {share.normalize():f} of the size",
            usage_based=True,
        )


def _metadata(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    # In AUTOMATIC mode the IOPS come with the storage (FSx for Lustre user guide, "Metadata performance").
    if resource.get("metadataConfiguration.mode") == "USER_PROVISIONED":
        iops = number(resource, "metadataConfiguration.iops")
        yield pricing.component(resource, "metadata IOPS", "fsx:metadata-iops", iops, unit="IOPS-month")


def _tiering(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    speed = number(resource, "throughputCapacity")
    yield pricing.component(resource, "throughput capacity", "fsx:tiering:throughput", speed, unit="MB/s-month")
    stored = pricing.usage.tiering_gb
    yield pricing.used(resource, "frequent tier", "fsx:tiering:frequent", stored, "tieringGb", unit="GB-month")
    yield pricing.used(
        resource, "requests", "fsx:tiering:requests", Decimal(1), "tieringGb", unit="requests of that storage"
    )
    cache = number(resource, "dataReadCacheConfiguration.size")
    if cache > 0 or resource.get("dataReadCacheConfiguration.sizingMode") not in (None, "NO_CACHE"):
        yield pricing.component(resource, "SSD read cache", "fsx:tiering:cache", cache, unit="GB-month")
    yield from _metadata(resource, pricing)


def _bucket(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    usage = pricing.usage
    current = usage.bucket_gb
    cold = current * percent(usage.bucket_cold_percent) if _tiers(resource, pricing) else Decimal(0)
    yield pricing.used(resource, "current objects", "s3:standard", current - cold, "bucketGb")
    if _tiers(resource, pricing):
        yield pricing.used(resource, "objects at rest", "s3:tiering:infrequent", cold, "bucketColdPercent")
        watched = usage.bucket_objects_thousands * percent(usage.bucket_cold_percent)
        yield pricing.used(resource, "tiering monitoring", "s3:tiering:monitoring", watched, "bucketObjectsThousands")
    if pricing.parts(resource, _VERSIONING):
        old = current * percent(usage.bucket_noncurrent_percent)
        yield pricing.used(resource, "noncurrent versions", "s3:standard", old, "bucketNoncurrentPercent")
    writes, reads = usage.bucket_writes_thousands, usage.bucket_reads_thousands
    yield pricing.used(resource, "PUT and LIST requests", "s3:standard:write", writes, "bucketWritesThousands")
    yield pricing.used(resource, "GET requests", "s3:standard:read", reads, "bucketReadsThousands")


def _tiers(resource: Resource, pricing: Pricing) -> bool:
    """Whether a lifecycle rule moves what rests to Intelligent-Tiering."""
    for lifecycle in pricing.parts(resource, _LIFECYCLE):
        for index in range(entries(lifecycle, "rules")):
            at = f"rules[{index}].transitions"
            moves = range(entries(lifecycle, at))
            if any(lifecycle.get(f"{at}[{move}].storageClass") == "INTELLIGENT_TIERING" for move in moves):
                return True
    return False


def _repository(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.used(resource, "images", "ecr:storage", pricing.usage.registry_gb, "registryGb")


_STORED: Final = Priced(category=Category.STORAGE, price=_bucket, storage=True)

PRICERS: Final = {
    "aws:fsx/lustreFileSystem:LustreFileSystem": Priced(category=Category.STORAGE, price=_lustre, storage=True),
    "aws:s3/bucket:Bucket": _STORED,
    "aws:s3/bucketV2:BucketV2": _STORED,
    "aws:ecr/repository:Repository": Priced(category=Category.STORAGE, price=_repository, storage=True),
}
