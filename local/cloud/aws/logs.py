"""CloudWatch Logs: log groups, and the rules about them."""

from local.cloud.aws import scenarios as on
from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import arn, get, refuse, unmodelled
from local.cloud.aws.kms import key_of
from local.cloud.aws.rulebook import CREATE, RuleBook
from local.cloud.model import Account, Autoname, CloudObject, Context, Request
from local.cloud.values import Json

RULES = RuleBook()
RESERVED_PREFIX = "aws/"


def _group_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "namePrefix", instead="set `name`, or neither for a generated name")
    days = inputs.get("retentionInDays")
    return {
        "logGroupName": inputs.get("name"),
        "retentionInDays": None if days == 0 else days,  # 0 is the provider's word for "never"
        "kmsKeyId": inputs.get("kmsKeyId"),
        "logGroupClass": inputs.get("logGroupClass"),
        "deletionProtectionEnabled": inputs.get("deletionProtectionEnabled"),
    }


def complete(body: dict[str, Json], account: Account) -> None:
    """What the service adds to a log group, whoever makes it."""
    body["logGroupArn"] = arn("logs", f"log-group:{body['logGroupName']}", account)
    body["arn"] = f"{body['logGroupArn']}:*"
    body["creationTime"] = int(account.now() * 1000)
    body["storedBytes"] = 0
    body["metricFilterCount"] = 0


def _compute_group(body: dict[str, Json], context: Context) -> None:
    complete(body, context.account)


def _group_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    return {
        "name": item.body.get("logGroupName"),
        "arn": item.body.get("logGroupArn"),
        "retentionInDays": item.body.get("retentionInDays") or 0,
    }


LOG_GROUP = bind(
    "aws:cloudwatch/logGroup:LogGroup",
    "logs:LogGroup",
    calls("CreateLogGroup", "DeleteLogGroup", "PutRetentionPolicy"),
    identity="{logGroupName}",
    create_only=("name", "logGroupClass"),
    client_only=("skipDestroy",),
    camel_case_body=True,
    autoname=Autoname(property="name", max_length=512),
    tags="tags",
    tags_as_map=True,
    defaults={"logGroupClass": "STANDARD", "deletionProtectionEnabled": False},
    to_body=_group_body,
    compute=_compute_group,
    to_state=_group_state,
)
BINDINGS = (LOG_GROUP,)


@RULES.rule(
    "logs-group-exists",
    on.LOG_GROUP_TOKEN,
    CREATE,
    "ResourceAlreadyExistsException",
    source="botocore logs CreateLogGroup: ResourceAlreadyExistsException",
    accepts=on.creation({"name": "/aws/eks/demo/cluster"}, (on.LOG_GROUP_TOKEN, "first", {"name": "/aws/vpc/flow"})),
    refuses=on.creation({"name": "/aws/vpc/flow"}, (on.LOG_GROUP_TOKEN, "first", {"name": "/aws/vpc/flow"})),
)
def _group_once(request: Request) -> None:
    if request.account.get("logs:LogGroup", str(get(request.body, "logGroupName"))) is not None:
        refuse("ResourceAlreadyExistsException", "The specified log group already exists")


@RULES.rule(
    "logs-group-name",
    on.LOG_GROUP_TOKEN,
    CREATE,
    "InvalidParameterException",
    source="CloudWatch Logs API reference, CreateLogGroup: log group names can't start with the string aws/",
    accepts=on.creation({"name": "/aws/fsx/lustre"}),
    refuses=on.creation({"name": "aws/fsx/lustre"}),
)
def _group_name(request: Request) -> None:
    if str(get(request.body, "logGroupName")).startswith(RESERVED_PREFIX):
        refuse("InvalidParameterException", "Log groups starting with AWS/ are reserved for AWS.")


@RULES.rule(
    "logs-group-key",
    on.LOG_GROUP_TOKEN,
    CREATE,
    "InvalidParameterException",
    source="CloudWatch Logs user guide, Encrypt log data: the key policy must let logs.<region>.amazonaws.com in",
    accepts=on.creation(
        {"name": "/x", "kmsKeyId": "${key.arn}"},
        (
            on.KEY_TOKEN,
            "key",
            {
                "policy": '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": '
                '"arn:aws:iam::000000000000:root", "Service": "logs.us-east-1.amazonaws.com"}, "Action": "kms:*", '
                '"Resource": "*"}]}'
            },
        ),
    ),
    refuses=on.creation({"name": "/x", "kmsKeyId": "${key.arn}"}, (on.KEY_TOKEN, "key", {})),
)
def _group_key(request: Request) -> None:
    wanted = get(request.body, "kmsKeyId")
    if wanted is None:
        return
    key = key_of(request.account, wanted)
    principal = f"logs.{request.account.region}.amazonaws.com"
    policy = str(key.body["Policy"]) if key else ""
    if principal not in policy and "logs.amazonaws.com" not in policy:
        refuse(
            "InvalidParameterException",
            f"The specified KMS Key Id could not be found or is not allowed to be used with Arn "
            f"'{arn('logs', 'log-group:' + str(get(request.body, 'logGroupName')), request.account)}'",
        )
