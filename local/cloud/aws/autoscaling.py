"""EC2 Auto Scaling: scheduled actions of the groups that EKS makes for its node groups, and the rules about them.

The simulation keeps them and does not carry them out: its clock moves only when somebody moves it.
"""

from datetime import UTC, datetime

from local.cloud.aws import scenarios as on
from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import arn, get, refuse
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, WRITE, RuleBook
from local.cloud.model import Account, CloudObject, Context, Request
from local.cloud.values import Json, is_unknown

RULES = RuleBook()
KIND = "autoscaling:ScheduledUpdateGroupAction"
INVALID = "ValidationError"
SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
UNCHANGED = -1
"""The provider's word for a size that the action leaves alone."""


def _action_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    # Left out means 0 to the provider, which sends it.
    sizes = {name: inputs.get(name[0].lower() + name[1:], 0) for name in SIZES}
    return {
        "AutoScalingGroupName": inputs["autoscalingGroupName"],
        "ScheduledActionName": inputs["scheduledActionName"],
        "StartTime": inputs.get("startTime"),
        "EndTime": inputs.get("endTime"),
        "Recurrence": inputs.get("recurrence"),
        "TimeZone": inputs.get("timeZone"),
        **{name: size for name, size in sizes.items() if size != UNCHANGED},
    }


def _compute_action(body: dict[str, Json], context: Context) -> None:
    account = context.account
    named = f"autoScalingGroupName/{body['AutoScalingGroupName']}:scheduledActionName/{body['ScheduledActionName']}"
    unique = account.new_id("", length=32)
    body["ScheduledActionARN"] = arn("autoscaling", f"scheduledUpdateGroupAction:{unique}:{named}", account)


def _action_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    body = item.body
    return {
        "arn": body.get("ScheduledActionARN"),
        "autoscalingGroupName": body.get("AutoScalingGroupName"),
        **{name[0].lower() + name[1:]: body.get(name, UNCHANGED) for name in SIZES},
    }


def _keep_arn(before: CloudObject, after: CloudObject, _context: Context) -> None:
    after.body["ScheduledActionARN"] = before.body["ScheduledActionARN"]


SCHEDULE = bind(
    on.SCHEDULE_TOKEN,
    KIND,
    calls("PutScheduledUpdateGroupAction", "DeleteScheduledAction", "PutScheduledUpdateGroupAction"),
    identity="{AutoScalingGroupName}/{ScheduledActionName}",
    overwrites=True,
    create_only=("autoscalingGroupName", "scheduledActionName"),
    tags=None,
    to_body=_action_body,
    compute=_compute_action,
    after_update=_keep_arn,
    to_state=_action_state,
)
BINDINGS = (SCHEDULE,)


def actions_of(account: Account, node_group: CloudObject) -> list[CloudObject]:
    """The scheduled actions of a node group: they end with its Auto Scaling group."""
    names = [group["name"] for group in get(node_group.body, "resources.autoScalingGroups", [])]
    return [action for name in names for action in account.find(KIND, AutoScalingGroupName=name)]


_ACTION: dict[str, Json] = {
    "autoscalingGroupName": "${pool.resources.0.autoscalingGroups.0.name}",
    "scheduledActionName": "start",
    "startTime": "2099-01-01T00:00:00Z",
    "desiredCapacity": 1,
    "minSize": UNCHANGED,
    "maxSize": UNCHANGED,
}
_NODES = (*on.BEFORE_NODES, (on.NODE_GROUP_TOKEN, "pool", on.NODE_INPUTS))


@RULES.rule(
    "autoscaling-schedule-group",
    on.SCHEDULE_TOKEN,
    CREATE,
    INVALID,
    source="EC2 Auto Scaling API reference, PutScheduledUpdateGroupAction: AutoScalingGroupName, Common errors",
    accepts=on.creation(_ACTION, *_NODES),
    refuses=on.creation({**_ACTION, "autoscalingGroupName": "nobody"}),
)
def _group_exists(request: Request) -> None:
    wanted = get(request.body, "AutoScalingGroupName")
    names = [
        group["name"]
        for pool in request.account.find("eks:Nodegroup")
        for group in get(pool.body, "resources.autoScalingGroups", [])
    ]
    if not is_unknown(wanted) and wanted not in names:
        refuse(INVALID, f"AutoScalingGroup name not found - AutoScalingGroup {wanted} not found")


@RULES.rule(
    "autoscaling-schedule-past",
    on.SCHEDULE_TOKEN,
    WRITE,
    INVALID,
    source="botocore autoscaling PutScheduledUpdateGroupAction: an action in the past is an error; its words: "
    "hashicorp/terraform-provider-aws pull request 3033",
    accepts=on.creation(_ACTION, *_NODES),
    refuses=on.creation({**_ACTION, "startTime": "2020-01-01T00:00:00Z"}, *_NODES),
)
def _not_in_the_past(request: Request) -> None:
    for member, word in (("StartTime", "start"), ("EndTime", "end")):
        value = get(request.body, member)
        if isinstance(value, str) and datetime.fromisoformat(value).astimezone(UTC).timestamp() < request.account.now():
            refuse(INVALID, f"Given {word} time is in the past")


@RULES.rule(
    "autoscaling-schedule-sizes",
    on.SCHEDULE_TOKEN,
    WRITE,
    INVALID,
    source="botocore autoscaling PutScheduledUpdateGroupAction, DesiredCapacity: at least one of the three sizes",
    accepts=on.creation(_ACTION, *_NODES),
    refuses=on.creation({**_ACTION, "desiredCapacity": UNCHANGED}, *_NODES),
)
def _changes_something(request: Request) -> None:
    if all(get(request.body, name) is None for name in SIZES):
        refuse(INVALID, "At least one of MinSize, MaxSize or DesiredCapacity must be specified")


@RULES.rule(
    "autoscaling-schedule-quota",
    on.SCHEDULE_TOKEN,
    CREATE,
    "LimitExceeded",
    source="Quotas for Amazon EC2 Auto Scaling: 125 scheduled actions per Auto Scaling group",
    accepts=on.creation(_ACTION, *_NODES),
    refuses=on.creation(_ACTION, *_NODES, **{"quota__autoscaling__scheduled-actions-per-group": 0}),
)
def _action_quota(request: Request) -> None:
    group = get(request.body, "AutoScalingGroupName")
    limit = quota(request.account, "autoscaling:scheduled-actions-per-group")
    if len(request.account.find(KIND, AutoScalingGroupName=group)) >= limit:
        exceeded("LimitExceeded", f"The maximum number of scheduled actions of {group} has been reached ({limit})")
