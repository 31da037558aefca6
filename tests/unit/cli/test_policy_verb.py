import json
from pathlib import Path
from typing import Any

import pytest

from cli.exits import Exit
from cli.main import run
from policies.rules import RULES


def pod(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shell", "namespace": "research"},
        "spec": {"containers": [{"name": "main", "image": "tools:latest", **container}], "hostNetwork": True},
    }


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "pod.json"
    path.write_text(json.dumps(pod(securityContext={"privileged": True})))
    return path


def test_a_bad_manifest_fails_with_the_status_of_violations(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "prod", "--from", str(manifest)]) == Exit.VIOLATIONS
    out = capsys.readouterr().out
    assert "shell: " in out
    assert "failed: " in out


@pytest.mark.parametrize("form", ["json", "sarif", "junit", "markdown", "table"])
def test_every_form_can_be_written_to_a_file(form: str, manifest: Path, tmp_path: Path) -> None:
    target = tmp_path / "report"
    arguments = ["policy", "prod", "--from", str(manifest), "--format", form, "--output", str(target)]
    assert run(arguments) == Exit.VIOLATIONS
    assert "shell" in target.read_text(encoding="utf-8")


def test_the_threshold_is_the_callers(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mild = manifest.with_name("mild.json")
    mild.write_text(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}))
    assert run(["policy", "prod", "--from", str(mild), "--fail-on", "low"]) == Exit.OK
    assert run(["policy", "prod", "--from", str(manifest), "--fail-on", "low"]) == Exit.VIOLATIONS
    assert run(["policy", "prod", "--from", str(manifest), "--fail-on", "sometimes"]) == Exit.USAGE


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"deployment": {"resources": [', "no complete JSON"), ("", "is empty"), ("- 1", "no Kubernetes object")],
)
def test_a_file_that_is_no_source_is_one_clear_error(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "given"
    path.write_text(content)
    assert run(["policy", "prod", "--from", str(path)]) == Exit.FAILED
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("error:") == 1
    assert run(["policy", "prod", "--from", str(tmp_path / "none")]) == Exit.FAILED


def test_rules_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "rules"]) == Exit.OK
    listed = capsys.readouterr().out
    assert all(rule.id in listed for rule in RULES)
    assert run(["policy", "rules", RULES[0].id]) == Exit.OK
    assert " ".join(RULES[0].rationale.split()) in " ".join(capsys.readouterr().out.split())
    assert run(["policy", "rules", "--json"]) == Exit.OK
    assert [item["id"] for item in json.loads(capsys.readouterr().out)] == [rule.id for rule in RULES]


def test_an_unknown_rule_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "rules", RULES[0].id[:-1]]) == Exit.USAGE
    assert f"did you mean {RULES[0].id}?" in capsys.readouterr().err
