import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.aws import documents

ACCOUNT = "000000000000"
REGION = "us-east-1"
GRANTS = {
    "flow_log": documents.flow_log_document(ACCOUNT, REGION, "/aws/vpc/x"),
    "lustre_csi": documents.lustre_csi_document(ACCOUNT, REGION),
    "bucket_read": documents.bucket_access_document("arn:aws:s3:::lake", "arn:aws:kms:x"),
    "bucket_without_key": documents.bucket_access_document("arn:aws:s3:::models", None, prefix="chat"),
    "bucket_write": documents.bucket_access_document("arn:aws:s3:::lake", "arn:aws:kms:x", prefix="runs", write=True),
}
KEYS = {
    "logs": documents.log_key_document(ACCOUNT, REGION, ["/aws/eks/x/cluster"]),
    "lake": documents.data_lake_key_document(ACCOUNT, REGION),
}


def statements(document: str) -> Iterator[dict[str, Any]]:
    body = json.loads(document)
    assert body["Version"] == "2012-10-17"
    yield from body["Statement"]


def actions(document: str) -> set[str]:
    found: set[str] = set()
    for statement in statements(document):
        action = statement["Action"]
        found |= set(action if isinstance(action, list) else [action])
    return found


@pytest.mark.parametrize("document", GRANTS.values(), ids=GRANTS)
def test_no_grant_has_a_wildcard_action_or_all_resources(document: str) -> None:
    assert not any("*" in action for action in actions(document))
    assert all(statement["Resource"] != "*" for statement in statements(document))


@pytest.mark.parametrize("document", KEYS.values(), ids=KEYS)
def test_a_key_stays_administrable_by_its_account_and_opens_to_others_only_on_conditions(document: str) -> None:
    owner, *others = statements(document)
    assert owner["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert owner["Action"] == "kms:*"
    assert others
    assert all(statement["Condition"] for statement in others)


def test_the_log_key_serves_the_named_log_groups_only() -> None:
    _, logs = statements(KEYS["logs"])
    assert logs["Condition"] == {
        "ArnEquals": {
            "kms:EncryptionContext:aws:logs:arn": [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/eks/x/cluster"]
        }
    }


def test_the_lake_key_lets_only_the_accounts_fsx_role_in_and_only_through_s3() -> None:
    _, fsx = statements(KEYS["lake"])
    assert fsx["Condition"]["StringEquals"] == {
        "kms:CallerAccount": ACCOUNT,
        "kms:ViaService": "s3.us-east-1.amazonaws.com",
    }
    assert fsx["Condition"]["ArnLike"]["aws:PrincipalArn"].endswith("/AWSServiceRoleForFSxS3Access_fs-*")


def test_reading_a_bucket_does_not_include_writing_to_it() -> None:
    assert actions(GRANTS["bucket_read"]) == {"s3:ListBucket", "s3:GetObject", "kms:Decrypt"}
    assert {"s3:PutObject", "s3:DeleteObject", "kms:GenerateDataKey"} <= actions(GRANTS["bucket_write"])


def test_a_prefix_limits_listing_and_objects() -> None:
    listing, objects, _ = statements(GRANTS["bucket_write"])
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["runs", "runs/*"]}}
    assert objects["Resource"] == "arn:aws:s3:::lake/runs/*"


def test_the_csi_controller_may_look_file_systems_up_and_nothing_else() -> None:
    assert actions(GRANTS["lustre_csi"]) == {"fsx:DescribeFileSystems"}


def test_the_bucket_policy_only_ever_denies() -> None:
    found = list(statements(documents.tls_only_document("lake", REGION)))
    assert {statement["Effect"] for statement in found} == {"Deny"}
    assert found[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert found[1]["Condition"] == {"NumericLessThan": {"s3:TlsVersion": "1.2"}}


def test_services_that_assume_roles_for_an_account_prove_which_one() -> None:
    (flow_logs,) = statements(documents.flow_log_trust_document(ACCOUNT, REGION))
    assert flow_logs["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    (pods,) = statements(documents.pod_identity_trust_document(ACCOUNT))
    assert pods["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert pods["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    (plain,) = statements(documents.trust_document("eks.amazonaws.com"))
    assert "Condition" not in plain


def test_flow_logs_may_find_the_group_that_they_write_to() -> None:
    assert "logs:DescribeLogGroups" in actions(documents.flow_log_document("123456789012", "eu-west-1", "/aws/vpc/a"))
