"""boto3 in a process that has the environment's variables asks the supervisor; needs the toolchain."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cluster.environment import LocalEnvironment
from tests.support.cluster_world import SilentConsole

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

ASK = """
import boto3
print(boto3.client("sts").get_caller_identity()["Account"], boto3.client("eks").list_clusters()["clusters"])
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEnvironment]:
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path))
    made = LocalEnvironment("endpoint")
    made.up(SilentConsole())
    yield made
    made.down(SilentConsole())


def test_boto3_of_another_process_reaches_the_account_and_tokens_stay_offline(environment: LocalEnvironment) -> None:
    variables = {**os.environ, **environment.variables()}
    answer = subprocess.run(
        [sys.executable, "-c", ASK], env=variables, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "000000000000 []"
    token = (
        subprocess.run(
            [Path(sys.executable).parent / "slipway", "kube-token", "--cluster", "demo", "--region", "us-east-1"],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        .stdout.partition("k8s-aws-v1.")[2]
        .partition('"')[0]
    )
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert url.startswith("https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity")
