"""A run in two pods whose processes, pod, node agent and controllers are killed in mid-step goes on as if nothing was.

The text, the seed and the dropout are the same in every run, so every loss must be, to the last bit. That a resume
without restored generators or data position would be found unequal is shown by tests/workloads/test_checkpoint_resume.
"""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.support.training_faults import FAULTS, RANK, STRIKE, UNNOTICED
from tests.support.training_world import STEPS, TrainingWorld, training_world

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(3000)]

EVERYTHING = set(range(1, STEPS + 1))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingWorld]:
    with training_world("survives", tmp_path_factory.mktemp("training")) as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed(world: TrainingWorld) -> set[tuple[int, str]]:
    """Exact losses of a run that nothing happens to."""
    run = world.submit("undisturbed")
    run.complete()
    losses = run.losses()
    assert {step for step, _ in losses} == EVERYTHING
    assert [item["attempt"] for item in run.events("start")] == [1]
    return losses


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_that_is_killed_in_mid_step_resumes_and_equals_the_undisturbed_one(
    world: TrainingWorld, undisturbed: set[tuple[int, str]], name: str
) -> None:
    run = world.submit(name)
    killed = run.kill_in_mid_step(RANK, STRIKE, lambda: FAULTS[name](world, run))
    run.recovery(killed)
    run.complete()

    first = [item["step"] for item in run.events("step") if item["attempt"] == 1]
    assert STRIKE <= killed.after < STEPS
    assert first[-1] == killed.after, "the step after it had begun and was never finished: the kill landed in mid-step"
    (resume,) = run.events("resume")
    assert resume["checkpoint"].endswith(killed.checkpoint), "the newest complete one before the kill"
    assert (resume["attempt"], resume["step"]) == (2, int(killed.checkpoint.partition("-")[2]))
    assert resume["step"] < killed.after, "something was computed again"
    assert run.losses() == undisturbed, "every loss of both attempts, to the last bit"
    status = run.jobset()["status"]
    assert status["restarts"] == 1, "the gang was started again once, by itself"
    counted = status.get("restartsCountTowardsMax", 0)
    assert counted == (name != "machine"), "what the cluster took away does not count against the run's own restarts"


def test_a_run_does_not_notice_that_its_queue_and_the_api_server_were_killed(
    world: TrainingWorld, undisturbed: set[tuple[int, str]]
) -> None:
    run = world.submit("controllers")
    after = run.hold(RANK, STRIKE)
    pods = {item["metadata"]["uid"] for item in run.pods()}
    before = {name: world.pid(name) for name in UNNOTICED}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    run.release(RANK)
    later = run.hold(RANK, after + 1)
    assert STRIKE <= after < later < STEPS, "they died in mid-run, and it went on"
    world.wait("another API server and Kueue", lambda: all(world.pid(name) not in (0, before[name]) for name in before))
    run.release(RANK)
    run.complete()
    assert {item["metadata"]["uid"] for item in run.pods()} == pods, "the same pods as before"
    assert run.events("resume") == []
    assert [item["attempt"] for item in run.events("start")] == [1], "one attempt: nothing was restarted"
    assert run.losses() == undisturbed
