"""What KMS refuses of keys and aliases."""

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import arn, get, refuse
from local.cloud.aws.iam_documents import Kind, allows, principals, problem
from local.cloud.aws.rulebook import CREATE, WRITE, RuleBook
from local.cloud.model import Request

RULES = RuleBook()
MALFORMED = "MalformedPolicyDocumentException"
_KEY = (on.KEY_TOKEN, "key", {"description": "data"})
_ALIAS = {"name": "alias/data", "targetKeyId": "${key.keyId}"}
_OWNED = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": '
    '{"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"}]}'
)
_LOCKED = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": '
    '{"Service": "logs.us-east-1.amazonaws.com"}, "Action": "kms:Encrypt", "Resource": "*"}]}'
)


@RULES.rule(
    "kms-key-policy-document",
    on.KEY_TOKEN,
    WRITE,
    MALFORMED,
    source="botocore kms CreateKey: MalformedPolicyDocumentException",
    accepts=on.creation({"policy": _OWNED}),
    refuses=on.creation({"policy": '{"Version": "2012-10-17", "Statement": []}'}),
)
def _policy_document(request: Request) -> None:
    policy = get(request.body, "Policy")
    text = problem(policy, Kind.RESOURCE) if policy is not None else None
    if text:
        refuse(MALFORMED, text)


@RULES.rule(
    "kms-key-policy-lockout",
    on.KEY_TOKEN,
    WRITE,
    MALFORMED,
    source="KMS API reference, CreateKey, Policy: the key policy must allow the calling principal to make a subsequent "
    "PutKeyPolicy request",
    accepts=on.creation({"policy": _OWNED}),
    refuses=on.creation({"policy": _LOCKED}),
)
def _policy_lockout(request: Request) -> None:
    policy = get(request.body, "Policy")
    if policy is None:
        return
    named = principals(policy)
    own = {arn("iam", "root", request.account, region=False), request.account.account_id, "*"}
    caller = arn("iam", "role/", request.account, region=False)
    kept = any(name in own or name.startswith(caller) for name in named)
    if not kept or not allows(policy, "kms:PutKeyPolicy"):
        refuse(MALFORMED, "The new key policy will not allow you to update the key policy in the future.")


@RULES.rule(
    "kms-alias-name",
    on.ALIAS_TOKEN,
    CREATE,
    "NotAuthorizedException",
    source="KMS API reference, CreateAlias: the alias/aws/ prefix is reserved for AWS managed keys",
    accepts=on.creation(_ALIAS, _KEY),
    refuses=on.creation({**_ALIAS, "name": "alias/aws/data"}, _KEY),
)
def _alias_name(request: Request) -> None:
    if str(get(request.body, "AliasName")).startswith("alias/aws/"):
        refuse("NotAuthorizedException", "Not allowed to create aliases with the prefix alias/aws/.")


@RULES.rule(
    "kms-alias-exists",
    on.ALIAS_TOKEN,
    CREATE,
    "AlreadyExistsException",
    source="botocore kms CreateAlias: AlreadyExistsException",
    accepts=on.creation({**_ALIAS, "name": "alias/other"}, _KEY, (on.ALIAS_TOKEN, "first", _ALIAS)),
    refuses=on.creation(_ALIAS, _KEY, (on.ALIAS_TOKEN, "first", _ALIAS)),
)
def _alias_once(request: Request) -> None:
    name = str(get(request.body, "AliasName"))
    if request.account.get("kms:Alias", name) is not None:
        refuse("AlreadyExistsException", f"An alias with the name {arn('kms', name, request.account)} already exists")
