"""Mistakes about capacity, scaling, backups and pins: each gets exactly the problem named here."""

import pytest

from tests.support.edits import Document, problems

BLOCK = {"kind": "capacityBlock", "id": "cr-0123456789abcdef0", "confirm": True}
PERIOD = {"starts": "2027-01-11T11:30:00Z", "ends": "2027-01-12T11:30:00Z"}
SCHEDULE = {"owner": "schedule"}
LONG_LABEL = f"{'d' * 31}.example/{'n' * 30}"

POOL: list[tuple[str, Document, str, str]] = [
    ("a block that updates scale", {"capacity": BLOCK}, "scaling.owner", "capacity-block-owner"),
    (
        "a block that an autoscaler scales",
        {"capacity": BLOCK, "scaling": {"owner": "autoscaler"}},
        "scaling.owner",
        "capacity-block-owner",
    ),
    (
        "a block without an end",
        {"capacity": {**BLOCK, "starts": PERIOD["starts"]}, "scaling": SCHEDULE},
        "capacity.ends",
        "capacity-block-period",
    ),
    (
        "a block without a start",
        {"capacity": {**BLOCK, "ends": PERIOD["ends"]}, "scaling": SCHEDULE},
        "capacity.starts",
        "capacity-block-period",
    ),
    (
        "a block that ends before it starts",
        {"capacity": {**BLOCK, "starts": PERIOD["ends"], "ends": PERIOD["starts"]}, "scaling": SCHEDULE},
        "capacity.ends",
        "capacity-block-period",
    ),
    (
        "a block of a year",
        {"capacity": {**BLOCK, "starts": "2027-01-11T11:30:00Z", "ends": "2028-01-11T11:30:00Z"}, "scaling": SCHEDULE},
        "capacity.ends",
        "capacity-block-period",
    ),
    (
        "a day that does not exist",
        {"capacity": {**BLOCK, **PERIOD, "ends": "2027-02-30T11:30:00Z"}, "scaling": SCHEDULE},
        "capacity.ends",
        "time-utc",
    ),
    (
        "a time without its zone",
        {"capacity": {**BLOCK, **PERIOD, "ends": "2027-01-12T11:30:00"}, "scaling": SCHEDULE},
        "capacity.ends",
        "time-utc",
    ),
    (
        "a block twice",
        {"capacity": {**BLOCK, **PERIOD}, "scaling": SCHEDULE, "replacement": "createFirst"},
        "replacement",
        "reservation-replacement",
    ),
    ("an image of another version", {"amiRelease": "1.35.1-20261105"}, "amiRelease", "ami-release-version"),
    ("no release of an image", {"amiRelease": "latest"}, "amiRelease", "ami-release"),
    ("a least for nobody", {"scaling": {"minNodes": 1}}, "scaling.minNodes", "scaling-bounds"),
    (
        "a least above the most",
        {"scaling": {"owner": "autoscaler", "minNodes": 5}},
        "scaling.minNodes",
        "scaling-bounds",
    ),
    ("a dedicated pool in words", {"dedicated": "yes"}, "dedicated", "flag-expected"),
    ("a label of Kubernetes", {"labels": {"kubernetes.io/x": "y"}}, "labels.kubernetes.io/x", "node-label"),
    ("a label of the kit", {"labels": {"slipway.dev/pool": "y"}}, "labels.slipway.dev/pool", "node-label"),
    ("a label that EKS finds too long", {"labels": {LONG_LABEL: "y"}}, f"labels.{LONG_LABEL}", "node-label"),
    ("an empty label", {"labels": {"team": ""}}, "labels.team", "node-label"),
    ("a flag as a label", {"labels": {"team": True}}, "labels.team", "text-expected"),
    ("an unknown owner", {"scaling": {"owner": "me"}}, "scaling.owner", "choice-unknown"),
    (
        "a reservation over two zones",
        {
            "instanceType": "g6e.48xlarge",
            "fabric": "none",
            "zones": ["us-east-1a", "us-east-1b"],
            "capacity": {"kind": "reservation", "id": "cr-0123456789abcdef0"},
        },
        "zones",
        "capacity-one-zone",
    ),
]


@pytest.mark.parametrize(("changes", "path", "rule"), [case[1:] for case in POOL], ids=[case[0] for case in POOL])
def test_a_pool_that_cannot_be(document: Document, changes: Document, path: str, rule: str) -> None:
    document["training"] = []
    document["pools"][1].update(changes)
    assert problems(document) == [(f"slipway:pools[1].{path}", rule)]


def test_a_run_that_outlasts_its_block(document: Document) -> None:
    document["pools"][1].update(capacity={**BLOCK, **PERIOD}, scaling=SCHEDULE)
    document["training"][0]["maxHours"] = 25
    assert problems(document) == [("slipway:training[0].maxHours", "training-in-block")]


def test_a_system_pool_that_begins_empty_takes_no_add_ons(document: Document) -> None:
    document["pools"][0]["scaling"] = {"owner": "autoscaler"}
    document["pools"] = document["pools"][:2]
    document["training"] = []
    document["inference"] = []
    assert problems(document) == [("slipway:pools", "system-pool-needed")]


def test_a_dedicated_pool_takes_no_add_ons(document: Document) -> None:
    document["pools"][0]["dedicated"] = True
    assert problems(document) == [("slipway:pools", "system-pool-needed")]


STORAGE: list[tuple[str, Document, list[tuple[str, str]]]] = [
    ("backups of a linked file system", {"backupDays": 7}, [("backupDays", "lustre-backups")]),
    ("backups for 91 days", {"backupDays": 91, "dataRepositories": []}, [("backupDays", "lustre-backups")]),
    ("a last backup of a linked file system", {"finalBackup": True}, [("finalBackup", "lustre-backups")]),
    (
        "a last backup of scratch",
        {
            "deploymentType": "SCRATCH_2",
            "throughputMbPerTib": None,
            "finalBackup": True,
            "dataRepositories": [],
        },
        [("finalBackup", "lustre-backups")],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [case[1:] for case in STORAGE], ids=[case[0] for case in STORAGE])
def test_backups_that_fsx_does_not_make(document: Document, changes: Document, expected: list[tuple[str, str]]) -> None:
    document["storage"][0].update(changes)
    assert problems(document) == [(f"slipway:storage[0].{path}", rule) for path, rule in expected]


def test_an_add_on_that_the_kit_does_not_install(document: Document) -> None:
    document["cluster"]["addonVersions"] = {"vpc-cmi": "v1.18.5-eksbuild.1"}
    assert problems(document) == [("slipway:cluster.addonVersions.vpc-cmi", "addon-name")]


def test_an_add_on_version_without_its_build(document: Document) -> None:
    document["cluster"]["addonVersions"] = {"vpc-cni": "1.18.5"}
    assert problems(document) == [("slipway:cluster.addonVersions.vpc-cni", "addon-version")]
