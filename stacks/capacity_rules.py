"""Rules about where the machines of a pool come from, and who decides how many run."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from stacks.problems import Problem
from stacks.rules import Report, rule
from stacks.sections import CapacityBlock, Reservation

if TYPE_CHECKING:
    from stacks.settings import Settings

LONGEST_BLOCK_DAYS = 182
"""botocore ec2 DescribeCapacityBlockOfferings, CapacityDurationHours: "in 7-day increments up to 182 days"."""
SECONDS_PER_HOUR = 3600
HOURS_PER_DAY = 24


def block_hours(block: CapacityBlock) -> float | None:
    """How long the block lasts; None when the settings do not tell."""
    if block.starts is None or block.ends is None:
        return None
    return (
        datetime.fromisoformat(block.ends) - datetime.fromisoformat(block.starts)
    ).total_seconds() / SECONDS_PER_HOUR


@rule("reservation-with-placement-group", "pools")
def _reservation_decides_placement(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        if isinstance(pool.capacity, Reservation | CapacityBlock) and pool.placement_group:
            yield report.problem(
                "pools",
                number,
                "placementGroup",
                value=pool.placement_group,
                what="a reservation decides where its instances stand; with a placement group EC2 finds no capacity",
                allowed="false, or leave it out",
                fix="remove placementGroup, or the reservation",
            )


@rule("reservation-replacement", "pools")
def _reserved_machines_exist_once(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        if isinstance(pool.capacity, Reservation | CapacityBlock) and pool.replacement == "createFirst":
            yield report.problem(
                "pools",
                number,
                "replacement",
                value=pool.replacement,
                what="reserved machines exist once: new nodes cannot start while the old ones hold them",
                allowed="deleteFirst, or leave it out",
                fix="remove replacement",
            )


@rule("capacity-block-confirm", "pools")
def _blocks_are_confirmed(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        if isinstance(pool.capacity, CapacityBlock) and not pool.capacity.confirm:
            yield report.problem(
                "pools",
                number,
                "capacity",
                "confirm",
                value=pool.capacity.confirm,
                what="a capacity block is paid for whether it is used or not, and its nodes end with it",
                allowed="true",
                fix="set confirm: true when the block's owner agrees",
            )


@rule("capacity-block-owner", "pools")
def _blocks_are_scaled_by_a_schedule(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        if isinstance(pool.capacity, CapacityBlock) and pool.scaling.owner != "schedule":
            yield report.problem(
                "pools",
                number,
                "scaling",
                "owner",
                value=pool.scaling.owner,
                what="a block has machines between its start and its end only, and EKS itself empties the pool before "
                "the end: an update must not write the number of nodes",
                allowed="schedule",
                fix="add scaling: {owner: schedule}; a scheduled action of the pool's group then starts the nodes",
            )


@rule("capacity-block-period", "pools")
def _blocks_have_a_period(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        block = pool.capacity
        if not isinstance(block, CapacityBlock) or (block.starts is None and block.ends is None):
            continue
        hours = block_hours(block)
        if hours is None or not 0 < hours <= LONGEST_BLOCK_DAYS * HOURS_PER_DAY:
            yield report.problem(
                "pools",
                number,
                "capacity",
                "ends" if block.starts is not None else "starts",
                value=block.ends if block.starts is not None else block.starts,
                what="starts and ends make no period of a capacity block",
                allowed=f"both times, ends after starts and at most {LONGEST_BLOCK_DAYS} days later",
                fix="copy both from `aws ec2 describe-capacity-reservations`",
            )


@rule("scaling-bounds", "pools")
def _bounds_fit_the_owner(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        low = pool.scaling.min_nodes
        fixed = pool.scaling.owner == "settings"
        if low > pool.nodes or (fixed and low):
            yield report.problem(
                "pools",
                number,
                "scaling",
                "minNodes",
                value=low,
                what="the settings own the number of nodes, so there is nothing between a least and a most"
                if fixed
                else f"the pool has {pool.nodes} nodes at most",
                allowed="0, or leave it out" if fixed else f"0 to {pool.nodes}",
                fix="remove minNodes, or name another owner" if fixed else "lower minNodes, or raise nodes",
            )


@rule("training-in-block", "pools", "training")
def _runs_end_with_their_block(settings: "Settings", report: Report) -> Iterator[Problem]:
    pools = {pool.name: pool for pool in settings.pools}
    for number, run in enumerate(settings.training):
        pool = pools.get(run.pool)
        hours = block_hours(pool.capacity) if pool and isinstance(pool.capacity, CapacityBlock) else None
        if hours is not None and 0 < hours < run.max_hours:
            yield report.problem(
                "training",
                number,
                "maxHours",
                value=run.max_hours,
                what=f"the run may take longer than the capacity block of its pool {run.pool} lasts",
                allowed=f"at most {hours:g}",
                fix="give the run less time, or another pool",
            )
