"""Rules over one environment: what `slipway policy` and `slipway up` share."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.errors import UserError
from cli.events import PolicyNote, urn_name
from cli.exits import Exit
from cli.project import PROJECT, Stack
from components.tags import stack_tags
from policies.configured import Configuration, configured
from policies.cost.budgets import Spending
from policies.evaluate import Evaluation, evaluate
from policies.graph import ResourceGraph
from policies.pack import COST, OPEN
from policies.reports.locations import Locations
from policies.rules import RULES

_PACK: Final = "policies"


def configuration(stack: Stack) -> Configuration:
    """How the rules hold for this stack.

    Raises:
        SettingsError: its settings name rules that there are not.
    """
    settings = stack.settings
    return configured(
        settings.policies,
        RULES,
        protect=settings.protect,
        tags=_tags(stack),
        source=str(stack.file),
        spending=Spending.of(settings),
    )


def _tags(stack: Stack) -> Mapping[str, str]:
    settings = stack.settings
    return stack_tags(
        project=PROJECT,
        stack=stack.name,
        environment=settings.environment,
        owner=settings.owner,
        cost_center=settings.cost_center,
        ttl=settings.ttl,
        extra=settings.tags,
    )


def check(graph: ResourceGraph, how: Configuration) -> Evaluation:
    """Every rule over the graph, by today's date."""
    return evaluate(
        graph,
        RULES,
        limits=how.limits,
        levels=how.levels,
        suppressions=how.suppressions,
        today=datetime.now(UTC).date(),
    )


def pack_arguments(directory: Path) -> list[str]:
    """What makes the engine run the rules too; nothing where the program came without them."""
    return ["--policy-pack", _PACK] if (directory / _PACK / "PulumiPolicy.yaml").is_file() else []


def obey_policies(stack: Stack, console: Console) -> None:
    """Hold the stack's plan against the rules; what is broken is shown, with its fix.

    A checkout without the pack has no rules, and a program that cannot be planned is refused by the engine, in full.

    Raises:
        UserError: something is broken that the settings make mandatory, or a suppression has ended.
    """
    from cli.graph_of import planned_graph
    from local.cloud.plan import PlanError, ProgramRefusedError
    from policies.reports import table

    if not pack_arguments(stack.directory):
        return
    how = configuration(stack)
    try:
        graph = planned_graph(stack)
    except (UserError, PlanError, ProgramRefusedError):
        return
    result = check(graph, how)
    if not result.failed():
        return
    table.print_report(result, console)
    raise UserError(
        f"the policies of {stack.name} do not allow this update, so nothing was done",
        where=str(stack.file),
        fix="correct what is named above, or suppress it in that file with reason, owner and end",
        status=Exit.VIOLATIONS,
    )


def print_notes(notes: Sequence[PolicyNote], out: Console) -> None:
    """What the rules said in the engine: refusals in full, advice as counts, money in its own words."""
    own = {COST, OPEN}
    advice: dict[str, int] = {}
    for note in notes:
        if note.level == "mandatory":
            out.print(f"{note.rule} on {urn_name(note.urn)}: {note.message}", style="bold red", soft_wrap=True)
        elif note.rule not in own:
            advice[note.rule] = advice.get(note.rule, 0) + 1
    if advice:
        told = ", ".join(f"{rule} ({count})" for rule, count in advice.items())
        out.print(f"\nadvice: {told}; `slipway policy rules ID` explains", soft_wrap=True, style="dim")
    for note in notes:
        if note.rule in own:
            out.print(note.message, soft_wrap=True, style="bold" if note.rule == COST else "dim")


def read_source(path: Path) -> ResourceGraph:
    """The graph of a preview, an export or rendered manifests.

    Raises:
        UserError: there is no such file.
        SourceError: it is none of these.
    """
    from policies.sources import files

    if not path.is_file():
        raise UserError(
            "there is no such file",
            where=str(path),
            fix="write it with `pulumi preview --json --show-sames`, `pulumi stack export` or `helm template`",
        )
    return files.read(path)


def locations(stack: Stack) -> Locations:
    """Lines of the environment's file, named as in the repository."""
    return Locations.of(stack.file, stack.file.relative_to(stack.directory).as_posix())
