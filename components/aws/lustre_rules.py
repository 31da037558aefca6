"""What FSx for Lustre accepts, as pure functions: a wrong size is refused here, in words, and not after ten minutes.

Sources: botocore 1.44 service model ``fsx`` (CreateFileSystem, LustreFileSystemConfiguration and the members' texts);
EFA steps from the FSx for Lustre guide, "Managing storage capacity" and "You cannot create a file system".
"""

from collections.abc import Callable
from dataclasses import dataclass

GIB_PER_TIB = 1024
SCRATCH_1, SCRATCH_2 = "SCRATCH_1", "SCRATCH_2"
PERSISTENT_1, PERSISTENT_2 = "PERSISTENT_1", "PERSISTENT_2"
SSD, HDD, INTELLIGENT_TIERING = "SSD", "HDD", "INTELLIGENT_TIERING"
AUTOMATIC, USER_PROVISIONED = "AUTOMATIC", "USER_PROVISIONED"

STORAGE_TYPES = {
    SCRATCH_1: (SSD,),
    SCRATCH_2: (SSD,),
    PERSISTENT_1: (SSD, HDD),
    PERSISTENT_2: (SSD, INTELLIGENT_TIERING),
}
THROUGHPUTS = {
    (PERSISTENT_1, SSD): (50, 100, 200),
    (PERSISTENT_1, HDD): (12, 40),
    (PERSISTENT_2, SSD): (125, 250, 500, 1000),
}
"""MB/s per TiB of storage."""
HDD_STEPS = {12: 6000, 40: 1800}
EFA_STEPS = {125: 38400, 250: 19200, 500: 9600, 1000: 4800}
"""GiB: with EFA, capacity is a multiple of this, by per-unit throughput."""
SCRATCH_THROUGHPUT = 200
"""MB/s per TiB of scratch file systems (FSx for Lustre guide, performance)."""
SSD_METADATA_IOPS = (1500, 3000, 6000, *range(12000, 192001, 12000))
TIERING_METADATA_IOPS = (6000, 12000)
CACHE_MODES = ("NO_CACHE", "USER_PROVISIONED", "PROPORTIONAL_TO_THROUGHPUT_CAPACITY")
TIERING_THROUGHPUT_STEP = 4000
TIERING_THROUGHPUT_MAXIMUM = 2_000_000
CACHE_MINIMUM, CACHE_MAXIMUM = 32, 131072
"""GiB of read cache per 4000 MB/s of throughput capacity."""
BACKUP_DAYS = range(91)
LUSTRE_PORTS = ((988, 988), (1018, 1023))
"""TCP ports of Lustre, in both directions (FSx for Lustre guide, file system access control with VPC)."""


@dataclass(frozen=True, kw_only=True)
class LustreShape:
    """The part of a file system that decides its size, its speed and whether AWS accepts it."""

    deployment_type: str = PERSISTENT_2
    storage_type: str = SSD
    storage_capacity_gib: int | None = None
    """None with INTELLIGENT_TIERING, whose capacity grows and shrinks with the data."""
    per_unit_storage_throughput: int | None = None
    """MB/s per TiB."""
    throughput_capacity: int | None = None
    """MB/s, INTELLIGENT_TIERING only."""
    read_cache_mode: str | None = None
    read_cache_gib: int | None = None
    metadata_mode: str | None = None
    metadata_iops: int | None = None
    efa_enabled: bool = False
    backup_retention_days: int = 0
    linked_to_s3: bool = False


def _list(values: tuple[int, ...] | tuple[str, ...]) -> str:
    return ", ".join(str(value) for value in values)


def deployment_problems(shape: LustreShape) -> list[str]:
    """Deployment and storage types that do not exist, or not together."""
    if shape.deployment_type not in STORAGE_TYPES:
        return [f"deployment type {shape.deployment_type!r} does not exist; allowed are {_list(tuple(STORAGE_TYPES))}"]
    allowed = STORAGE_TYPES[shape.deployment_type]
    if shape.storage_type not in allowed:
        return [f"{shape.deployment_type} has no {shape.storage_type} storage; allowed is {_list(allowed)}"]
    return []


def capacity_steps(shape: LustreShape) -> tuple[tuple[int, ...], int]:
    """Capacities below the first step, and the step whose multiples are allowed (GiB), for a valid deployment."""
    if shape.efa_enabled and shape.per_unit_storage_throughput in EFA_STEPS:
        return (), EFA_STEPS[shape.per_unit_storage_throughput]
    if shape.storage_type == HDD:
        return (), HDD_STEPS.get(shape.per_unit_storage_throughput or 0, 6000)
    if shape.deployment_type == SCRATCH_1:
        return (1200, 2400), 3600
    return (1200,), 2400


def capacity_problems(shape: LustreShape) -> list[str]:
    """A capacity that is no size of its kind of storage."""
    value = shape.storage_capacity_gib
    if shape.storage_type == INTELLIGENT_TIERING:
        if value is not None:
            return [
                f"storage capacity {value} GiB is set, but INTELLIGENT_TIERING storage grows by itself: leave it out"
            ]
        return []
    small, step = capacity_steps(shape)
    if value is None:
        smallest = min((*small, step))
        return [f"storage capacity is missing: {shape.storage_type} storage has a fixed size, at least {smallest} GiB"]
    if value in small or (value > 0 and value % step == 0):
        return []
    below = max((size for size in (*small, value // step * step) if 0 < size < value), default=None)
    above = min(size for size in (*small, (max(value, 0) // step + 1) * step) if size > value)
    near = f"{below} or {above}" if below else str(above)
    why = " with EFA" if shape.efa_enabled else ""
    allowed = f"{_list(small)} and multiples of {step}" if small else f"multiples of {step}"
    kind = f"{shape.deployment_type} {shape.storage_type}{why}"
    return [f"storage capacity {value} GiB is not a size of {kind}: allowed are {allowed}; take {near}"]


def throughput_problems(shape: LustreShape) -> list[str]:
    """A throughput per TiB that its kind of storage does not offer."""
    value = shape.per_unit_storage_throughput
    allowed = THROUGHPUTS.get((shape.deployment_type, shape.storage_type))
    kind = f"{shape.deployment_type} {shape.storage_type}"
    if allowed is None:
        return [] if value is None else [f"per-unit throughput {value} is set, but {kind} has none: leave it out"]
    if value not in allowed:
        got = "is missing" if value is None else f"{value} MB/s per TiB is not offered"
        return [f"per-unit throughput {got} for {kind}: allowed are {_list(allowed)} MB/s per TiB"]
    return []


def tiering_problems(shape: LustreShape) -> list[str]:
    """What INTELLIGENT_TIERING needs, or other storage types do not take."""
    capacity = shape.throughput_capacity
    if shape.storage_type != INTELLIGENT_TIERING:
        return [
            f"{name} is set, but belongs to INTELLIGENT_TIERING storage only: leave it out"
            for name, value in (
                ("throughput capacity", capacity),
                ("read cache mode", shape.read_cache_mode),
                ("read cache size", shape.read_cache_gib),
            )
            if value is not None
        ]
    if capacity is None or not 0 < capacity <= TIERING_THROUGHPUT_MAXIMUM or capacity % TIERING_THROUGHPUT_STEP:
        allowed = f"multiples of {TIERING_THROUGHPUT_STEP} up to {TIERING_THROUGHPUT_MAXIMUM}"
        return [f"throughput capacity {capacity} MB/s is not offered for INTELLIGENT_TIERING: allowed are {allowed}"]
    return _cache(shape, capacity // TIERING_THROUGHPUT_STEP)


def _cache(shape: LustreShape, units: int) -> list[str]:
    if shape.read_cache_mode not in CACHE_MODES:
        return [f"read cache mode {shape.read_cache_mode!r} does not exist; allowed are {_list(CACHE_MODES)}"]
    size = shape.read_cache_gib
    if shape.read_cache_mode != USER_PROVISIONED:
        return (
            []
            if size is None
            else [f"read cache size {size} GiB is set, but the mode {shape.read_cache_mode} decides it: leave it out"]
        )
    smallest, largest = CACHE_MINIMUM * units, CACHE_MAXIMUM * units
    if size is None or not smallest <= size <= largest:
        return [f"read cache size {size} GiB is out of range: {smallest} to {largest} GiB for this throughput capacity"]
    return []


def metadata_problems(shape: LustreShape) -> list[str]:
    """A metadata mode or its IOPS that the file system does not take."""
    mode, iops = shape.metadata_mode, shape.metadata_iops
    if mode is None:
        if shape.storage_type == INTELLIGENT_TIERING:
            return [f"metadata mode is missing: INTELLIGENT_TIERING needs {USER_PROVISIONED} with iops 6000 or 12000"]
        return [] if iops is None else [f"metadata iops {iops} is set without a mode: set {USER_PROVISIONED}"]
    if shape.deployment_type != PERSISTENT_2:
        return [f"metadata mode {mode} is set, but only PERSISTENT_2 has a metadata configuration: leave it out"]
    if mode not in {AUTOMATIC, USER_PROVISIONED}:
        return [f"metadata mode {mode!r} does not exist; allowed are {AUTOMATIC}, {USER_PROVISIONED}"]
    return _metadata_iops(shape)


def _metadata_iops(shape: LustreShape) -> list[str]:
    iops = shape.metadata_iops
    if shape.metadata_mode == AUTOMATIC:
        if shape.storage_type == INTELLIGENT_TIERING:
            return [f"metadata mode AUTOMATIC is for SSD only: INTELLIGENT_TIERING needs {USER_PROVISIONED} with iops"]
        return [] if iops is None else [f"metadata iops {iops} is set, but mode AUTOMATIC decides it: leave it out"]
    allowed = TIERING_METADATA_IOPS if shape.storage_type == INTELLIGENT_TIERING else SSD_METADATA_IOPS
    if iops not in allowed:
        return [f"metadata iops {iops} is not offered for {shape.storage_type}: allowed are {_list(allowed)}"]
    return []


def efa_problems(shape: LustreShape) -> list[str]:
    """EFA on a file system that has none."""
    if not shape.efa_enabled:
        return []
    if shape.deployment_type != PERSISTENT_2:
        return [f"EFA is on, but {shape.deployment_type} has none: use PERSISTENT_2"]
    return [] if shape.metadata_mode else ["EFA is on, but it needs a metadata configuration: set a metadata mode"]


def backup_problems(shape: LustreShape) -> list[str]:
    """Backups where FSx makes none."""
    days = shape.backup_retention_days
    if days not in BACKUP_DAYS:
        return [f"backup retention of {days} days is not offered: allowed are 0 (off) to {BACKUP_DAYS[-1]}"]
    if days and shape.deployment_type in {SCRATCH_1, SCRATCH_2}:
        return [f"backups are on, but {shape.deployment_type} has none: set the retention to 0"]
    if days and shape.linked_to_s3:
        return ["backups are on, but FSx refuses them on a file system that is linked to S3: set the retention to 0"]
    return []


def link_problems(shape: LustreShape) -> list[str]:
    """A data repository where FSx has none."""
    if shape.linked_to_s3 and shape.deployment_type == SCRATCH_1:
        return ["a data repository association is asked for, but SCRATCH_1 has none: use SCRATCH_2 or PERSISTENT_2"]
    return []


RULES: tuple[Callable[[LustreShape], list[str]], ...] = (
    capacity_problems,
    throughput_problems,
    tiering_problems,
    metadata_problems,
    efa_problems,
    backup_problems,
    link_problems,
)


def problems(shape: LustreShape) -> list[str]:
    """Everything that FSx would refuse about ``shape``: what, the value, what is allowed. Empty when it is fine."""
    wrong_kind = deployment_problems(shape)
    # Every other rule reads sizes by deployment and storage type: without a valid pair they would only add noise.
    return wrong_kind or [problem for rule in RULES for problem in rule(shape)]


def throughput_mb_per_second(shape: LustreShape) -> float:
    """Baseline throughput of the whole file system in MB/s; ``shape`` must be valid."""
    if shape.throughput_capacity is not None:
        return float(shape.throughput_capacity)
    per_tib = shape.per_unit_storage_throughput or SCRATCH_THROUGHPUT
    return (shape.storage_capacity_gib or 0) / GIB_PER_TIB * per_tib


def repository_path_problems(paths: dict[str, str]) -> list[str]:
    """What FSx would refuse about the paths of data repository associations, by the association's key.

    Paths start with a slash; none is equal to or below another; ``/`` is allowed only as the single one.
    """
    found = [
        f"path {path!r} of data repository {key!r} must start with a slash and not end with one, for example /data"
        for key, path in paths.items()
        if not path.startswith("/") or (path != "/" and path.endswith("/"))
    ]
    items = sorted(paths.items())
    for position, (key, path) in enumerate(items):
        for other_key, other in items[position + 1 :]:
            shorter, longer = sorted((path.rstrip("/") + "/", other.rstrip("/") + "/"), key=len)
            if longer.startswith(shorter):
                found.append(
                    f"paths {path!r} ({key}) and {other!r} ({other_key}) overlap: FSx wants every data repository "
                    "in a directory of its own"
                )
    return found
