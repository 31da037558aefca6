"""What a rehearsal reads in a state: names that clash, missing tags, logs and data without an end."""

from typing import Any

import pytest

from cli.rehearsal.review import clashing, endless, unkept, untagged

ROLE, LOGS = "aws:iam/role:Role", "aws:cloudwatch/logGroup:LogGroup"
BUCKET, FILES = "aws:s3/bucket:Bucket", "aws:fsx/lustreFileSystem:LustreFileSystem"
LINK = "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation"
STACK = "prod-rehearsal"


def state(token: str, inputs: dict[str, Any], outputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "urn": f"urn:pulumi:{STACK}::slipway::{token}::it",
        "type": token,
        "custom": True,
        "id": "it-1",
        "inputs": inputs,
        "outputs": outputs or {},
        **more,
    }


def document(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"deployment": {"resources": list(resources)}}


@pytest.mark.parametrize(
    ("inputs", "clashes"),
    [
        ({"name": "jobs"}, True),
        ({"name": f"slipway-{STACK}-jobs"}, False),
        ({"name": "slipway-a-very-long-name-that-was-cu-0a1b2c3"}, False),
        ({"name": "it-6ce228e", "__defaults": ["name"]}, False),
        ({}, False),
    ],
)
def test_a_chosen_name_without_the_stacks_name_clashes(inputs: dict[str, Any], clashes: bool) -> None:  # noqa: FBT001
    found = list(clashing(document(state(ROLE, inputs)), STACK))
    assert found == (["iam:Role it is called jobs, and so would that of every other stack in the account"] * clashes)


def test_names_within_another_object_clash_with_nothing() -> None:
    assert list(clashing(document(state("aws:ec2/securityGroup:SecurityGroup", {"name": "jobs"})), STACK)) == []


def test_both_tags_of_the_kit_must_be_there_where_tags_can_be() -> None:
    both = {"slipway:stack": "slipway/prod", "slipway:resource": "it"}
    assert list(untagged(document(state(ROLE, {}, {"tagsAll": both})))) == []
    assert list(untagged(document(state(ROLE, {}, {"tagsAll": {"slipway:stack": "slipway/prod"}})))) == [
        "iam:Role it lacks the tag slipway:resource"
    ]
    assert list(untagged(document(state(ROLE, {}, {})))) == [], "a type that takes no tags"


def test_a_log_group_without_retention_never_ends() -> None:
    assert list(endless(document(state(LOGS, {}, {"retentionInDays": 30})))) == []
    (found,) = endless(document(state(LOGS, {}, {"retentionInDays": 0})))
    assert found.startswith("cloudwatch:LogGroup it has no retentionInDays")


def test_data_is_kept_by_versions_a_backup_or_the_bucket_behind_it() -> None:
    assert [text.split(" (")[1] for text in unkept(document(state(BUCKET, {"forceDestroy": True})))] == [
        "forceDestroy)"
    ]
    alone = state(FILES, {"skipFinalBackup": True})
    assert list(unkept(document(alone))) == [
        "fsx:LustreFileSystem it is deleted without a last backup (skipFinalBackup)"
    ]
    assert list(unkept(document(alone, state(LINK, {"fileSystemId": "it-1"})))) == []
    assert list(unkept(document(state(FILES, {"skipFinalBackup": False})))) == []
