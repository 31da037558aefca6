"""KMS: keys and aliases."""

import json
import uuid

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import arn, iso_time, unmodelled
from local.cloud.aws.iam_documents import text_of
from local.cloud.model import Account, Autoname, CloudObject, Context, Reference
from local.cloud.values import Json, is_unknown


def default_policy(account: Account) -> str:
    """The policy of a key that was made without one: the account's administrators decide."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": arn("iam", "root", account, region=False)},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


def _key_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    spec = inputs.get("customerMasterKeySpec")
    policy = inputs.get("policy")
    return {
        "Description": inputs.get("description"),
        "KeyUsage": inputs.get("keyUsage"),
        "KeySpec": spec,
        "CustomerMasterKeySpec": spec,
        "Enabled": inputs.get("isEnabled"),
        "MultiRegion": inputs.get("multiRegion"),
        "CustomKeyStoreId": inputs.get("customKeyStoreId"),
        "KeyRotationEnabled": inputs.get("enableKeyRotation"),
        "RotationPeriodInDays": inputs.get("rotationPeriodInDays"),
        "Policy": None if policy is None else text_of(policy),
    }


def _compute_key(body: dict[str, Json], context: Context) -> None:
    account = context.account
    seed = account.new_id("", length=32)
    body["KeyId"] = str(uuid.UUID(hex=seed, version=4))
    body["Arn"] = arn("kms", f"key/{body['KeyId']}", account)
    body["AWSAccountId"] = account.account_id
    body["CreationDate"] = iso_time(account)
    body["KeyState"] = "Enabled"
    body["KeyManager"] = "CUSTOMER"
    body["Origin"] = "AWS_KMS"
    body["EncryptionAlgorithms"] = ["SYMMETRIC_DEFAULT"]
    body.setdefault("Description", "")
    body.setdefault("Policy", default_policy(account))


def _key_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    body = item.body
    return {
        "customerMasterKeySpec": body.get("CustomerMasterKeySpec"),
        "isEnabled": body.get("Enabled"),
        "enableKeyRotation": body.get("KeyRotationEnabled"),
        "policy": body.get("Policy"),
        "rotationPeriodInDays": body.get("RotationPeriodInDays") or (365 if body.get("KeyRotationEnabled") else 0),
    }


KEY = bind(
    "aws:kms/key:Key",
    "kms:Key",
    calls("CreateKey", "ScheduleKeyDeletion", "PutKeyPolicy"),
    identity="{KeyId}",
    create_only=("customerMasterKeySpec", "keyUsage", "multiRegion", "customKeyStoreId", "xksKeyId"),
    client_only=("deletionWindowInDays", "bypassPolicyLockoutSafetyCheck"),
    defaults={
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "Enabled": True,
        "MultiRegion": False,
        "KeyRotationEnabled": False,
    },
    to_body=_key_body,
    compute=_compute_key,
    to_state=_key_state,
)


def key_of(account: Account, identifier: Json) -> CloudObject | None:
    """The key behind a key id, a key ARN, an alias name or an alias ARN."""
    text = str(identifier)
    if "alias/" in text:
        alias = account.get("kms:Alias", "alias/" + text.partition("alias/")[2])
        return account.get("kms:Key", str(alias.body["TargetKeyId"])) if alias else None
    return account.get("kms:Key", text.rpartition("/")[2])


def _alias_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "namePrefix", instead="set `name`, or neither for a generated name")
    target = inputs["targetKeyId"]
    return {
        "AliasName": inputs.get("name"),
        "TargetKeyId": target if is_unknown(target) else str(target).rpartition("/")[2],
    }


def _compute_alias(body: dict[str, Json], context: Context) -> None:
    body["AliasArn"] = arn("kms", str(body["AliasName"]), context.account)
    body["CreationDate"] = body["LastUpdatedDate"] = iso_time(context.account)


ALIAS = bind(
    "aws:kms/alias:Alias",
    "kms:Alias",
    calls("CreateAlias", "DeleteAlias", "UpdateAlias"),
    identity="{AliasName}",
    create_only=("name",),
    autoname=Autoname(property="name", max_length=250),
    tags=None,
    to_body=_alias_body,
    compute=_compute_alias,
    references=(
        Reference(
            body_path="TargetKeyId",
            kind="kms:Key",
            missing_code="NotFoundException",
            missing_message="Key '{value}' does not exist",
            holds=False,  # scheduling the deletion of a key disables its aliases
        ),
    ),
    to_state=lambda item, account: {
        "name": item.body["AliasName"],
        "arn": item.body.get("AliasArn"),
        "targetKeyArn": arn("kms", f"key/{item.body['TargetKeyId']}", account),
    },
)
BINDINGS = (KEY, ALIAS)
