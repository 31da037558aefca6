"""``slipway drift``."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from cli import session, terminal
from cli.drift import Change, changes_json, drift
from cli.events import urn_type
from cli.exits import Exit
from cli.lazy import verb
from cli.project import open_stack
from cli.rehearsal.report import STATEFUL
from cli.update import run_update


class Severity(StrEnum):
    """How much depends on it; the order is that of a report."""

    CRITICAL = "critical"
    """Something that holds data, or decides who may enter, is gone or open."""
    MAJOR = "major"
    """The platform is not what the program says, and works differently."""
    MINOR = "minor"
    """Tags, descriptions, retention: nothing works differently today."""


_ENTRANCES: Final = (
    "aws:iam/",
    "aws:eks/accessEntry:",
    "aws:eks/accessPolicyAssociation:",
    "aws:ec2/securityGroup:",
    "aws:vpc/securityGroup",
    "aws:s3/bucketPolicy:",
    "aws:s3/bucketPublicAccessBlock:",
    "kubernetes:rbac.authorization.k8s.io/",
    "kubernetes:networking.k8s.io/",
)
"""Types that decide who may do what."""
_COSMETIC: Final = ("tags", "tagsAll", "description", "retentionInDays", "metadata.annotations", "metadata.labels")
_DOORS: Final = ("endpointPublicAccess", "publicAccessCidrs", "deletionProtection", "authenticationMode")
"""Properties of anything that open a door or take a guard away."""
_STYLES: Final = {Severity.CRITICAL: "bold red", Severity.MAJOR: "yellow", Severity.MINOR: "dim"}


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """One resource that is not as the state says."""

    change: Change
    severity: Severity
    why: str


def judge(change: Change) -> Drifted:
    """How bad a change behind Pulumi's back is."""
    token = urn_type(change.urn)
    paths = [item.path for item in change.properties]
    if change.operation == "delete":
        stateful = token in STATEFUL
        severity = Severity.CRITICAL if stateful or token.startswith(_ENTRANCES) else Severity.MAJOR
        return Drifted(change=change, severity=severity, why="deleted" + (", with what was in it" if stateful else ""))
    doors = [path for path in paths if any(door in path for door in _DOORS)]
    if doors:
        return Drifted(change=change, severity=Severity.CRITICAL, why=f"{doors[0]} guards the way in")
    if paths and all(path.startswith(_COSMETIC) for path in paths):
        return Drifted(change=change, severity=Severity.MINOR, why="nothing works differently today")
    if token.startswith(_ENTRANCES):
        return Drifted(change=change, severity=Severity.CRITICAL, why="it decides who may do what")
    return Drifted(change=change, severity=Severity.MAJOR, why="the platform is not what the program says")


def ordered(changes: Sequence[Change]) -> list[Drifted]:
    """Judged, the worst first."""
    rank = list(Severity)
    return sorted((judge(change) for change in changes), key=lambda item: (rank.index(item.severity), item.change.urn))


def drift_report(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Report what was changed behind Pulumi's back: how bad it is, and the command that accepts or reverts it.

    Looks only. Exit status 3 when something has drifted.

    \b
    Examples:
      slipway drift prod
      slipway drift prod --json | jq '.drift[] | select(.severity == "critical")'
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console, out = terminal.messages(), terminal.output()
    stack = open_stack(env)
    engine = session.started(stack, console)
    found = ordered(drift(run_update(engine, ["refresh", "--preview-only"], console).picture))
    if as_json:
        terminal.print_json(to_json(env, found, simulated=stack.simulated))
    elif not found:
        out.print(f"{env}: no drift: the account is as the state says", soft_wrap=True)
    else:
        show(env, found, out)
    if found:
        raise typer.Exit(Exit.NOT_READY)


def commands(env: str) -> dict[str, str]:
    """What a person can do about drift."""
    return {"revert": f"slipway up {env} --refresh", "accept": f"slipway refresh {env} --accept"}


def to_json(env: str, found: Sequence[Drifted], *, simulated: bool) -> dict[str, Any]:
    """For ``--json``."""
    changes = changes_json([item.change for item in found])
    return {
        "environment": env,
        "simulated": simulated,
        "drift": [
            {**change, "severity": str(item.severity), "why": item.why}
            for change, item in zip(changes, found, strict=True)
        ],
        "commands": commands(env),
    }


def show(env: str, found: Sequence[Drifted], out: Console) -> None:
    """One line per resource, one below it per property, then what can be done."""
    for item in found:
        line = Text(f"{item.severity:<9}", style=_STYLES[item.severity])
        line.append(f"{item.change.type} {item.change.name}: {item.why}", style="not bold default")
        out.print(line, soft_wrap=True)
        for difference in item.change.properties:
            out.print(f"           {difference}", style="dim", soft_wrap=True, markup=False)
    out.print()
    for word, command in commands(env).items():
        out.print(f"to {word}: `{command}`", soft_wrap=True)
    out.print(
        "accepting writes it into the state only: the next `slipway up` puts back what the program says, "
        "until you change the program too",
        style="dim",
        soft_wrap=True,
    )


app = verb(drift_report)
