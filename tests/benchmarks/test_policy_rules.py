"""All rules over 1,000 resources, against Checkov 3 on the same resources as a Terraform plan, in one run."""

import json
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from policies.evaluate import evaluate
from policies.rules import RULES
from policies.sources import files
from tests.benchmarks.measure import report, seconds
from tests.support.sandbox import BINARIES, REPOSITORY

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(580)]

COUNT: Final = 1_000
TYPES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "aws_s3_bucket": ("aws:s3/bucket:Bucket", {"bucket": "lake-{n}", "force_destroy": False}),
    "aws_s3_bucket_public_access_block": (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {
            "bucket": "lake-{n}",
            "block_public_acls": True,
            "block_public_policy": False,
            "ignore_public_acls": True,
            "restrict_public_buckets": True,
        },
    ),
    "aws_security_group": (
        "aws:ec2/securityGroup:SecurityGroup",
        {
            "description": "group {n}",
            "ingress": [{"from_port": 22, "to_port": 22, "protocol": "tcp", "cidr_blocks": ["0.0.0.0/0"]}],
        },
    ),
    "aws_kms_key": ("aws:kms/key:Key", {"description": "key {n}", "enable_key_rotation": False}),
    "aws_launch_template": (
        "aws:ec2/launchTemplate:LaunchTemplate",
        {
            "name": "nodes-{n}",
            "metadata_options": {"http_tokens": "optional", "http_put_response_hop_limit": 2},
            "block_device_mappings": [{"device_name": "/dev/xvda", "ebs": {"encrypted": "false", "volume_size": 200}}],
        },
    ),
}
OVERLAP: Final = {
    "storage-s3-public-access": "CKV_AWS_53 to 56",
    "storage-s3-versioning": "CKV_AWS_21",
    "storage-s3-kms": "CKV_AWS_145",
    "storage-s3-public-access-declared": "CKV2_AWS_6",
}
"""Rules that ask what a check of Checkov asks, by id."""


def filled(value: Any, number: int) -> Any:
    return json.loads(json.dumps(value).replace("{n}", str(number)))


def camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {re.sub(r"_([a-z])", lambda part: part[1].upper(), key): camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def resources() -> list[tuple[str, str, dict[str, Any]]]:
    kinds = list(TYPES.items())
    made = []
    for number in range(COUNT):
        terraform, (_, values) = kinds[number % len(kinds)]
        made.append((terraform, f"{terraform}_{number}", filled(values, number)))
    return made


def terraform_plan() -> dict[str, Any]:
    planned, changes = [], []
    for token, name, values in resources():
        common = {"address": f"{token}.{name}", "mode": "managed", "type": token, "name": name}
        planned.append({**common, "provider_name": "registry.terraform.io/hashicorp/aws", "values": values})
        changes.append({**common, "change": {"actions": ["create"], "before": None, "after": values}})
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": changes,
        "configuration": {"root_module": {"resources": []}},
    }


def pulumi_export() -> dict[str, Any]:
    states = [
        {
            "urn": f"urn:pulumi:prod::slipway::{TYPES[token][0]}::{name}",
            "custom": True,
            "type": TYPES[token][0],
            "inputs": camel(values),
            "outputs": camel(values),
        }
        for token, name, values in resources()
    ]
    return {"version": 3, "deployment": {"resources": states}}


def test_all_rules_over_1000_resources(tmp_path: Path) -> None:
    export, plan = tmp_path / "export.json", tmp_path / "plan.json"
    export.write_text(json.dumps(pulumi_export()))
    plan.write_text(json.dumps(terraform_plan()))
    graph = files.read(export)
    found = evaluate(graph, RULES, today=date(2026, 11, 21))
    rules = min(seconds(lambda: evaluate(graph, RULES, today=date(2026, 11, 21))) for _ in range(3))
    command = [str(BINARIES / "slipway"), "policy", "prod", "--from", str(export), "--json"]
    ours = min(seconds(lambda: _run(command, REPOSITORY)) for _ in range(3))
    checkov = _checkov(plan)
    theirs = min(seconds(lambda: _run(checkov, tmp_path)) for _ in range(2))
    known = {rule.id for rule in RULES}
    report(
        f"{len(RULES)} rules over {COUNT:,} resources",
        {
            "the rules alone": f"{rules:.2f} s, {len(found.violations):,} violations",
            "slipway policy --from": f"{ours:.1f} s (the whole command, best of 3)",
            "checkov 3, terraform_plan": f"{theirs:.1f} s (the whole command, best of 2)",
            "same question": ", ".join(f"{name} = {check}" for name, check in OVERLAP.items() if name in known)
            or "none",
        },
        ratio=f"checkov takes {theirs / ours:.1f} x as long as the whole command, {theirs / rules:.0f} x the rules",
        target="rules at most 1 s, checkov at least 5 x",
    )


def _checkov(plan: Path) -> list[str]:
    """Checkov's own command line, in an environment that uv keeps for itself."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on PATH, so Checkov cannot be had")
    tool = [uv, "run", "--no-project", "--isolated", "--with", "checkov>=3,<4", "checkov"]
    ready = subprocess.run([*tool, "--version"], capture_output=True, text=True, check=False, timeout=400)
    if ready.returncode != 0:
        pytest.skip(f"Checkov cannot be had: {ready.stderr.strip()[-200:]}")
    return [*tool, "--file", str(plan), "--framework", "terraform_plan", "--output", "json", "--compact", "--quiet"]


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=400)
    # Both tools end with a status of their own when they find something, and here both must.
    if done.returncode not in (1, 5):
        message = f"{command[:3]} ended with {done.returncode}: {done.stderr[-500:]}"
        raise AssertionError(message)
