"""Valid settings files, drawn at random over every option: what a person could write, and the cloud would accept."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from components import accelerators
from components.aws import lustre_rules
from components.outputs import AcceleratorKind
from components.versions import EKS_ADDONS
from local.cloud.aws import facts
from local.cloud.aws.eks_facts import usable_zones
from stacks.aws_facts import KUBERNETES_VERSIONS, LOG_RETENTION_DAYS
from tests.support.valid_governance import budgets, policies, usages
from tests.support.valid_queues import queue_sections
from tests.support.valid_workloads import ACCOUNT, DEPLOYER, Document, Draw, maybe, runs, services, team_list, word

REGIONS = ("us-east-1", "us-west-2", "us-east-2", "eu-central-1", "ap-northeast-1")
BLOCKS = ("10.64.0.0/16", "10.0.0.0/17", "172.20.0.0/16", "192.168.0.0/17", "100.64.0.0/16")
NODES = 3
"""At most, per pool: small enough that every address plan above holds them."""


@st.composite
def valid_stacks(draw: Draw, *, small: bool = False) -> Document:
    """Settings by key, without ``slipway:``, in the simulated account.

    Args:
        draw: hypothesis's own.
        small: at most one accelerated pool and one of everything else, unprotected, in two zones: for the engine.
    """
    # hypothesis always begins with the simplest example, which is no random one.
    assume(draw(st.integers(0, 99)) > 0)
    protect = False if small else draw(st.booleans())
    place = draw(places(zones=2) if small else places())
    pools = draw(node_pools(place, most=1 if small else 2))
    retain = st.just(False) if small else maybe(st.booleans())
    lake = draw(
        maybe(st.fixed_dictionaries({"name": word(), "noncurrentDays": st.integers(1, 3650), "retain": retain}))
    )
    storage = draw(file_systems(place, pools, linked=lake is not None, most=1 if small else 2))
    teams = draw(team_list(storage, lake=lake is not None, most=1 if small else 3))
    document = {
        "environment": draw(st.sampled_from(["try-out", "prod", "production-eu"] if protect else ["try-out", "dev-2"])),
        "owner": draw(st.sampled_from(["platform-team", "Team 7/ML@example.com", "x"])),
        "costCenter": draw(st.sampled_from(["0000", "1 000", "cc:42"])),
        "ttl": None if protect else draw(st.sampled_from(["8h", "14d", "9999h"])),
        "protect": protect,
        "tags": draw(st.dictionaries(st.sampled_from(["purpose", "team:name", "Data Class"]), word(), max_size=3)),
        "place": place,
        "access": draw(accesses()),
        "stateBackend": {"url": "file://.slipway/x/backend", "secretsProvider": "passphrase"},
        "registry": draw(st.one_of(st.none(), registries())),
        "charts": {"mirror": draw(st.sampled_from(["env:SLIPWAY_CHARTS_MIRROR", *([] if small else _MIRRORS)]))},
        "budget": draw(maybe(budgets())),
        "policies": draw(maybe(policies(place))),
        "cluster": draw(clusters()),
        "pools": pools,
        "dataLake": lake,
        "storage": storage,
        "teams": teams,
        "training": draw(runs(pools, teams, storage, most=1 if small else 2)) if teams else [],
        "links": [],
    }
    document["inference"] = draw(services(document, most=1 if small else 2)) if teams else []
    document |= draw(queue_sections(document))
    document["usage"] = draw(maybe(usages(document)))
    for pool in pools:
        pool["amiRelease"] = draw(maybe(st.just(f"{document['cluster']['version']}.1-20261105")))
    result: Document = without_none(document)
    return result


def check_stack(number: int, check: Callable[[Document], None], *, small: bool = False) -> None:
    """Run ``check`` on the stack of that number, always the same.

    One stack for each number, because hypothesis would follow every random example with five small changes of it. A
    failing stack is shown as it is; with ``SHRINK=1`` hypothesis looks for a smaller one, which takes minutes.
    """
    phases = [Phase.generate, *([Phase.shrink] if os.environ.get("SHRINK") else [])]

    @seed(number)
    @settings(max_examples=1, deadline=None, database=None, phases=phases, suppress_health_check=list(HealthCheck))
    @given(valid_stacks(small=small))
    def run(document: Document) -> None:
        check(document)

    run()


def drawn(number: int, *, small: bool = False) -> Document:
    """The stack of that number."""
    found: list[Document] = []
    check_stack(number, found.append, small=small)
    return found[0]


_MIRRORS = ("https://charts.example.com/slipway", "oci://registry.example.com/charts")


def without_none(value: Any) -> Any:
    """``value`` without members that were left out."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list) else value


@st.composite
def places(draw: Draw, *, zones: int = 4) -> Document:
    """An account and a network in a region that the simulation has tables of."""
    region = draw(st.sampled_from(REGIONS))
    there = [zone.name for zone in usable_zones(region)]
    chosen = draw(st.lists(st.sampled_from(there), min_size=2, max_size=min(zones, len(there)), unique=True))
    network = {
        "cidr": draw(st.sampled_from(BLOCKS)),
        "zones": chosen,
        "natPerZone": draw(maybe(st.booleans())),
        "interfaceEndpoints": draw(maybe(st.booleans())),
        "flowLogRetentionDays": draw(maybe(st.sampled_from(LOG_RETENTION_DAYS))),
    }
    return {
        "cloud": "aws",
        "accountId": ACCOUNT,
        "region": region,
        "deployerRoleArn": DEPLOYER,
        "assumeRole": False,
        "network": network,
    }


@st.composite
def accesses(draw: Draw) -> Document:
    """One of the three ways to the API server."""
    others = st.sampled_from([f"arn:aws:iam::{ACCOUNT}:role/path/admin", f"arn:aws:iam::{ACCOUNT}:user/ada"])
    found: Document = {
        "kind": draw(st.sampled_from(["public", "tunnel", "runner"])),
        "admins": [DEPLOYER, *draw(st.lists(others, max_size=2, unique=True))],
    }
    if found["kind"] == "public":
        blocks = st.sampled_from(["203.0.113.0/24", "198.51.100.7", "192.0.2.0/25"])
        found["cidrs"] = ["203.0.113.0/24", *draw(st.lists(blocks, max_size=2))]
    if found["kind"] == "tunnel":
        found["proxyUrl"] = draw(st.sampled_from(["http://localhost:8888", "https://proxy.example.com/path"]))
    return found


@st.composite
def registries(draw: Draw) -> Document:
    """Where images come from, with or without a password."""
    credentials = st.fixed_dictionaries({"username": word(), "password": st.just({"secure": "v1:AAAA:BBBB"})})
    return {"prefix": draw(st.sampled_from(["registry.example.com/ai", "x"])), "credentials": draw(maybe(credentials))}


@st.composite
def clusters(draw: Draw) -> Document:
    """Name, version, logs and pinned add-ons."""
    versions = st.dictionaries(st.sampled_from(sorted(EKS_ADDONS)), st.just("v1.18.5-eksbuild.1"), max_size=2)
    return {
        "name": draw(maybe(word())),
        "version": draw(st.sampled_from(KUBERNETES_VERSIONS)),
        "logRetentionDays": draw(maybe(st.sampled_from(LOG_RETENTION_DAYS))),
        "addonVersions": draw(maybe(versions)),
    }


# --- nodes -----------------------------------------------------------------------------------------------------------
def zones_with(region: str, kind: str, zones: Sequence[str]) -> list[str]:
    """Those of ``zones`` in which EC2 offers the type."""
    ids = facts.offered_zone_ids(region, kind)
    return [zone for zone in zones if facts.zone_id(region, zone) in ids]


@st.composite
def node_pools(draw: Draw, place: Mapping[str, Any], *, most: int) -> list[Document]:
    """A pool for the cluster's own pods, perhaps another plain one, and accelerated ones."""
    zones, region = place["network"]["zones"], place["region"]
    plain = [kind.name for kind in accelerators.catalogue().values() if kind.accelerator_kind is AcceleratorKind.NONE]
    everywhere = [name for name in plain if zones_with(region, name, zones) == zones]
    system = {
        "name": "system",
        "instanceType": draw(st.sampled_from(everywhere)),
        "nodes": draw(st.integers(1, NODES)),
        "zones": draw(maybe(st.lists(st.sampled_from(zones), min_size=1, unique=True))),
        "diskGib": draw(maybe(st.integers(30, 16384))),
        "nodeRepair": draw(maybe(st.booleans())),
        "capacity": draw(maybe(st.just({"kind": "onDemand"}))),
    }
    system["replacement"] = draw(maybe(st.just("createFirst")))
    found = [system]
    if draw(st.booleans()):
        nodes = draw(st.integers(1, NODES))
        owner = draw(st.sampled_from(["settings", "autoscaler", "schedule"]))
        lowest = 0 if owner == "settings" else draw(st.integers(0, nodes))
        extra = {"name": "extra", "instanceType": draw(st.sampled_from(everywhere)), "nodes": nodes, **draw(marks())}
        found.append(extra | {"capacity": {"kind": "spot"}, "scaling": {"owner": owner, "minNodes": lowest}})
    for number in range(draw(st.integers(0, most))):
        pool = draw(accelerated(f"gpu-{number}", region, zones, number))
        found += [pool] if pool else []
    return found


@st.composite
def accelerated(draw: Draw, name: str, region: str, zones: Sequence[str], number: int) -> Document | None:
    """Nodes with GPUs, where EC2 has them; None when no zone of the network has any."""
    offered = {
        kind.name: there
        for kind in accelerators.catalogue().values()
        if kind.accelerator_kind is AcceleratorKind.NVIDIA and (there := zones_with(region, kind.name, zones))
    }
    if not offered:
        return None
    # The large types have the options: half of the draws choose among them.
    large = [kind for kind in offered if accelerators.instance(kind).efa_interfaces > 1]
    kind = draw(st.sampled_from(large if large and draw(st.booleans()) else sorted(offered)))
    nodes = draw(st.integers(1, NODES))
    pool: Document = {"name": name, "instanceType": kind, "nodes": nodes, "diskGib": draw(maybe(st.integers(30, 999)))}
    pool["fabric"] = draw(st.sampled_from(["efa", "none"])) if accelerators.instance(kind).efa_interfaces else None
    blocks = ["capacityBlock"] * 2 if "capacity-block" in _usage(kind) else []
    capacity = draw(st.sampled_from(["onDemand", "spot", "reservation", *blocks]))
    pool["capacity"] = {"kind": capacity}
    if capacity in ("reservation", "capacityBlock"):
        pool["capacity"]["id"] = f"cr-{number:017x}"
        pool["placementGroup"] = draw(st.sampled_from([None, False]))
        pool["replacement"] = draw(maybe(st.just("deleteFirst")))
    else:
        pool["replacement"] = draw(st.sampled_from([None, "deleteFirst", "createFirst"]))
        pool["placementGroup"] = draw(st.sampled_from([None, False, True]))
    if capacity == "capacityBlock":
        period = {"starts": "2027-01-11T11:30:00Z", "ends": "2027-01-25T11:30:00Z"}
        pool["capacity"] |= {"confirm": True, **draw(st.sampled_from([{}, period, period]))}
    owner = "schedule" if blocks and capacity == "capacityBlock" else draw(st.sampled_from(_OWNERS))
    if owner is not None:
        lowest = draw(st.integers(0, nodes)) if owner != "settings" else None
        pool["scaling"] = {"owner": owner, "minNodes": lowest}
    one = pool["fabric"] == "efa" or pool["placementGroup"] or "id" in pool["capacity"]
    pool |= draw(marks())
    pool["zones"] = draw(st.lists(st.sampled_from(offered[kind]), min_size=1, max_size=1 if one else None, unique=True))
    return pool


def marks() -> st.SearchStrategy[Document]:
    """What a pool may write on its nodes."""
    labels = st.dictionaries(st.sampled_from(["team", "example.com/rack"]), word(), max_size=2)
    return st.fixed_dictionaries({"labels": maybe(labels), "dedicated": maybe(st.booleans())})


_OWNERS = (None, "settings", "autoscaler", "schedule")


def _usage(kind: str) -> frozenset[str]:
    found = facts.instance(kind)
    return found.usage_classes if found else frozenset()


# --- storage ---------------------------------------------------------------------------------------------------------
@st.composite
def file_systems(
    draw: Draw, place: Mapping[str, Any], pools: Sequence[Document], *, linked: bool, most: int
) -> list[Document]:
    """File systems of every size and speed, some near a pool, some linked to the data lake."""
    found = []
    near = [pool["zones"][0] for pool in pools if len(pool.get("zones") or ()) == 1]
    for name in ("scratch", "home")[: draw(st.integers(0, most))]:
        kind = draw(st.sampled_from(["PERSISTENT_2", "SCRATCH_2"]))
        speeds = lustre_rules.THROUGHPUTS.get((kind, lustre_rules.SSD), ())
        item: Document = {
            "name": name,
            "kind": "fsx-lustre",
            "zone": draw(st.sampled_from([*near, *place["network"]["zones"]])),
            "capacityGib": draw(st.sampled_from([1200, 2400, 4800, 7200])),
            "deploymentType": kind,
            "throughputMbPerTib": draw(st.sampled_from(speeds)) if speeds else None,
            "compression": draw(st.sampled_from([None, "NONE", "LZ4"])),
        }
        paths = draw(st.lists(word(), max_size=2, unique=True)) if linked else []
        item["dataRepositories"] = [
            {"path": f"/{path}", "prefix": f"{name}/{path}/", "autoExport": draw(maybe(st.booleans()))}
            for path in paths
        ]
        if speeds and not paths:
            item |= {"backupDays": draw(maybe(st.integers(0, 90))), "finalBackup": draw(maybe(st.booleans()))}
        found.append(item)
    return found
