"""`up` of 200 resources: the simulated AWS against a provider that only echoes, on the same engine and program."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.cloud.plugin import install
from local.cloud.store import SqliteStore
from local.toolchain.toolchain import Toolchain
from tests.benchmarks.measure import report, seconds

pytestmark = [pytest.mark.benchmark, pytest.mark.simulation, pytest.mark.timeout(580)]

ROUNDS = 3
PROGRAM = """
import pulumi_aws as aws
import pulumi
provider = aws.Provider("aws", region="us-east-1", allowed_account_ids=["000000000000"])
opts = pulumi.ResourceOptions(provider=provider)
vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", opts=opts)
for n in range(99):
    aws.ec2.Subnet(f"subnet-{n}", vpc_id=vpc.id, cidr_block=f"10.0.{n}.0/24", availability_zone="us-east-1a",
                   tags={"Name": f"subnet-{n}"}, opts=opts)
for n in range(100):
    aws.ec2.SecurityGroup(f"group-{n}", vpc_id=vpc.id, description="Batch jobs", tags={"Name": f"g-{n}"}, opts=opts)
"""


def project(root: Path) -> dict[str, str]:
    """A Pulumi project with a state of its own; returns its environment."""
    (root / "program").mkdir(parents=True)
    (root / "backend").mkdir()
    (root / "Pulumi.yaml").write_text("name: bench\nruntime: python\nmain: program/\n")
    (root / "program" / "__main__.py").write_text(PROGRAM)
    toolchain = Toolchain.load(["pulumi", "pulumi-language-python-exec"])
    directories = [str(Path(sys.executable).parent), *map(str, toolchain.bin_dirs()), os.environ["PATH"]]
    return {
        **os.environ,
        "PATH": os.pathsep.join(directories),
        "PULUMI_HOME": str(root / "home"),
        "PULUMI_BACKEND_URL": (root / "backend").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "simulated",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "SLIPWAY_ACCOUNT": str(root / "account.db"),
        "SLIPWAY_EFFECTS": "instant",
    }


def install_echo(home: Path) -> None:
    executable = install(home)
    script = Path(__file__).with_name("echo_provider.py")
    executable.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-P", str(script)])} "$@"\n')


def pulumi(root: Path, environment: Mapping[str, str], *arguments: str) -> str:
    command = ["pulumi", *arguments, "--stack", "bench", "--non-interactive", "--color", "never"]
    done = subprocess.run(command, cwd=root, env=dict(environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def update(root: Path, *, echo: bool) -> float:
    """Seconds of one `up` from nothing."""
    environment = project(root)
    SqliteStore(root / "account.db").close()
    if echo:
        install_echo(root / "home")
    else:
        install(root / "home")
    pulumi(root, environment, "stack", "select", "--create", "--secrets-provider", "passphrase")
    told: list[str] = []
    took = seconds(
        lambda: told.append(pulumi(root, environment, "up", "--yes", "--skip-preview", "--suppress-progress"))
    )
    assert "+ 202 created" in told[0], "the stack, the provider and 200 resources"
    return took


def test_200_resources_take_little_longer_than_with_an_echo(tmp_path: Path) -> None:
    update(tmp_path / "warm", echo=False)
    simulated, echoed = [], []
    for number in range(ROUNDS):
        simulated.append(update(tmp_path / f"simulated-{number}", echo=False))
        echoed.append(update(tmp_path / f"echo-{number}", echo=True))
    report(
        "up of 200 resources",
        {
            "simulated AWS": f"{min(simulated):.1f} s (best of {ROUNDS}; all: {_list(simulated)})",
            "echo provider": f"{min(echoed):.1f} s (best of {ROUNDS}; all: {_list(echoed)})",
        },
        ratio=f"{min(simulated) / min(echoed):.2f} x the echo provider",
        target="1.5 x",
    )


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)
