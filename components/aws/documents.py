"""IAM and key policies as pure functions: strings in, JSON text out, nothing granted that is not used.

Every document is complete text, so that a preview, a policy rule and a reviewer see what is granted.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.aws.partition import partition

VERSION = "2012-10-17"


def _text(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": VERSION, "Statement": list(statements)})


def trust_document(service: str, *, conditions: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """Lets the AWS service ``service`` (for example ``eks.amazonaws.com``) assume a role."""
    statement: dict[str, Any] = {
        "Sid": "ServiceMayAssume",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return _text({**statement, "Condition": conditions} if conditions else statement)


def pod_identity_trust_document(account_id: str) -> str:
    """Lets EKS Pod Identity hand a role to pods of this account's clusters.

    Source: EKS user guide, "Create IAM role with trust policy required by EKS Pod Identity" (TagSession carries the
    cluster, namespace and service account as session tags).
    """
    return _text(
        {
            "Sid": "PodIdentityMayAssume",
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
        }
    )


def _account_owns_key(account_id: str, region: str) -> dict[str, Any]:
    # Without this statement nobody could ever change the key again; IAM policies then decide who may.
    return {
        "Sid": "AccountAdministers",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition(region)}:iam::{account_id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }


def log_group_arn(account_id: str, region: str, log_group: str) -> str:
    """ARN of a log group without the trailing ``:*``."""
    return f"arn:{partition(region)}:logs:{region}:{account_id}:log-group:{log_group}"


def log_key_document(account_id: str, region: str, log_groups: Sequence[str]) -> str:
    """Key policy: the account administers, CloudWatch Logs uses the key for ``log_groups`` only.

    Source: CloudWatch Logs user guide, "Encrypt log data using AWS KMS", with the encryption context condition.
    """
    return _text(
        _account_owns_key(account_id, region),
        {
            "Sid": "LogsEncrypts",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{region}.amazonaws.com"},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {
                "ArnEquals": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        log_group_arn(account_id, region, log_group) for log_group in log_groups
                    ]
                }
            },
        },
    )


def data_lake_key_document(account_id: str, region: str) -> str:
    """Key policy of the data lake: the account administers, FSx's service-linked role reads and writes through S3.

    Source: FSx for Lustre guide, "Working with server-side encrypted Amazon S3 buckets": without the second statement
    a data repository association on a bucket with a customer key is created but cannot move data.
    """
    role = f"arn:{partition(region)}:iam::{account_id}:role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com"
    return _text(
        _account_owns_key(account_id, region),
        {
            "Sid": "FsxMovesData",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"kms:CallerAccount": account_id, "kms:ViaService": f"s3.{region}.amazonaws.com"},
                "StringLike": {"aws:userId": "*:FSx"},
                "ArnLike": {"aws:PrincipalArn": f"{role}/AWSServiceRoleForFSxS3Access_fs-*"},
            },
        },
    )


def tls_only_document(bucket: str, region: str) -> str:
    """Bucket policy that refuses every request without TLS 1.2 or newer."""
    arn = f"arn:{partition(region)}:s3:::{bucket}"
    common = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    return _text(
        {"Sid": "RefusePlainText", **common, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Sid": "RefuseOldTls", **common, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
    )


def bucket_access_document(bucket_arn: str, key_arn: str | None, *, prefix: str = "", write: bool = False) -> str:
    """Read, and with ``write`` also put and delete, below ``prefix`` of a bucket.

    Args:
        bucket_arn: The bucket.
        key_arn: The customer key that encrypts it; None where Amazon S3's own key does, which needs no permission.
        prefix: Without a slash at its end; empty means the whole bucket.
        write: Whether objects may be changed.
    """
    objects = ["s3:GetObject", *(["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"] if write else [])]
    listing: dict[str, Any] = {
        "Sid": "List",
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": bucket_arn,
    }
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}}
    content = {
        "Sid": "Objects",
        "Effect": "Allow",
        "Action": objects,
        "Resource": f"{bucket_arn}/{prefix}/*" if prefix else f"{bucket_arn}/*",
    }
    key = {
        "Sid": "Key",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", *(["kms:GenerateDataKey"] if write else [])],
        "Resource": key_arn,
    }
    return _text(listing, content, *([key] if key_arn else []))


def flow_log_trust_document(account_id: str, region: str) -> str:
    """Lets VPC flow logs of this account and region assume a role (VPC user guide, confused-deputy conditions)."""
    source = f"arn:{partition(region)}:ec2:{region}:{account_id}:vpc-flow-log/*"
    return trust_document(
        "vpc-flow-logs.amazonaws.com",
        conditions={"StringEquals": {"aws:SourceAccount": account_id}, "ArnLike": {"aws:SourceArn": source}},
    )


def flow_log_document(account_id: str, region: str, log_group: str) -> str:
    """Lets flow logs write to ``log_group`` and to no other."""
    arn = log_group_arn(account_id, region, log_group)
    every = log_group_arn(account_id, region, "*")
    return _text(
        {
            "Sid": "Write",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            "Resource": [arn, f"{arn}:*"],
        },
        # Flow logs look for their group by listing; without this they end in "Access error" (VPC user guide).
        {"Sid": "Find", "Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": every},
    )


def lustre_csi_document(account_id: str, region: str) -> str:
    """What the FSx CSI controller needs for volumes that this kit declares: to look file systems up.

    It may not create file systems: storage that outlives a cluster belongs to the program, not to a claim.
    """
    return _text(
        {
            "Sid": "LookUp",
            "Effect": "Allow",
            "Action": ["fsx:DescribeFileSystems"],
            "Resource": f"arn:{partition(region)}:fsx:{region}:{account_id}:file-system/*",
        }
    )
