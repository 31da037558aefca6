"""Four stacks of 1,000 resources at once on the simulator: in one account, and in four; against one stack alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.cloud.store import SqliteStore
from tests.benchmarks.measure import report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(580)]

RESOURCES = 1000
STACKS = 4
WORKER = """
import sys, time
from local.cloud.aws.package import PACKAGE
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore

store, name, many = SqliteStore(sys.argv[1]), sys.argv[2], int(sys.argv[3])
simulator = Simulator(PACKAGE, store)
simulator.configure({"region": "us-east-1", "allowedAccountIds": ["000000000000"]})
VPC, GROUP = "aws:ec2/vpc:Vpc", "aws:ec2/securityGroup:SecurityGroup"

def create(token, label, inputs):
    checked = simulator.check(token, label, inputs)
    assert not checked.failures, checked.failures
    return simulator.create(token, label, checked.inputs)

network = create(VPC, name, {"cidrBlock": "10.0.0.0/16"}).id
print("ready", flush=True)
sys.stdin.readline()
began, worked = time.perf_counter(), time.process_time()
for number in range(many - 1):
    create(GROUP, f"{name}-{number}", {"vpcId": network, "description": "x", "tags": {"n": str(number)}})
print(time.perf_counter() - began, time.process_time() - worked)
"""


def measured(accounts: list[Path]) -> tuple[float, float]:
    """(seconds, seconds of processor time) until the slowest of one stack per account is through."""
    for path in set(accounts):
        store = SqliteStore(path)
        store.set_setting("quota:ec2:security-groups", RESOURCES * STACKS + STACKS)
        store.close()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), f"stack-{number}", str(RESOURCES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, path in enumerate(accounts)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [worker.communicate()[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return time.perf_counter() - began, sum(float(processor) for _, processor in told)


def test_four_stacks_share_an_account_or_have_their_own(tmp_path: Path) -> None:
    alone, alone_cpu = measured([tmp_path / "alone.db"])
    shared, shared_cpu = measured([tmp_path / "shared.db"] * STACKS)
    apart, apart_cpu = measured([tmp_path / f"own-{number}.db" for number in range(STACKS)])
    load = os.getloadavg()[0]
    report(
        f"simulator: {RESOURCES:,} resources per stack, {STACKS} stacks at once",
        {
            "one stack alone": f"{alone:.1f} s, {alone_cpu:.1f} s of processor time",
            "four in one account": f"{shared:.1f} s, {shared_cpu:.1f} s of processor time",
            "four in four accounts": f"{apart:.1f} s, {apart_cpu:.1f} s of processor time",
            "load of the machine": f"{load:.1f}",
        },
        ratio=f"processor time per stack: {shared_cpu / STACKS / alone_cpu:.2f} x alone in one account, "
        f"{apart_cpu / STACKS / alone_cpu:.2f} x in four; time: {shared / apart:.2f} x for sharing",
        target="no writer fails",
    )
