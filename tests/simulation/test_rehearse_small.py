"""Rehearsals end to end, on a program without a cluster: what passes, and planted defects that must not."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox import REPOSITORY, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(280)]

PROGRAM = REPOSITORY / "tests" / "simulation" / "programs" / "small" / "__main__.py"
MAIN = "stacks/__main__.py"
NOT_READY = 3


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox.copy(tmp_path)
    shutil.copy(PROGRAM, sandbox.directory / MAIN)
    yield sandbox
    sandbox.slipway("local", "down", "--discard", "--env", "local-rehearsal", timeout=60)


def rehearsal(sandbox: Sandbox, *options: str, status: int = 0) -> Any:
    return sandbox.expect("rehearse", "local", "--json", *options, status=status).json


def git(sandbox: Sandbox, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=sandbox.directory, check=True, capture_output=True)


def test_a_sound_program_passes_two_scenarios_and_nothing_of_it_is_left(small: Sandbox) -> None:
    told = rehearsal(small, "-s", "throttle", "-s", "drift")
    assert (told["passed"], told["findings"], told["simulated"]) == (True, [], True)
    results = {stage["title"]: stage["result"] for stage in told["stages"]}
    assert results["second up"] == results["refresh"] == results["destroy: residue"] == "ok"
    assert results["throttle: up"] == results["drift"] == "recovered"
    (page,) = (small.state / "rehearsals").glob("local-*.html")
    assert "Rehearsal of local" in page.read_text()
    assert not (small.state / "local-rehearsal").exists()
    assert not (small.state / "local").exists(), "the environment itself was not touched"


def test_what_outlives_the_stack_is_named(small: Sandbox) -> None:
    small.replace(
        MAIN,
        'tags=resource_tags("jobs-role"),\n        opts=alone,',
        'tags=resource_tags("jobs-role"),\n'
        "        opts=pulumi.ResourceOptions(provider=provider, retain_on_delete=True),",
    )
    told = rehearsal(small, "-s", "none", status=NOT_READY)
    (found,) = told["findings"]
    assert (found["reason"], found["stage"]) == ("left", "destroy: residue")
    assert found["what"].startswith("iam:Role jobs-role")


def test_a_bucket_without_protection_in_a_protected_stack_is_found(small: Sandbox) -> None:
    def protected(settings: dict[str, Any]) -> None:
        settings["protect"] = True
        del settings["ttl"]

    small.settings(protected)
    told = rehearsal(small, "-s", "none", status=NOT_READY)
    assert [(item["reason"], item["what"]) for item in told["findings"]] == [
        ("unprotected", "s3:Bucket lake-bucket has no protect"),
        ("unprotected", "the engine would destroy the stack without a word"),
    ]


def test_an_upgrade_that_replaces_a_bucket_is_refused_until_that_is_accepted(small: Sandbox) -> None:
    git(small, "init", "-q")
    git(small, "add", "Pulumi.yaml", "stacks", "components", "workloads")
    git(small, "commit", "-q", "-m", "before")
    small.replace(
        "components/aws/data_lake.py",
        "Service.S3_BUCKET, pulumi.get_project(), pulumi.get_stack(), name,",
        'Service.S3_BUCKET, pulumi.get_project(), pulumi.get_stack(), name + "2",',
    )
    told = rehearsal(small, "-s", "none", "--from", "HEAD", status=NOT_READY)
    (found,) = told["findings"]
    assert (found["reason"], found["stage"]) == ("replaced", "upgrade: preview")
    assert found["what"].startswith("s3:Bucket lake-bucket would be replaced (bucket")
    assert "upgrade: up" not in [stage["title"] for stage in told["stages"]]
    accepted = rehearsal(small, "-s", "none", "--from", "HEAD", "--accept-replace")
    assert accepted["passed"] is True
    assert [item["stateful"] for item in accepted["replacements"]].count(True) == 1


def test_a_revision_that_git_does_not_know_is_one_clear_error(small: Sandbox) -> None:
    git(small, "init", "-q")
    told = small.expect("rehearse", "local", "-s", "none", "--from", "v0", status=2).text
    assert "git cannot give that revision" in told
    assert "value: v0" in told
