"""Why a run failed, from what its pods left behind."""

from typing import Any

import pytest

from cli.run_ends import cause_in, first_failure

REFUSED = """error: unrecognized arguments: --nonsense=3
`--help` lists the options
E1122 00:22:56.576000 1 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: 78) local_rank: 0
launch: rank 2 ended with 78
"""
TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 3, in <module>
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB
W1122 00:22:56.515000 1 torch/distributed/elastic/multiprocessing/api.py:1028] Sending process 5 closing signal SIGTERM
"""


def pod(name: str, code: int, finished: str, **more: Any) -> dict[str, Any]:
    end = {"exitCode": code, "finishedAt": finished, **more}
    return {"metadata": {"name": name}, "status": {"containerStatuses": [{"state": {"terminated": end}}]}}


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (REFUSED, "error: unrecognized arguments: --nonsense=3"),
        (TRACEBACK, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"),
        ("step 1/60\nKilled\n\n", "Killed"),
        ("launch: rank 2 ended with -9\n", ""),
        ("", ""),
    ],
)
def test_the_line_that_names_the_cause_is_found_among_those_of_the_launcher(message: str, cause: str) -> None:
    assert cause_in(message) == cause


def test_the_first_to_fail_tells_and_those_that_lost_it_do_not() -> None:
    pods = [
        pod("run-1", 1, "2026-11-22T00:00:02Z", message="RuntimeError: Connection reset by peer"),
        pod("run-0", 137, "2026-11-22T00:00:01Z", reason="OOMKilled"),
        pod("run-2", 0, "2026-11-22T00:00:00Z"),
    ]
    assert first_failure(pods) == "run-0 ended with exit code 137 (OOMKilled)"


def test_a_code_that_ends_the_run_tells_whenever_it_came() -> None:
    pods = [
        pod("run-1", 1, "2026-11-22T00:00:01Z", message="RuntimeError: Connection reset by peer"),
        pod("run-0", 65, "2026-11-22T00:00:02Z", reason="Error", message="error: rank 0: the loss is nan at step 3"),
    ]
    assert first_failure(pods) == "run-0 ended with exit code 65: error: rank 0: the loss is nan at step 3"


def test_a_pod_that_its_node_put_out_earlier_is_not_the_one_that_failed_the_run() -> None:
    evicted = pod("run-0-a", 143, "2026-11-20T00:00:00Z")
    evicted["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    pods = [evicted, pod("run-0-b", 1, "2026-11-22T00:00:00Z", message="ValueError: no such corpus")]
    assert first_failure(pods) == "run-0-b ended with exit code 1: ValueError: no such corpus"
    assert first_failure([evicted]) == "run-0-a ended with exit code 143"


def test_an_evicted_pod_tells_its_nodes_reason() -> None:
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node had condition: [DiskPressure]."}
    pods = [{"metadata": {"name": "run-0"}, "status": evicted}]
    assert first_failure(pods) == "run-0: Evicted: The node had condition: [DiskPressure]."


def test_a_run_whose_pods_are_gone_tells_nothing() -> None:
    assert first_failure([]) is None
    assert first_failure([{"metadata": {"name": "run-0"}, "status": {"phase": "Running"}}]) is None
