"""Teams, training runs and model services, drawn at random so that they fit the pools and storage of their stack."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from components import accelerators
from components.kubernetes.kserve_runtimes import SERVING_RUNTIMES

Draw = Any
Document = dict[str, Any]

ACCOUNT = "000000000000"
DEPLOYER = f"arn:aws:iam::{ACCOUNT}:role/slipway-deployer"
WORDS = ("alpha", "beta", "gamma", "delta", "eta", "theta")
BLOCK_HOURS = 24 * 14


def word() -> st.SearchStrategy[str]:
    """A short name."""
    return st.sampled_from(WORDS)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A section, or none."""
    return st.one_of(st.none(), strategy)


def model_accesses(*, lake: bool) -> st.SearchStrategy[list[Document]]:
    """Where model services may read: a bucket of one's own, and the data lake."""
    own = st.fixed_dictionaries(
        {"bucket": st.just(MODELS), "prefix": st.just("assistant/"), "keyArn": maybe(st.just(MODELS_KEY))}
    )
    grants = st.one_of(own, st.just({"prefix": "models/"})) if lake else own
    return st.lists(grants, max_size=2)


@st.composite
def team_list(draw: Draw, storage: Sequence[Document], *, lake: bool, most: int) -> list[Document]:
    """Namespaces with room for whatever is drawn for them."""
    claims = st.lists(st.sampled_from([item["name"] for item in storage]), unique=True) if storage else st.just([])
    return [
        {
            "name": name,
            "gpus": draw(st.integers(100, 8192)),
            "cpus": draw(st.integers(4000, 9000)),
            "memoryGib": draw(st.integers(40_000, 90_000)),
            "storage": draw(maybe(claims)),
            "modelAccess": draw(maybe(model_accesses(lake=lake))),
        }
        for name in draw(st.lists(word(), max_size=most, unique=True))
    ]


@st.composite
def runs(
    draw: Draw, pools: Sequence[Document], teams: Sequence[Document], storage: Sequence[Document], *, most: int
) -> list[Document]:
    """Training runs that fit their pools."""
    found = []
    able = [pool for pool in pools if accelerators.instance(pool["instanceType"]).devices]
    for number in range(draw(st.integers(0, most))):
        # Most runs are on accelerators, on as many nodes as there are, with a file system where there is one.
        pool, team = draw(st.sampled_from([*able, *able, *pools])), draw(st.sampled_from(teams))
        devices = accelerators.instance(pool["instanceType"]).devices
        here = [
            item["name"]
            for item in storage
            if item["name"] in (team.get("storage") or ()) and [item["zone"]] == pool.get("zones")
        ]
        run = {
            "name": f"run-{number}",
            "team": team["name"],
            "pool": pool["name"],
            "nodes": draw(st.sampled_from([pool["nodes"], draw(st.integers(1, pool["nodes"]))])),
            "gpusPerNode": draw(maybe(st.integers(1, devices))) if devices and pool.get("fabric") != "efa" else None,
            "image": draw(st.sampled_from(["slipway/trainer:0.1.0", f"t@sha256:{'0a' * 32}"])),
            "script": "workloads/trainer/main.py",
            "args": draw(maybe(st.lists(st.sampled_from(["--steps=1", "--quick"]), max_size=2))),
            "environment": draw(maybe(st.dictionaries(st.sampled_from(["A", "NCCL_DEBUG"]), word(), max_size=2))),
            "storage": draw(st.sampled_from([*here, *here, None])),
            "mountPath": draw(st.sampled_from([None, "/shared", "/mnt/data"])),
            "maxHours": draw(maybe(st.integers(1, BLOCK_HOURS))),
            "maxRestarts": draw(maybe(st.integers(0, 100))),
            "queue": draw(maybe(word())),
            "priority": draw(maybe(word())),
            "topology": draw(maybe(st.just({"level": "kubernetes.io/hostname", "required": True}))),
        }
        found.append(run | draw(shapes(run, pool)))
    return found


@st.composite
def shapes(draw: Draw, run: Document, pool: Document) -> Document:
    """Controller, processes, parallelism and elasticity that fit a run's size."""
    kind = accelerators.instance(pool["instanceType"])
    fixed = run["gpusPerNode"] or kind.devices
    processes = fixed or draw(st.integers(1, min(4, kind.vcpus)))
    runner = draw(st.sampled_from(["job", "trainer"]))
    mpi = runner == "trainer" and run["nodes"] > 1 and draw(st.booleans())
    elastic = run["nodes"] > 1 and run["storage"] is not None and not mpi and draw(st.sampled_from([True, True, False]))
    tensor = draw(st.sampled_from([n for n in (1, 2, 4, 8) if processes % n == 0]))
    open_one = draw(st.sampled_from(["shards", "replicas"]))
    degrees = {"replicas": 1, "shards": 1, open_one: -1, "tensor": tensor, "pipeline": 1}
    return {
        "runner": runner,
        "launcher": "mpirun" if mpi else draw(st.sampled_from([None, "torchrun"])),
        "processesPerNode": draw(maybe(st.just(fixed))) if fixed else processes,
        "minNodes": draw(st.integers(1, run["nodes"] - 1)) if elastic else None,
        "parallelism": draw(maybe(st.just({**degrees, "schedule": draw(st.sampled_from(["1F1B", "GPipe"]))}))),
    }


MODELS = "example-models"
MODELS_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0a1b2c3d-0000-4000-8000-000000000000"
_ANYBODYS = (
    "gs://bucket/m-7",
    f"hf://owner/model:{'ab' * 20}",
    "https://models.example.com/chat/m-7",
)


def _models(grants: Sequence[Document]) -> list[str]:
    """Addresses that the service's role, or nobody's, may read."""
    granted = [f"s3://{MODELS}/assistant/v3" if "bucket" in grant else "lake://models/chat/v3" for grant in grants]
    return [*granted, *granted, *_ANYBODYS]


@st.composite
def services(draw: Draw, document: Mapping[str, Any], *, most: int) -> list[Document]:
    """Model services on pools that no run uses, each pool for one of them."""
    busy = {run["pool"] for run in document["training"]}
    free = [
        pool
        for pool in document["pools"]
        if pool["name"] not in busy and accelerators.instance(pool["instanceType"]).devices
    ]
    found = []
    for number, pool in enumerate(free[: draw(st.sampled_from([0, most, most]))]):
        gpus = draw(st.integers(1, accelerators.instance(pool["instanceType"]).devices))
        largest = pool["nodes"] * (accelerators.instance(pool["instanceType"]).devices // gpus)
        highest = draw(st.integers(1, largest))
        team = draw(st.sampled_from(document["teams"]))
        grants = draw(maybe(model_accesses(lake=document["dataLake"] is not None)))
        service = {
            "name": f"model-{number}",
            "team": team["name"],
            "modelAccess": grants,
            "pool": pool["name"],
            "model": {
                "uri": draw(st.sampled_from(_models(grants or team["modelAccess"] or ()))),
                "sizeGib": draw(st.integers(1, 200)),
            },
            "server": draw(servers()),
            "gpusPerReplica": gpus,
            "minReplicas": draw(st.integers(1, highest)),
            "maxReplicas": highest,
            "environment": draw(maybe(st.dictionaries(st.sampled_from(["LOG", "A_B"]), word(), max_size=2))),
            "startupMinutes": draw(maybe(st.just(24 * 60))),
        }
        found.append(service)
    return found


@st.composite
def servers(draw: Draw) -> Document:
    """An image of one's own, or a runtime of the platform."""
    args = draw(st.lists(st.just("--quick"), max_size=1))
    if draw(st.booleans()):
        return {"kind": "container", "image": "slipway/server:0.1.0", "args": args}
    runtime = draw(st.sampled_from(sorted(SERVING_RUNTIMES)))
    form = draw(st.sampled_from(SERVING_RUNTIMES[runtime].formats))
    return {"kind": "runtime", "runtime": runtime, "modelFormat": form, "args": args}
