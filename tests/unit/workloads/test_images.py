"""The images' build: what reaches the builder, and that the Dockerfile keeps what the pods' security asks of it."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.sandbox import REPOSITORY
from workloads.images.build import IMAGES, UV_VERSION, Build, BuildError, builder_on_path, command, main
from workloads.manifests.pods import USER

DIGEST = "sha256:" + "ab" * 32
TRAINER = Build(image="trainer", version="1.2.3", revision="c0ffee")


def dockerfile(image: str) -> str:
    return (REPOSITORY / f"workloads/images/{image}.Dockerfile").read_text()


def test_the_command_names_file_tag_and_versions() -> None:
    assert command("podman", TRAINER) == [
        "podman",
        "build",
        "--file=workloads/images/trainer.Dockerfile",
        "--tag=slipway/trainer:1.2.3",
        f"--build-arg=UV_VERSION={UV_VERSION}",
        "--build-arg=VERSION=1.2.3",
        "--build-arg=REVISION=c0ffee",
        ".",
    ]


def test_a_base_with_a_digest_and_further_authorities_are_handed_on(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text("PEM")
    line = command(
        "docker", Build(image="trainer", version="1", revision="r", base=f"my/base@{DIGEST}", ca=authorities)
    )
    assert f"--build-arg=BASE=my/base@{DIGEST}" in line
    assert f"--secret=id=ca,src={authorities}" in line, "a secret mount: build arguments stay in the image's history"


@pytest.mark.parametrize("base", ["python:3.11", "python@sha256:abc", f"@{DIGEST}"])
def test_a_base_without_a_digest_is_refused(base: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BuildError, match="has no digest"):
        command("podman", Build(image="trainer", version="1", revision="r", base=base))


def test_a_missing_file_of_authorities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="there is no such file"):
        command("podman", Build(image="trainer", version="1", revision="r", ca=tmp_path / "none.pem"))


def test_without_a_builder_the_error_names_three(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="podman, buildah, docker"):
        builder_on_path()
    assert main(["trainer"]) == 2


def test_the_builders_failure_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "buildah"
    fake.write_text("#!/bin/sh\nexit 125\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["trainer", "--builder", "buildah"]) == 1


@pytest.mark.parametrize("image", IMAGES)
def test_the_pinned_base_has_a_digest_and_every_stage_uses_it(image: str) -> None:
    text = dockerfile(image)
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}"}


@pytest.mark.parametrize("image", IMAGES)
def test_the_image_runs_as_the_pods_own_user_without_root(image: str) -> None:
    users = re.findall(r"^USER (\S+)$", dockerfile(image), re.MULTILINE)
    assert users == [f"{USER}:{USER}"], "pod security `restricted` needs a number, and the file systems belong to it"


def test_uv_has_one_version() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    assert f"UV_VERSION := {UV_VERSION}\n" in makefile


def test_the_release_builds_every_image_with_sbom_and_provenance() -> None:
    job = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]["images"]
    assert tuple(job["strategy"]["matrix"]["image"]) == IMAGES
    build = next(step for step in job["steps"] if step.get("id") == "build")
    assert build["with"]["sbom"] is True
    assert build["with"]["provenance"] == "mode=max"


def test_the_release_names_every_action_by_commit() -> None:
    job = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]["images"]
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []
