"""The rules inside the real engine: every checked-in environment passes, and what is mandatory stops an update."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.exits import Exit
from cli.project import open_stack, stack_names
from cli.rehearsal.copying import Copy, rehearsal_name
from local.cloud.model import Maker
from tests.support.sandbox import REPOSITORY, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

PACK = ("--policy-pack", "policies", "--non-interactive", "--color", "never")
CARELESS = REPOSITORY / "tests" / "simulation" / "programs" / "careless" / "__main__.py"
REAL = [name for name in stack_names(REPOSITORY) if not open_stack(name).simulated]


def with_policies(root: Path) -> Sandbox:
    sandbox = Sandbox.copy(root)
    shutil.copytree(REPOSITORY / "policies", sandbox.directory / "policies")
    return sandbox


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = with_policies(tmp_path_factory.mktemp("policies"))
    sandbox.shrink()
    yield sandbox
    sandbox.close()


def made(sandbox: Sandbox) -> int:
    with sandbox.store() as store:
        return len(store.objects(maker=Maker.PROGRAM))


def test_a_mandatory_violation_ends_up_before_anything_is_made(local: Sandbox) -> None:
    before = local.settings_file.read_text()

    def strict(settings: dict[str, Any]) -> None:
        settings["policies"] = {"levels": {"kubernetes-image-by-digest": "mandatory"}}

    local.settings(strict)
    answer = local.expect("up", "local", "--yes", status=Exit.VIOLATIONS)
    assert "kubernetes-image-by-digest" in answer.text
    assert "the policies of local do not allow this update, so nothing was done" in answer.text
    assert not local.account.exists(), "not even the simulated account was made"
    local.expect("preview", "local", status=1)
    engine = local.pulumi("up", "--yes", *PACK)
    assert engine.status != 0, "the engine refuses it too, by its own preview"
    assert "kubernetes-image-by-digest" in engine.text
    assert made(local) == 0
    local.settings_file.write_text(before)


def test_plain_pulumi_runs_the_pack_and_names_it(local: Sandbox) -> None:
    answer = local.pulumi("preview", *PACK)
    assert answer.status == 0, answer.text
    assert "slipway@v0.1.0 (local: policies)" in answer.text
    assert "slipway-rule-faults" not in answer.text, "no rule breaks on what a preview does not know"


REMEDIED = ("cost-required-tags", "identity-imds-v2", "storage-ebs-encrypted", "storage-s3-public-access")


def test_the_engine_puts_right_what_a_rule_knows_how_to(tmp_path: Path) -> None:
    sandbox = with_policies(tmp_path)
    shutil.copy(CARELESS, sandbox.directory / "stacks" / "__main__.py")

    def remediate(settings: dict[str, Any]) -> None:
        families = dict.fromkeys(("storage", "identity", "hygiene", "cost"), "advisory")
        settings["policies"] = {"levels": {**families, **dict.fromkeys(REMEDIED, "remediate")}}

    sandbox.settings(remediate)
    try:
        sandbox.expect("local", "up", "--env", "local")
        assert sandbox.pulumi("stack", "init").status == 0
        answer = sandbox.pulumi("up", "--yes", "--skip-preview", *PACK)
        assert answer.status == 0, answer.text
        assert all(name in answer.text for name in REMEDIED), answer.text
        with sandbox.store() as store:
            bodies = {item.kind: item.body for item in store.objects(maker=Maker.PROGRAM)}
        privacy, data = bodies["s3:PublicAccessBlockConfiguration"], bodies["ec2:LaunchTemplate"]["LaunchTemplateData"]
        assert [privacy[name] for name in ("BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")] == [
            True
        ] * 3
        assert data["MetadataOptions"] == {"HttpTokens": "required"}
        assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
        assert {tag["Key"] for tag in bodies["s3:Bucket"]["Tags"]} == {"owner", "cost-center", "slipway:environment"}
    finally:
        sandbox.close()


@pytest.mark.parametrize("name", REAL)
def test_every_checked_in_environment_passes_the_rules_in_the_engine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its rehearsal's copy: the same program and settings in the simulated account, with the pack beside them."""
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path / "state"))
    copy = Copy(stack=open_stack(name), name=rehearsal_name(name))
    secrets = copy.fill(None).secrets
    copy.prepare_account()
    shutil.copytree(REPOSITORY / "policies", copy.directory / "policies")
    sandbox = Sandbox(copy.directory, tmp_path / "state", stack=copy.name)
    try:
        sandbox.expect("local", "up", "--env", sandbox.stack)
        assert sandbox.pulumi("stack", "init").status == 0
        for path in secrets:
            assert sandbox.pulumi("config", "set", "--secret", "--path", path, "placeholder").status == 0
        answer = sandbox.pulumi("preview", *PACK)
        assert answer.status == 0, answer.text
        assert "slipway@v0.1.0 (local: policies)" in answer.text
        assert "slipway-rule-faults" not in answer.text
    finally:
        sandbox.close()
