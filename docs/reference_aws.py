"""What the simulator refuses, and the policy of a deployer role, from the AWS package of the simulator."""

import json
from collections import defaultdict

from local.cloud.aws.package import PACKAGE

_READS = {
    "autoscaling": ["autoscaling:Describe*"],
    "budgets": ["budgets:ViewBudget", "budgets:ListTagsForResource"],
    "ce": ["ce:GetAnomalyMonitors", "ce:GetAnomalySubscriptions", "ce:ListTagsForResource"],
    "ec2": ["ec2:Describe*", "ec2:Get*"],
    "eks": ["eks:Describe*", "eks:List*"],
    "fsx": ["fsx:Describe*", "fsx:ListTagsForResource"],
    "iam": ["iam:Get*", "iam:List*"],
    "kms": ["kms:Describe*", "kms:Get*", "kms:List*"],
    "logs": ["logs:Describe*", "logs:ListTagsForResource"],
    "s3": ["s3:Get*", "s3:List*"],
}
# IAM names these actions differently from the API call (service authorization reference, Amazon S3 and EC2).
_ACTION_NAMES = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:UpdateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
}
_TAGGING = {
    "budgets": ["budgets:TagResource", "budgets:UntagResource"],
    "ce": ["ce:TagResource", "ce:UntagResource"],
    "ec2": ["ec2:CreateTags", "ec2:DeleteTags"],
    "eks": ["eks:TagResource", "eks:UntagResource"],
    "fsx": ["fsx:TagResource", "fsx:UntagResource"],
    "iam": ["iam:TagRole", "iam:UntagRole", "iam:TagPolicy"],
    "kms": ["kms:TagResource", "kms:UntagResource", "kms:EnableKeyRotation", "kms:PutKeyPolicy"],
    "logs": ["logs:TagResource", "logs:UntagResource", "logs:PutRetentionPolicy", "logs:AssociateKmsKey"],
    "s3": ["s3:PutBucketTagging"],
}


def rules_page() -> str:
    """Table of every rule: what it watches, the code it raises, and where the service says so."""
    lines = [
        "# Simulator rules\n",
        "Each rule refuses what AWS refuses, with its code. Tests hold an accepted and a refused request for each.\n",
        "| rule | resources | code | source |",
        "|---|---|---|---|",
    ]
    for rule in sorted(PACKAGE.rules, key=lambda item: item.id):
        tokens = ", ".join(token.rsplit(":", 1)[-1] for token in rule.tokens)
        lines.append(f"| `{rule.id}` | {tokens} | `{rule.code}` | {_cell(rule.source)} |")
    lines += ["", "Resource types with full behaviour:", ""]
    lines += [f"- `{token}`" for token in sorted(PACKAGE.bindings)]
    lines += ["", "All other types are shape only: checked against the SDK's schema, replacement unknown."]
    return "\n".join(lines)


def deployer_policy_page() -> str:
    """An IAM policy document with the calls that the bound resource types need."""
    actions: dict[str, set[str]] = defaultdict(set)
    for binding in PACKAGE.bindings.values():
        service = binding.kind.split(":", 1)[0]
        for operation in binding.operations.values():
            action = f"{service}:{operation}"
            actions[service].add(_ACTION_NAMES.get(action, action))
    statements: list[dict[str, object]] = [
        {
            "Sid": service.capitalize(),
            "Effect": "Allow",
            "Action": sorted(actions[service] | set(_READS.get(service, [])) | set(_TAGGING.get(service, []))),
            "Resource": "*",
        }
        for service in sorted(actions)
    ]
    statements.append(
        {
            "Sid": "PassRoles",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "arn:aws:iam::*:role/*",
            "Condition": {
                "StringEquals": {
                    "iam:PassedToService": [
                        "eks.amazonaws.com",
                        "ec2.amazonaws.com",
                        "pods.eks.amazonaws.com",
                        "vpc-flow-logs.amazonaws.com",
                    ]
                }
            },
        }
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
    return (
        "# Deployer policy\n\n"
        "The calls that the AWS components make, derived from the simulator's table of operations. It has not been "
        "exercised against a real account: start with it, and narrow `Resource` to your account, region and tags.\n\n"
        f"```json\n{document}\n```\n"
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
