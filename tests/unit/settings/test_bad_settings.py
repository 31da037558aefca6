"""Hand-picked mistakes: each gets exactly the problems named here, and nothing else."""

import pytest

from tests.support.edits import Change, Document, append, both, drop, put, refused

Expected = list[tuple[str, str]]

SPOT_SYSTEM = {"name": "system", "instanceType": "m7i.2xlarge", "nodes": 2, "capacity": {"kind": "spot"}}
RESERVATION = {"kind": "reservation", "id": "cr-0123456789abcdef0"}
TUNNEL = {"kind": "tunnel", "admins": ["arn:aws:iam::000000000000:role/slipway-deployer"]}

BAD: list[tuple[str, Change, Expected]] = [
    # whose it is
    ("no owner", drop("owner"), [("slipway:owner", "setting-missing")]),
    ("capitals in the environment", put("environment", "Local"), [("slipway:environment", "name-dns1123")]),
    ("an environment of 21 characters", put("environment", "a" * 21), [("slipway:environment", "name-dns1123")]),
    ("an unknown key", put("onwer", "x"), [("slipway:onwer", "unknown-key")]),
    ("a lifetime in weeks", put("ttl", "2w"), [("slipway:ttl", "ttl-format")]),
    ("neither lifetime nor protection", drop("ttl"), [("slipway:ttl", "ttl-or-protect")]),
    ("lifetime and protection", put("protect", "true"), [("slipway:ttl", "ttl-or-protect")]),
    ("a flag in words", put("protect", "maybe"), [("slipway:protect", "flag-expected")]),
    (
        "production without protection",
        both(put("environment", "prod"), drop("ttl")),
        [("slipway:protect", "production-protected")],
    ),
    ("a tag of AWS", put("tags", {"aws:x": "1"}), [("slipway:tags.aws:x", "tag-reserved")]),
    ("a tag of the kit", put("tags", {"owner": "me"}), [("slipway:tags.owner", "tag-reserved")]),
    ("a tag that is a number", put("tags", {"room": 7}), [("slipway:tags.room", "text-expected")]),
    ("tags as a list", put("tags", ["a"]), [("slipway:tags", "mapping-expected")]),
    # where it is
    ("an unquoted account", put("place.accountId", 0), [("slipway:place.accountId", "text-expected")]),
    ("a short account", put("place.accountId", "1234"), [("slipway:place.accountId", "aws-account-id")]),
    ("a misspelt region", put("place.region", "us-eest-1"), [("slipway:place.region", "aws-region")]),
    (
        "a region without its zones",
        put("place.region", "us-west-2"),
        [(f"slipway:place.network.zones[{number}]", "zone-in-region") for number in range(3)],
    ),
    ("an unknown cloud", put("place.cloud", "ibm"), [("slipway:place.cloud", "choice-unknown")]),
    ("a cloud to come", put("place", {"cloud": "gcp", "project": "x"}), [("slipway:place.cloud", "place-not-built")]),
    ("no cloud", drop("place.cloud"), [("slipway:place.cloud", "choice-unknown")]),
    (
        "another account's deployer",
        both(
            put("place.deployerRoleArn", "arn:aws:iam::111111111111:role/d"),
            put("access.admins", ["arn:aws:iam::111111111111:role/d"]),
        ),
        [("slipway:place.deployerRoleArn", "deployer-role-account")],
    ),
    ("a public network", put("place.network.cidr", "8.8.0.0/16"), [("slipway:place.network.cidr", "vpc-cidr-private")]),
    ("a huge network", put("place.network.cidr", "10.0.0.0/8"), [("slipway:place.network.cidr", "vpc-cidr-size")]),
    (
        "host bits in the network",
        put("place.network.cidr", "10.64.0.1/16"),
        [("slipway:place.network.cidr", "cidr-format")],
    ),
    ("one zone", put("place.network.zones", ["us-east-1a"]), [("slipway:place.network.zones", "too-few")]),
    ("a zone twice", put("place.network.zones.2", "us-east-1b"), [("slipway:place.network.zones[2]", "zone-unique")]),
    ("a zone's id", put("place.network.zones.1", "use1-az4"), [("slipway:place.network.zones[1]", "aws-zone")]),
    (
        "a retention of eight days",
        put("place.network.flowLogRetentionDays", 8),
        [("slipway:place.network.flowLogRetentionDays", "log-retention")],
    ),
    ("a flag as text", put("place.network.natPerZone", "no"), [("slipway:place.network.natPerZone", "flag-expected")]),
    # how it is reached
    ("open to everybody", put("access.cidrs", ["0.0.0.0/0"]), [("slipway:access.cidrs[0]", "public-access-open")]),
    (
        "open to half the world",
        put("access.cidrs", ["128.0.0.0/1"]),
        [("slipway:access.cidrs[0]", "public-access-open")],
    ),
    ("open to nobody", put("access.cidrs", []), [("slipway:access.cidrs", "public-access-empty")]),
    (
        "a private endpoint without a way",
        put("access", TUNNEL),
        [("slipway:access.proxyUrl", "private-endpoint-needs-path")],
    ),
    (
        "a proxy without a scheme",
        put("access", {**TUNNEL, "proxyUrl": "localhost"}),
        [("slipway:access.proxyUrl", "url-format")],
    ),
    ("addresses of a runner", put("access.kind", "runner"), [("slipway:access.cidrs", "unknown-key")]),
    (
        "a session as admin",
        append("access.admins", "arn:aws:sts::000000000000:assumed-role/a/b"),
        [("slipway:access.admins[1]", "aws-principal-arn")],
    ),
    (
        "a deployer without rights",
        put("access.admins", ["arn:aws:iam::000000000000:role/people"]),
        [("slipway:access.admins", "deployer-is-admin")],
    ),
    # state, charts, registry
    (
        "a simulation in a shared backend",
        put("stateBackend.url", "s3://state"),
        [("slipway:stateBackend.url", "simulated-account-state")],
    ),
    ("an unknown backend", put("stateBackend.url", "ftp://x"), [("slipway:stateBackend.url", "state-backend-url")]),
    ("charts from a folder", put("charts.mirror", "./charts"), [("slipway:charts.mirror", "charts-mirror")]),
    (
        "a password in plain text",
        put("registry", {"prefix": "r/x", "credentials": {"username": "u", "password": "hunter2"}}),
        [("slipway:registry.credentials.password", "secret-in-plain-text")],
    ),
    (
        "credentials for no registry",
        put("registry", {"credentials": {"username": "u", "password": {"secure": "v1:x"}}}),
        [("slipway:registry.prefix", "registry-prefix")],
    ),
    ("a budget of nothing", put("budget.monthlyUsd", 0), [("slipway:budget.monthlyUsd", "out-of-range")]),
    ("a budget in words", put("budget.monthlyUsd", "much"), [("slipway:budget.monthlyUsd", "value-refused")]),
    ("a negative guess", put("usage", {"natGb": -1}), [("slipway:usage.natGb", "out-of-range")]),
    (
        "usage of a run that is not there",
        put("usage", {"runs": [{"name": "pretrain-dmo"}]}),
        [("slipway:usage.runs[0].name", "usage-of-nothing")],
    ),
    (
        "a fee of no block",
        put("usage", {"capacityBlockFees": {"cr-0a1b2c3d4e5f6a7bb": 100}}),
        [("slipway:usage.capacityBlockFees.cr-0a1b2c3d4e5f6a7bb", "usage-of-no-block")],
    ),
    ("nobody to tell", put("budget.notify", {"emails": []}), [("slipway:budget.notify.emails", "too-few")]),
    # cluster and pools
    ("an old Kubernetes", put("cluster.version", "1.29"), [("slipway:cluster.version", "kubernetes-version")]),
    ("a version as a number", put("cluster.version", 1.36), [("slipway:cluster.version", "text-expected")]),
    ("no pools", both(put("pools", []), put("training", [])), [("slipway:pools", "too-few")]),
    (
        "a misspelt type",
        put("pools.1.instanceType", "p5.48xlarg"),
        [("slipway:pools[1].instanceType", "instance-type-known")],
    ),
    ("a pool of no nodes", put("pools.1.nodes", 0), [("slipway:pools[1].nodes", "out-of-range")]),
    ("nodes as text", put("pools.1.nodes", "4"), [("slipway:pools[1].nodes", "number-expected")]),
    (
        "pools of one name",
        append("pools", {"name": "system", "instanceType": "m7i.2xlarge", "nodes": 1}),
        [("slipway:pools[3].name", "name-unique")],
    ),
    (
        "EFA over two zones",
        put("pools.1.zones", ["us-east-1a", "us-east-1b"]),
        [("slipway:pools[1].zones", "efa-one-zone"), ("slipway:storage[0].zone", "storage-zone")],
    ),
    (
        "EFA on a small type",
        put("pools.0.fabric", "efa"),
        [("slipway:pools[0].zones", "efa-one-zone"), ("slipway:pools[0].fabric", "efa-instance-type")],
    ),
    (
        "a pool outside the network",
        both(put("pools.0.zones", ["us-east-1f"])),
        [("slipway:pools[0].zones[0]", "pool-zone-in-network")],
    ),
    (
        "a placement group over three zones",
        both(put("pools.1.fabric", "none"), put("pools.1.zones", []), put("pools.1.placementGroup", True)),
        [("slipway:pools[1].zones", "capacity-one-zone"), ("slipway:storage[0].zone", "storage-zone")],
    ),
    (
        "a reservation in a placement group",
        both(put("pools.1.capacity", RESERVATION), put("pools.1.placementGroup", True)),
        [("slipway:pools[1].placementGroup", "reservation-with-placement-group")],
    ),
    (
        "a capacity block that nobody confirmed",
        both(
            put("pools.1.capacity", {**RESERVATION, "kind": "capacityBlock"}),
            put("pools.1.scaling", {"owner": "schedule"}),
        ),
        [("slipway:pools[1].capacity.confirm", "capacity-block-confirm")],
    ),
    (
        "a reservation without an id",
        put("pools.1.capacity", {"kind": "reservation"}),
        [("slipway:pools[1].capacity.id", "setting-missing")],
    ),
    ("nowhere for add-ons", put("pools.0", SPOT_SYSTEM), [("slipway:pools", "system-pool-needed")]),
    (
        "a kind of device to come",
        append("pools", {"name": "trn", "instanceType": "trn1.32xlarge", "nodes": 1}),
        [("slipway:pools[3].instanceType", "accelerator-not-built")],
    ),
    (
        "the cluster's own pods without a node meanwhile",
        put("pools.0.replacement", "deleteFirst"),
        [("slipway:pools[0].replacement", "cpu-pool-options")],
    ),
    (
        "a reserved CPU pool",
        append("pools", {"name": "cpu", "instanceType": "m7i.2xlarge", "nodes": 1, "capacity": RESERVATION}),
        [("slipway:pools[3].capacity.kind", "cpu-pool-options")],
    ),
    (
        "a network too small for its nodes",
        both(put("place.network.cidr", "10.64.0.0/18"), put("pools.0.nodes", 450)),
        [("slipway:place.network.cidr", "subnets-large-enough")],
    ),
    (
        "a network too small for its zones",
        put("place.network.cidr", "10.64.0.0/24"),
        [("slipway:place.network.cidr", "subnets-large-enough")],
    ),
    # storage
    (
        "storage between two steps",
        put("storage.0.capacityGib", 5000),
        [("slipway:storage[0].capacityGib", "lustre-sizing")],
    ),
    (
        "a speed that is not sold",
        put("storage.0.throughputMbPerTib", 300),
        [("slipway:storage[0].throughputMbPerTib", "lustre-sizing")],
    ),
    (
        "a speed for scratch",
        put("storage.0.deploymentType", "SCRATCH_2"),
        [("slipway:storage[0].throughputMbPerTib", "lustre-sizing")],
    ),
    (
        "storage in another zone than its readers",
        put("storage.0.zone", "us-east-1b"),
        [("slipway:storage[0].zone", "storage-zone")],
    ),
    (
        "storage outside the network",
        put("storage.0.zone", "us-east-1f"),
        [("slipway:storage[0].zone", "storage-zone-in-network")],
    ),
    ("an unknown kind of storage", put("storage.0.kind", "nfs"), [("slipway:storage[0].kind", "choice-unknown")]),
    (
        "repositories and models of no lake",
        drop("dataLake"),
        [
            ("slipway:storage[0].dataRepositories", "repository-needs-data-lake"),
            ("slipway:teams[1].modelAccess[0]", "model-access-lake"),
            ("slipway:inference[0].model.uri", "inference-model-access"),
        ],
    ),
    (
        "a repository in another",
        append("storage.0.dataRepositories", {"path": "/datasets/raw", "prefix": "raw/"}),
        [("slipway:storage[0].dataRepositories[1].path", "repository-overlap")],
    ),
    (
        "two repositories of one name",
        both(
            append("storage.0.dataRepositories", {"path": "/a/b", "prefix": "one/"}),
            append("storage.0.dataRepositories", {"path": "/a-b", "prefix": "two/"}),
        ),
        [("slipway:storage[0].dataRepositories[2].path", "repository-name")],
    ),
    (
        "a team in the place of a file system",
        both(put("teams.0.name", "slipway-storage-scratch"), put("training.0.team", "slipway-storage-scratch")),
        [("slipway:teams[0].name", "namespace-reserved")],
    ),
    (
        "a relative path",
        put("storage.0.dataRepositories.0.path", "data"),
        [("slipway:storage[0].dataRepositories[0].path", "path-absolute")],
    ),
    (
        "a prefix with its bucket",
        put("storage.0.dataRepositories.0.prefix", "s3://b/x/"),
        [("slipway:storage[0].dataRepositories[0].prefix", "s3-prefix")],
    ),
    # teams and runs
    (
        "a namespace of the cluster",
        put("teams.0.name", "kube-system"),
        [("slipway:teams[0].name", "namespace-reserved")],
    ),
    ("a claim on nothing", append("teams.0.storage", "home"), [("slipway:teams[0].storage[1]", "storage-unknown")]),
    ("a run of no team", put("training.0.team", "reserch"), [("slipway:training[0].team", "team-unknown")]),
    ("a run on no pool", put("training.0.pool", "gpus"), [("slipway:training[0].pool", "pool-unknown")]),
    (
        "a run without GPUs",
        both(put("training.0.pool", "system"), put("training.0.nodes", 1), drop("training.0.storage")),
        [("slipway:training[0].processesPerNode", "training-processes")],
    ),
    (
        "a run larger than its pool",
        both(
            put("training.0.nodes", 5),
            put("teams.0.gpus", 64),
            put("teams.0.cpus", 999),
            put("teams.0.memoryGib", 9999),
        ),
        [("slipway:training[0].nodes", "training-nodes")],
    ),
    (
        "nine GPUs of eight",
        put("training.0.gpusPerNode", 9),
        [("slipway:training[0].gpusPerNode", "training-gpus"), ("slipway:training[0].nodes", "training-quota")],
    ),
    (
        "half nodes on the fabric",
        put("training.0.gpusPerNode", 4),
        [("slipway:training[0].gpusPerNode", "training-gpus")],
    ),
    (
        "a run over its team's limit",
        put("teams.0.gpus", 16),
        # Two remedies: the namespace's limit, and the share of the pool that follows from it.
        [("slipway:training[0].nodes", "queue-run-fits"), ("slipway:training[0].nodes", "training-quota")],
    ),
    ("a run with a foreign volume", put("teams.0.storage", []), [("slipway:training[0].storage", "training-storage")]),
    (
        "an image that moves",
        put("training.0.image", "slipway/trainer:latest"),
        [("slipway:training[0].image", "image-pinned")],
    ),
    (
        "an image without a version",
        put("training.0.image", "slipway/trainer"),
        [("slipway:training[0].image", "image-pinned")],
    ),
    ("a run of 100 days", put("training.0.maxHours", 2400), [("slipway:training[0].maxHours", "out-of-range")]),
    ("a number among arguments", append("training.0.args", 7), [("slipway:training[0].args[2]", "text-expected")]),
    ("a misspelt key of a run", put("training.0.gpuPerNode", 8), [("slipway:training[0].gpuPerNode", "unknown-key")]),
    ("links, which are to come", put("links", ["x"]), [("slipway:links", "not-built-yet")]),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_mistake_gets_exactly_its_own_problems(document: Document, change: Change, expected: Expected) -> None:
    change(document)
    error = refused(document)
    assert [(problem.path, problem.rule) for problem in error.problems] == expected
    for problem in error.problems:
        assert problem.allowed, "every problem says what is allowed"
        assert problem.fix, "every problem says what to do"
        assert "hunter2" not in str(problem), "a secret is never shown"


def test_there_are_more_than_forty_mistakes_with_names_of_their_own() -> None:
    names = [case[0] for case in BAD]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
