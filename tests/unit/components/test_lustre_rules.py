from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws.lustre_rules import (
    EFA_STEPS,
    SSD_METADATA_IOPS,
    STORAGE_TYPES,
    THROUGHPUTS,
    LustreShape,
    capacity_steps,
    problems,
    repository_path_problems,
    throughput_mb_per_second,
)

GOOD = LustreShape(storage_capacity_gib=4800, per_unit_storage_throughput=250, metadata_mode="AUTOMATIC")
TIERING = LustreShape(
    storage_type="INTELLIGENT_TIERING",
    throughput_capacity=8000,
    read_cache_mode="PROPORTIONAL_TO_THROUGHPUT_CAPACITY",
    metadata_mode="USER_PROVISIONED",
    metadata_iops=6000,
)


def shape(kind: str, storage: str, capacity: int, throughput: int | None) -> LustreShape:
    return LustreShape(
        deployment_type=kind,
        storage_type=storage,
        storage_capacity_gib=capacity,
        per_unit_storage_throughput=throughput,
    )


@pytest.mark.parametrize(
    ("kind", "storage", "throughput", "sizes"),
    [
        ("SCRATCH_1", "SSD", None, (1200, 2400, 3600, 7200)),
        ("SCRATCH_2", "SSD", None, (1200, 2400, 4800, 7200)),
        ("PERSISTENT_1", "SSD", 50, (1200, 2400, 4800)),
        ("PERSISTENT_1", "SSD", 200, (1200, 2400, 4800)),
        ("PERSISTENT_1", "HDD", 12, (6000, 12000)),
        ("PERSISTENT_1", "HDD", 40, (1800, 3600)),
        ("PERSISTENT_2", "SSD", 125, (1200, 2400, 4800)),
        ("PERSISTENT_2", "SSD", 1000, (1200, 2400, 9600)),
    ],
)
def test_the_published_sizes_of_each_deployment_are_accepted(
    kind: str, storage: str, throughput: int | None, sizes: tuple[int, ...]
) -> None:
    assert [problems(shape(kind, storage, size, throughput)) for size in sizes] == [[]] * len(sizes)


@pytest.mark.parametrize(
    ("kind", "storage", "throughput", "size", "take"),
    [
        ("SCRATCH_1", "SSD", None, 4800, "take 3600 or 7200"),
        ("SCRATCH_2", "SSD", None, 1000, "take 1200"),
        ("SCRATCH_2", "SSD", None, 3600, "take 2400 or 4800"),
        ("PERSISTENT_1", "HDD", 12, 1800, "take 6000"),
        ("PERSISTENT_1", "HDD", 40, 6000, "take 5400 or 7200"),
        ("PERSISTENT_2", "SSD", 250, 5000, "take 4800 or 7200"),
        ("PERSISTENT_2", "SSD", 250, 0, "take 1200"),
        ("PERSISTENT_2", "SSD", 250, -2400, "take 1200"),
    ],
)
def test_a_size_between_the_steps_is_refused_with_its_neighbours(
    kind: str, storage: str, throughput: int | None, size: int, take: str
) -> None:
    (problem,) = problems(shape(kind, storage, size, throughput))
    assert f"storage capacity {size} GiB" in problem
    assert problem.endswith(take)


@given(st.integers(-5000, 200000), st.sampled_from([125, 250, 500, 1000]))
def test_a_suggested_size_is_itself_accepted(size: int, throughput: int) -> None:
    for efa in (False, True):
        asked = replace(GOOD, storage_capacity_gib=size, per_unit_storage_throughput=throughput, efa_enabled=efa)
        for problem in problems(asked):
            for suggestion in problem.rsplit("take ", 1)[1].split(" or "):
                assert problems(replace(asked, storage_capacity_gib=int(suggestion))) == []


@pytest.mark.parametrize(("throughput", "step"), EFA_STEPS.items())
def test_efa_wants_multiples_of_a_step_that_depends_on_the_throughput(throughput: int, step: int) -> None:
    with_efa = replace(GOOD, efa_enabled=True, per_unit_storage_throughput=throughput)
    assert problems(replace(with_efa, storage_capacity_gib=2 * step)) == []
    assert f"multiples of {step}" in problems(replace(with_efa, storage_capacity_gib=2400))[0]
    assert capacity_steps(with_efa) == ((), step)


@pytest.mark.parametrize(("pair", "allowed"), THROUGHPUTS.items())
def test_only_the_published_throughputs_are_accepted(pair: tuple[str, str], allowed: tuple[int, ...]) -> None:
    kind, storage = pair
    for value in (*allowed, 77):
        size = 1800 if storage == "HDD" and value == 40 else 6000 if storage == "HDD" else 2400
        found = problems(shape(kind, storage, size, value))
        assert bool(found) == (value not in allowed)


def test_a_missing_throughput_is_named_with_what_is_allowed() -> None:
    assert problems(replace(GOOD, per_unit_storage_throughput=None)) == [
        "per-unit throughput is missing for PERSISTENT_2 SSD: allowed are 125, 250, 500, 1000 MB/s per TiB"
    ]


def test_scratch_takes_no_throughput() -> None:
    assert problems(shape("SCRATCH_2", "SSD", 1200, 200)) == [
        "per-unit throughput 200 is set, but SCRATCH_2 SSD has none: leave it out"
    ]


def test_an_unknown_deployment_or_storage_type_is_the_only_thing_said() -> None:
    assert problems(shape("PERSISTENT_3", "SSD", 1, 1)) == [
        f"deployment type 'PERSISTENT_3' does not exist; allowed are {', '.join(STORAGE_TYPES)}"
    ]
    assert problems(shape("SCRATCH_2", "HDD", 1, 1)) == ["SCRATCH_2 has no HDD storage; allowed is SSD"]


def test_ssd_without_a_size_is_refused() -> None:
    assert "at least 1200 GiB" in problems(replace(GOOD, storage_capacity_gib=None))[0]


@pytest.mark.parametrize("iops", SSD_METADATA_IOPS)
def test_the_published_metadata_iops_of_ssd_are_accepted(iops: int) -> None:
    assert problems(replace(GOOD, metadata_mode="USER_PROVISIONED", metadata_iops=iops)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metadata_mode": "USER_PROVISIONED", "metadata_iops": 5000}, "metadata iops 5000 is not offered"),
        ({"metadata_mode": "USER_PROVISIONED"}, "metadata iops None is not offered"),
        ({"metadata_mode": "USER_PROVISIONED", "metadata_iops": 204000}, "metadata iops 204000 is not offered"),
        ({"metadata_iops": 6000}, "mode AUTOMATIC decides it"),
        ({"metadata_mode": None, "metadata_iops": 6000}, "without a mode"),
        ({"metadata_mode": "FAST"}, "'FAST' does not exist"),
        ({"metadata_mode": None, "efa_enabled": True, "storage_capacity_gib": 19200}, "needs a metadata configuration"),
        ({"throughput_capacity": 4000}, "belongs to INTELLIGENT_TIERING"),
        ({"read_cache_mode": "NO_CACHE"}, "belongs to INTELLIGENT_TIERING"),
        ({"read_cache_gib": 64}, "belongs to INTELLIGENT_TIERING"),
        ({"backup_retention_days": 91}, "allowed are 0 (off) to 90"),
        ({"backup_retention_days": 7, "linked_to_s3": True}, "refuses them on a file system that is linked to S3"),
    ],
)
def test_what_persistent_2_ssd_does_not_take_is_refused(change: dict[str, object], says: str) -> None:
    (problem,) = problems(replace(GOOD, **change))  # type: ignore[arg-type] # the table holds fields of the class
    assert says in problem


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"storage_capacity_gib": 1200}, "grows by itself"),
        ({"throughput_capacity": None}, "multiples of 4000"),
        ({"throughput_capacity": 6000}, "multiples of 4000"),
        ({"throughput_capacity": 2_004_000}, "multiples of 4000"),
        ({"read_cache_mode": None}, "read cache mode None does not exist"),
        ({"read_cache_gib": 64}, "decides it"),
        ({"read_cache_mode": "USER_PROVISIONED"}, "64 to 262144 GiB"),
        ({"read_cache_mode": "USER_PROVISIONED", "read_cache_gib": 63}, "64 to 262144 GiB"),
        ({"metadata_mode": None, "metadata_iops": None}, "metadata mode is missing"),
        ({"metadata_mode": "AUTOMATIC", "metadata_iops": None}, "AUTOMATIC is for SSD only"),
        ({"metadata_iops": 1500}, "allowed are 6000, 12000"),
        ({"per_unit_storage_throughput": 250}, "has none: leave it out"),
    ],
)
def test_what_intelligent_tiering_does_not_take_is_refused(change: dict[str, object], says: str) -> None:
    (problem,) = problems(replace(TIERING, **change))  # type: ignore[arg-type] # the table holds fields of the class
    assert says in problem


def test_good_shapes_have_no_problems() -> None:
    own_cache = replace(TIERING, read_cache_mode="USER_PROVISIONED", read_cache_gib=64)
    assert [problems(good) for good in (GOOD, TIERING, own_cache)] == [[], [], []]


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("SCRATCH_2", {"efa_enabled": True}, "SCRATCH_2 has none: use PERSISTENT_2"),
        ("SCRATCH_2", {"metadata_mode": "AUTOMATIC"}, "only PERSISTENT_2 has a metadata configuration"),
        ("SCRATCH_2", {"backup_retention_days": 1}, "SCRATCH_2 has none"),
        ("SCRATCH_1", {"linked_to_s3": True}, "SCRATCH_1 has none"),
    ],
)
def test_what_scratch_does_not_have_is_refused(kind: str, change: dict[str, object], says: str) -> None:
    (problem,) = problems(replace(shape(kind, "SSD", 1200, None), **change))  # type: ignore[arg-type] # as above
    assert says in problem


@pytest.mark.parametrize(
    ("given_shape", "expected"),
    [
        (GOOD, 4800 / 1024 * 250),
        (TIERING, 8000.0),
        (shape("SCRATCH_2", "SSD", 2400, None), 2400 / 1024 * 200),
    ],
)
def test_throughput_grows_with_capacity_or_is_bought(given_shape: LustreShape, expected: float) -> None:
    assert throughput_mb_per_second(given_shape) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        ({"a": "data"}, "must start with a slash"),
        ({"a": "/data/"}, "not end with one"),
        ({"a": "/", "b": "/data"}, "overlap"),
        ({"a": "/data", "b": "/data/raw"}, "overlap"),
        ({"a": "/data", "b": "/data"}, "overlap"),
    ],
)
def test_paths_of_data_repositories_that_fsx_refuses(paths: dict[str, str], says: str) -> None:
    (problem,) = repository_path_problems(paths)
    assert says in problem


def test_neighbouring_paths_and_a_single_root_are_accepted() -> None:
    assert repository_path_problems({"a": "/data", "b": "/data2"}) == []
    assert repository_path_problems({"a": "/"}) == []
