"""What a pod of a process node can reach, in real namespaces: as root, and in a user namespace as without root."""

import json
import subprocess
import sys

import pytest

from local.cluster.process_node.network.namespaces import NamespaceError, new_network_namespace
from local.paths import REPOSITORY


def _allowed(mode: str) -> bool:
    if mode == "user":
        return subprocess.run(["unshare", "--user", "--net", "true"], capture_output=True, check=False).returncode == 0
    try:
        new_network_namespace()
    except NamespaceError:
        return False
    return True


@pytest.fixture(scope="module", params=["root", "user"])
def reached(request: pytest.FixtureRequest) -> dict[str, str]:
    """The answers that a pod got, by what it asked."""
    mode: str = request.param
    if not _allowed(mode):
        pytest.skip(f"this system forbids network namespaces ({mode})")
    command = [sys.executable, "-m", "tests.support.network_probe", *([mode] if mode == "user" else [])]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, str] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("pod", "pod: hello"),
        ("service", "pod: hello"),
        ("service over UDP", "echo: hello"),
        ("name", "172.20.3.4"),
        ("API server", "host: hello"),
        ("low port without root", "80"),
        ("pod after plugging in again", "pod: hello"),
    ],
)
def test_a_pod_reaches(reached: dict[str, str], what: str, answer: str) -> None:
    assert reached[what] == answer


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("service without endpoints", "Connection refused"),
        ("service with simulated pods", "Connection refused"),
        ("other port", "Connection refused"),
        ("unused address", "Connection refused"),
        ("host", "Connection refused"),
        ("host by the gateway", "Connection refused"),
        ("internet", "Network is unreachable"),
        ("pod after unplugging", "Network is unreachable"),
    ],
)
def test_a_pod_is_told_at_once_that_it_does_not_reach(reached: dict[str, str], what: str, why: str) -> None:
    assert reached[what] == why, "a silent drop would cost every client its time-out"


def test_nothing_is_added_to_the_hosts_own_network(reached: dict[str, str]) -> None:
    assert reached["interfaces of the host"] == "unchanged"
