"""How bad drift is, and what a person is told to do about it."""

import io

import pytest
from rich.console import Console

from cli.drift import Change, Difference
from cli.drift_report import Severity, judge, ordered, show, to_json

BASE = "urn:pulumi:prod::slipway::"


def change(token: str, *paths: str, operation: str = "update") -> Change:
    properties = tuple(Difference(path=path, before="1", after="2") for path in paths)
    return Change(urn=f"{BASE}{token}::it", operation=operation, properties=properties)


CASES = (
    ("aws:s3/bucket:Bucket", (), "delete", Severity.CRITICAL),
    ("aws:ec2/subnet:Subnet", (), "delete", Severity.MAJOR),
    ("aws:eks/accessEntry:AccessEntry", (), "delete", Severity.CRITICAL),
    ("aws:eks/cluster:Cluster", ("vpcConfig.publicAccessCidrs[0]",), "update", Severity.CRITICAL),
    ("aws:eks/cluster:Cluster", ("deletionProtection",), "update", Severity.CRITICAL),
    ("aws:iam/rolePolicy:RolePolicy", ("policy",), "update", Severity.CRITICAL),
    ("aws:iam/role:Role", ("tags.owner", "description"), "update", Severity.MINOR),
    ("aws:cloudwatch/logGroup:LogGroup", ("retentionInDays",), "update", Severity.MINOR),
    ("aws:eks/nodeGroup:NodeGroup", ("scalingConfig.desiredSize",), "update", Severity.MAJOR),
    ("kubernetes:networking.k8s.io/v1:NetworkPolicy", ("spec.ingress",), "update", Severity.CRITICAL),
    ("kubernetes:core/v1:ResourceQuota", ("spec.hard.cpu",), "update", Severity.MAJOR),
)


@pytest.mark.parametrize(("token", "paths", "operation", "expected"), CASES)
def test_severity_follows_from_what_depends_on_it(
    token: str, paths: tuple[str, ...], operation: str, expected: Severity
) -> None:
    assert judge(change(token, *paths, operation=operation)).severity is expected


def test_the_worst_comes_first_and_both_commands_are_named() -> None:
    minor = change("aws:cloudwatch/logGroup:LogGroup", "retentionInDays")
    critical = change("aws:s3/bucket:Bucket", operation="delete")
    found = ordered([minor, critical])
    assert [item.severity for item in found] == [Severity.CRITICAL, Severity.MINOR]
    stream = io.StringIO()
    show("prod", found, Console(file=stream, width=200))
    text = stream.getvalue()
    assert "critical s3:Bucket it: deleted, with what was in it" in text
    assert "retentionInDays: 1 -> 2" in text
    assert "to revert: `slipway up prod --refresh`" in text
    assert "to accept: `slipway refresh prod --accept`" in text


def test_the_json_has_severity_and_commands() -> None:
    told = to_json("prod", ordered([change("aws:s3/bucket:Bucket", operation="delete")]), simulated=False)
    assert told["drift"][0]["severity"] == "critical"
    assert told["commands"] == {"revert": "slipway up prod --refresh", "accept": "slipway refresh prod --accept"}
