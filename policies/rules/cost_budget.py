"""Rules about money: what is planned fits the budget, and all of it has a price."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from policies.cost.budgets import Spending, Standing, Verdict, standings
from policies.cost.catalogue import Catalogue
from policies.cost.estimate import PRICERS, Estimate, estimate, estimate_one
from policies.cost.model import Category, Line
from policies.cost.nodes import COMPUTE
from policies.graph import Resource, UndecidedError
from policies.rule import Context, Example, Limits, Reference, Rule, Severity, Violation
from stacks.governance import Budget

_STACK: Final = "pulumi:pulumi:Stack"
_NODE_GROUP: Final = "aws:eks/nodeGroup:NodeGroup"
_LUSTRE: Final = "aws:fsx/lustreFileSystem:LustreFileSystem"
_NEVER_PRICED: Final = frozenset(
    {
        "aws:autoscaling/group:Group",
        "aws:batch/computeEnvironment:ComputeEnvironment",
        "aws:ec2/fleet:Fleet",
        "aws:ec2/spotInstanceRequest:SpotInstanceRequest",
        "aws:efs/fileSystem:FileSystem",
        "aws:fsx/ontapFileSystem:OntapFileSystem",
        "aws:fsx/openZfsFileSystem:OpenZfsFileSystem",
        "aws:sagemaker/endpoint:Endpoint",
        "aws:sagemaker/notebookInstance:NotebookInstance",
    }
)
"""Machines and data that the kit does not make and has no prices for."""
_WELL_ARCHITECTED: Final = Reference(
    framework="AWS Well-Architected Framework",
    version="2024",
    requirement="Cost Optimization Pillar: COST 2, govern usage",
)


def _estimate(context: Context) -> Estimate:
    spending = context.limits.spending
    return estimate(context.graph, catalogue=Catalogue.load(), usage=spending.usage, blocks=spending.blocks)


def _within_budget(_resource: Resource, context: Context) -> Iterator[Violation]:
    spending = context.limits.spending
    if spending.budget is None:
        return
    found = _estimate(context)
    over = [item for item in standings(found, spending.budget) if item.verdict is Verdict.OVER]
    yield from (Violation(message=_over(item, found)) for item in over)
    unknown = "" if over else next((gap.undecided for gap in found.unpriced if gap.undecided), "")
    if unknown:
        raise UndecidedError(unknown)


def _over(item: Standing, found: Estimate) -> str:
    dearest = max(found.lines, key=lambda line: line.expected).name if found.lines else "nothing"
    return (
        f"{item.estimated.expected:,.2f} {item.unit} are expected, and budget.{item.setting} allows {item.limit:,.2f}; "
        f"the dearest resource is {dearest}"
    )


def _nothing_unpriced(resource: Resource, context: Context) -> Iterator[Violation]:
    spending = context.limits.spending
    line, gaps = estimate_one(
        resource, context.graph, catalogue=Catalogue.load(), usage=spending.usage, blocks=spending.blocks
    )
    for gap in gaps:
        if gap.undecided:
            raise UndecidedError(gap.undecided)
        if gap.concerns_gpu_or_storage:
            yield Violation(message=f"nothing says what {gap.what} costs: {gap.why}")
    if line is not None and line.category is Category.ACCELERATORS:
        yield from _derived(line)


def _derived(line: Line) -> Iterator[Violation]:
    """A guess is good enough for storage, not for accelerators: there it is most of the bill."""
    for item in line.components:
        price = item.unit_price
        if price is not None and price.derived and not item.name.startswith(("volume", "root volume")):
            yield Violation(message=f"the price of {item.name} is only derived: {price.derived}")


_URN: Final = "urn:pulumi:test::slipway::"
_PROVIDER: Final = Resource(
    type="pulumi:providers:aws",
    name="aws",
    urn=f"{_URN}pulumi:providers:aws::aws",
    properties={"region": "us-east-1"},
)
_POOL: Final = Resource(
    type=_NODE_GROUP,
    name="training",
    urn=f"{_URN}{_NODE_GROUP}::training",
    provider=_PROVIDER.urn,
    properties={
        "clusterName": "main",
        "instanceTypes": ["p5.48xlarge"],
        "capacityType": "ON_DEMAND",
        "scalingConfig": {"minSize": 1, "desiredSize": 1, "maxSize": 8},
    },
)
_WHOLE: Final = Resource(type=_STACK, name="slipway-test", urn=f"{_URN}{_STACK}::slipway-test", custom=False)

WITHIN_BUDGET: Final = Rule(
    id="cost-within-budget",
    title="The stack is expected to cost no more than its budget",
    severity=Severity.CRITICAL,
    rationale="A node group of eight H100 machines costs more in an hour than most teams notice in a week; the first "
    "bill comes weeks later.",
    source="EC2 on-demand price list of 2026-07-20 (p5.48xlarge, 55.04 USD an hour) and the stack's own settings",
    fix="raise budget.monthlyUsd, hourlyUsd or gpuHours in the settings, or plan fewer or smaller nodes",
    types=frozenset({_STACK}),
    check=_within_budget,
    whole_stack=True,
    references=(_WELL_ARCHITECTED,),
    example=Example(
        passing=(_PROVIDER, _WHOLE, _POOL),
        resource=_WHOLE.name,
        changed=_POOL.name,
        path="scalingConfig.desiredSize",
        value=8,
        limits=Limits(spending=Spending(budget=Budget(monthlyUsd=Decimal(100_000)))),
    ),
)

NOTHING_UNPRICED: Final = Rule(
    id="cost-nothing-unpriced",
    title="Accelerators and storage have a price",
    severity=Severity.HIGH,
    rationale="What has no price is missing from every total, budget and comparison, and with accelerators and storage "
    "that is most of the bill.",
    source="policies/cost/data/SOURCES.md lists what could not be sourced; a price list reads nothing as free",
    fix="run `slipway cost refresh` with credentials, write usage.capacityBlockFees, or choose a type that has a price",
    types=frozenset({token for token, entry in PRICERS.items() if entry.storage or token in COMPUTE} | _NEVER_PRICED),
    check=_nothing_unpriced,
    whole_stack=True,
    references=(_WELL_ARCHITECTED,),
    example=Example(
        passing=(_PROVIDER, _POOL),
        resource=_POOL.name,
        changed=_POOL.name,
        path="instanceTypes[0]",
        value="p5e.48xlarge",
    ),
)
