"""Every process is killed in the middle of every step of up, update and destroy; each time the stack is put right.

After each kill: nothing that served the dead process lives 10 s later, `recover` leaves no lock, no pending operation
and no difference between state and account, and the next run goes on. At the end of a phase a second run has nothing
to do, and what was not to be replaced is still the same object.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeAlias

import pytest

from tests.support.killing import Cell, Phase, Victim, killed_everywhere, killed_with_a_cluster

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(900)]

Row: TypeAlias = tuple[Victim, str]
FIRST = Phase(
    "up", 1, "up",
    ("CreateVpc", "CreateRole", "CreateBucket", "CreateLogGroup", "AttachRolePolicy", "CreateSubnet",
     "CreateSecurityGroup"),
)  # fmt: skip
SECOND = Phase(
    "update", 2, "up",
    ("UpdateAssumeRolePolicy", "PutRetentionPolicy", "CreateSecurityGroup", "PutPublicAccessBlock",
     "DeleteSecurityGroup", "DetachRolePolicy"),
    replaced=("group",),
    before=FIRST,
)  # fmt: skip
LAST = Phase(
    "destroy", 2, "destroy",
    ("DeletePublicAccessBlock", "DeleteLogGroup", "DeleteSecurityGroup", "DeleteSubnet", "DeleteBucket", "DeleteRole",
     "DeleteVpc"),
    before=SECOND,
)  # fmt: skip
CLUSTER = (
    Phase("up", 1, "up", ("CreateCluster", "CreateNodegroup", "CreateAddon")),
    Phase("update", 2, "up", ("UpdateNodegroupConfig",)),
    Phase("destroy", 2, "destroy", ("DeleteNodegroup", "DeleteAddon", "DeleteCluster")),
)
ROWS: tuple[Row, ...] = (
    (Victim.ENGINE, "after"),
    (Victim.ENGINE, "before"),
    (Victim.PLUGIN, "after"),
    (Victim.PLUGIN, "before"),
    (Victim.PROGRAM, "after"),
    (Victim.SUPERVISOR, "after"),
)
"""Who dies, and on which side of the held call. The program and the supervisor make no call: one side is enough."""


class Matrix:
    """All rows at once, each with a stack of its own, as many side by side as there are cores."""

    def __init__(self, pool: ProcessPoolExecutor, factory: pytest.TempPathFactory) -> None:
        self.cluster = pool.submit(killed_with_a_cluster, *CLUSTER, factory.mktemp("cluster"))
        self.rows: Mapping[Row, Future[list[Cell]]] = {
            (victim, side): pool.submit(
                killed_everywhere, (FIRST, SECOND, LAST), victim, side, factory.mktemp(f"{victim.name}-{side}".lower())
            )
            for victim, side in ROWS
        }


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    workers = min(len(ROWS) + 1, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        yield Matrix(pool, tmp_path_factory)
        pool.shutdown(cancel_futures=True)


def problems(cells: list[Cell]) -> list[str]:
    return [f"{cell.phase} {cell.call} ({cell.side}): {problem}" for cell in cells for problem in cell.problems]


def test_a_supervisor_killed_while_a_call_waits_for_it_loses_no_node(matrix: Matrix) -> None:
    cells = matrix.cluster.result()
    assert problems(cells) == []
    met = {call for phase in CLUSTER for call in phase.calls}
    assert {cell.call for cell in cells if cell.killed} == met, "each step that waits was met"


@pytest.mark.parametrize(("victim", "side"), ROWS, ids=[f"{victim.name.lower()}-{side}" for victim, side in ROWS])
def test_a_process_killed_in_any_step_costs_no_more_than_a_recovery(matrix: Matrix, victim: Victim, side: str) -> None:
    cells = matrix.rows[victim, side].result()
    assert problems(cells) == []
    calls = [f"{phase.name} {call}" for phase in (FIRST, SECOND, LAST) for call in phase.calls]
    if victim is Victim.PROGRAM:
        # It has ended when the engine begins to delete, and a destruction does not run it.
        calls = [call for call in calls if " De" not in call]
    assert sorted(f"{cell.phase} {cell.call}" for cell in cells if cell.killed) == sorted(calls), "every step once"
