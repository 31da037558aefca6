"""How a plan is told: to people as a tree and tables, to scripts as JSON."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cli.events import short_type
from cli.outputs import StackOutputs
from cli.plan_model import Branch, Plan
from cli.terminal import counted, table


def to_json(plan: Plan, outputs: StackOutputs, *, stack: str, simulated: bool) -> dict[str, Any]:
    """The document of ``slipway plan --json``."""
    return {
        "environment": outputs.environment,
        "stack": stack,
        "account": outputs.account,
        "region": outputs.region,
        "simulated": simulated,
        "clusters": [cluster.model_dump(exclude={"kubeconfig"}) for cluster in outputs.clusters],
        "storage": [item.model_dump() for item in outputs.storage],
        "queues": [item.model_dump() for item in outputs.queues],
        "training": [item.model_dump() for item in outputs.training],
        "inference": [item.model_dump() for item in outputs.inference],
        "subnets": [
            {"name": item.name, "zone": item.zone, "cidr": item.cidr, "usable": item.usable, "public": item.public}
            for item in plan.subnets
        ],
        "addons": [{"name": item.name, "version": item.version, "by": item.by} for item in plan.addons],
        "exposed": list(plan.exposed),
        "resources": [
            {
                "type": item.type,
                "name": item.name,
                "urn": item.urn,
                "parent": item.parent,
                "inputs": {name: "[secret]" if name in item.secrets else value for name, value in item.inputs.items()},
                "marker": item.marker,
            }
            for item in plan.resources
        ],
    }


def print_plan(plan: Plan, outputs: StackOutputs, console: Console, *, full: bool) -> None:
    """Tree, pools, addresses, storage, runs, add-ons, exposure."""
    console.print(_tree(plan.tree, full=full))
    for part in (
        _pools(outputs),
        _addresses(plan),
        _storage(outputs),
        _queues(outputs),
        _runs(outputs),
        _services(outputs),
        _addons(plan),
    ):
        if part.row_count:
            console.print()
            console.print(part)
    if plan.exposed:
        console.print()
        console.print("reachable from outside", style="bold")
        for text in plan.exposed:
            console.print(f"  {text}", soft_wrap=True)
    unmodelled = sorted({item.type for item in plan.resources if item.marker})
    if unmodelled:
        console.print()
        console.print("checked by shape only (replacement unknown): " + ", ".join(unmodelled), soft_wrap=True)


def _tree(root: Branch, *, full: bool) -> Tree:
    tree = Tree(Text(f"{root.resource.name}: {counted(root.total(), 'resource')}", style="bold"), guide_style="dim")
    _grow(tree, root, full=full)
    return tree


def _grow(tree: Tree, branch: Branch, *, full: bool) -> None:
    for child in branch.branches:
        label = Text(child.resource.name, style="bold")
        label.append(f"  {short_type(child.resource.type)}", style="cyan")
        label.append(f"  {child.total()}", style="dim")
        _grow(tree.add(label), child, full=full)
    if full:
        for leaf in branch.leaves:
            label = Text(leaf.name)
            label.append(f"  {short_type(leaf.type)}", style="dim")
            tree.add(label)
    elif branch.leaves:
        texts = [f"{name} x{number}" if number > 1 else name for name, number in branch.counts()]
        tree.add(Text(", ".join(texts), style="dim"))


def _pools(outputs: StackOutputs) -> Table:
    made = table("pool", "type", "nodes", "accelerators", "EFA interfaces", title="pools")
    for cluster in outputs.clusters:
        for pool in cluster.pools:
            accelerators = f"{pool.gpus} {pool.accelerator_model or ''} ({pool.nodes} x {pool.gpus_per_node})"
            interfaces = f"{pool.efa_interfaces} ({pool.nodes} x {pool.efa_per_node})"
            made.add_row(
                pool.name,
                pool.instance_type,
                str(pool.nodes),
                accelerators if pool.gpus else "-",
                interfaces if pool.efa_interfaces else "-",
            )
    return made


def _addresses(plan: Plan) -> Table:
    networks = ", ".join(cidr for _, cidr in plan.networks)
    made = table("zone", "subnet", "block", "usable", "", title=f"addresses of {networks or 'no network'}")
    for subnet in plan.subnets:
        side = "public" if subnet.public else "private"
        made.add_row(subnet.zone, subnet.name, subnet.cidr, f"{subnet.usable:,}", side)
    return made


def _storage(outputs: StackOutputs) -> Table:
    made = table("name", "kind", "capacity", "zone", "claim", title="storage")
    for item in outputs.storage:
        claim = f"{item.namespace}/{item.claim}" if item.claim else "-"
        made.add_row(item.name, item.kind, f"{item.capacity_gib:,} GiB", item.zone or "-", claim)
    return made


def _queues(outputs: StackOutputs) -> Table:
    made = table("team", "own nodes", "may borrow", "weight", title="queues")
    for item in outputs.queues:
        made.add_row(item.team, _by_pool(item.nodes), _by_pool(item.borrowing), str(item.weight))
    return made


def _by_pool(nodes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {pool}" for pool, count in nodes.items() if count) or "-"


def _runs(outputs: StackOutputs) -> Table:
    made = table("run", "namespace", "nodes", "accelerators", title="training")
    for item in outputs.training:
        made.add_row(item.run, item.namespace, str(item.nodes), str(item.gpus))
    return made


def _services(outputs: StackOutputs) -> Table:
    made = table("service", "namespace", "pool", "replicas", "accelerators each", title="inference")
    for item in outputs.inference:
        replicas = f"{item.min_replicas} to {item.max_replicas}"
        made.add_row(item.name, item.namespace, item.pool, replicas, str(item.gpus_per_replica))
    return made


def _addons(plan: Plan) -> Table:
    made = table("name", "version", "by", title="add-ons")
    for item in plan.addons:
        made.add_row(item.name, item.version, item.by)
    return made
