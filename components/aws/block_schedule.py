"""The scheduled action that starts the nodes of a capacity block."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pulumi
from pulumi_aws import autoscaling, eks

STARTS_AFTER = timedelta(minutes=5)
"""After the block's start, so that its machines are there: a launch before it is only an error in the group's log."""
ENDS_BEFORE = timedelta(minutes=60)
"""Before the block's end: EKS empties the group 40 minutes before it (EKS user guide, Capacity Blocks for managed node
groups), and nothing may fill it again."""
UPDATE_TAKES = timedelta(minutes=90)
"""The longest that an update may be under way before it makes the action: EKS makes a cluster and groups first."""
UNCHANGED = -1


@dataclass(frozen=True, kw_only=True)
class BlockPeriod:
    """When the machines of a capacity block are there, in UTC; ``reservation_id`` is the block's."""

    reservation_id: str
    starts: datetime
    ends: datetime


@dataclass(frozen=True, kw_only=True)
class StartAction:
    """Times of the scheduled action: ``begins`` is None where that time is over, or too near to be told to AWS."""

    begins: str | None
    ends: str
    recurrence: str


def start_action(block: BlockPeriod, now: datetime) -> StartAction | None:
    """The action for ``block``; None once the block is over.

    It repeats every hour: AWS forgets an action that runs once after it has run, which would read as drift; and a pool
    that is made, or lost its nodes, while the block runs gets them within the hour. EC2 Auto Scaling refuses a time in
    the past, so the beginning is left out when it might be over by the time that the action is made.
    """
    first, last = block.starts + STARTS_AFTER, block.ends - ENDS_BEFORE
    if last <= now:
        return None
    return StartAction(
        begins=_text(first) if first > now + UPDATE_TAKES else None,
        ends=_text(last),
        recurrence=f"{first.minute} * * * *",
    )


def create_start(
    name: str, *, nodes: int, block: BlockPeriod, group: eks.NodeGroup, now: datetime, parent: pulumi.Resource
) -> None:
    """Make the action that sets the desired size of ``group`` to ``nodes`` while ``block`` lasts, if it still does.

    Every change replaces it: the provider sends the first beginning again with any update, and once that is over AWS
    refuses it (terraform-provider-aws issue 38983).
    """
    action = start_action(block, now)
    if action is None:
        return
    autoscaling.Schedule(
        f"{name}-{block.reservation_id}",
        scheduled_action_name=f"slipway-{block.reservation_id}",
        autoscaling_group_name=group.resources.apply(_group_name),
        start_time=action.begins,
        end_time=action.ends,
        recurrence=action.recurrence,
        time_zone="Etc/UTC",
        desired_capacity=nodes,
        min_size=UNCHANGED,
        max_size=UNCHANGED,
        opts=pulumi.ResourceOptions(parent=parent, replace_on_changes=["*"], delete_before_replace=True),
    )


def _group_name(resources: Sequence[eks.outputs.NodeGroupResource]) -> str:
    """EKS makes one Auto Scaling group for a managed node group."""
    groups = (resources[0].autoscaling_groups if resources else None) or []
    return (groups[0].name if groups else None) or ""


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
