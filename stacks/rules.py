"""Rules across sections: each looks at valid sections and yields what does not fit together.

A rule names the sections that it needs, so that a fault in one section hides no fault in the others and causes none.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stacks.fields import SIMULATED_ACCOUNT_ID
from stacks.places import AwsPlace
from stacks.problems import Problem, shown, yaml_path

if TYPE_CHECKING:
    from stacks.settings import Settings

Step = str | int
Check = Callable[["Settings"], Iterator[Problem]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A check over the sections ``needs`` (fields of ``Settings``); ``id`` names its problems."""

    id: str
    needs: frozenset[str]
    check: Check


RULES: list[Rule] = []


def rule(rule_id: str, *needs: str) -> Callable[[Callable[["Settings", "Report"], Iterator[Problem]]], Check]:
    """Registers a check; the check gets a ``Report`` that fills in the rule's id."""

    def register(check: Callable[["Settings", Report], Iterator[Problem]]) -> Check:
        def bound(settings: "Settings") -> Iterator[Problem]:
            yield from check(settings, Report(rule_id))

        RULES.append(Rule(id=rule_id, needs=frozenset(needs), check=bound))
        return bound

    return register


@dataclass(frozen=True)
class Report:
    """Makes the problems of one rule."""

    rule: str

    def problem(self, *at: Step, value: object, what: str, allowed: str, fix: str) -> Problem:
        """The problem at the place ``at`` of the file."""
        return Problem(path=yaml_path(at), value=shown(value), rule=self.rule, what=what, allowed=allowed, fix=fix)


def aws(settings: "Settings") -> AwsPlace | None:
    """The place when it is AWS."""
    return settings.place if isinstance(settings.place, AwsPlace) else None


def _repeated(names: Sequence[str]) -> Iterator[int]:
    """Positions of names that stand earlier too."""
    for position, name in enumerate(names):
        if name in names[:position]:
            yield position


def _unique(section: str, member: str) -> None:
    @rule("name-unique", section)
    def _names(settings: "Settings", report: Report) -> Iterator[Problem]:
        items = getattr(settings, section)
        for position in _repeated([getattr(item, member) for item in items]):
            yield report.problem(
                section,
                position,
                member,
                value=getattr(items[position], member),
                what="this name stands twice in the list",
                allowed="each name once",
                fix="rename one of them",
            )


for _section in ("pools", "storage", "teams", "training", "inference"):
    _unique(_section, "name")


@rule("zone-in-region", "place")
def _zones_in_region(settings: "Settings", report: Report) -> Iterator[Problem]:
    place = aws(settings)
    if place is None:
        return
    for position, zone in enumerate(place.network.zones):
        if not re.fullmatch(rf"{re.escape(place.region)}[a-z]", zone):
            yield report.problem(
                "place",
                "network",
                "zones",
                position,
                value=zone,
                what=f"this zone is not in the region {place.region}",
                allowed=f"{place.region}a, {place.region}b, …",
                fix="name zones of the stack's region",
            )


@rule("zone-unique", "place")
def _zones_differ(settings: "Settings", report: Report) -> Iterator[Problem]:
    place = aws(settings)
    zones = place.network.zones if place else ()
    for position in _repeated(zones):
        yield report.problem(
            "place",
            "network",
            "zones",
            position,
            value=zones[position],
            what="this zone stands twice",
            allowed="each zone once: subnets of one zone survive no loss of that zone",
            fix="name another zone",
        )


@rule("deployer-role-account", "place")
def _deployer_account(settings: "Settings", report: Report) -> Iterator[Problem]:
    place = aws(settings)
    if place and place.deployer_role_arn.split(":")[4] != place.account_id:
        yield report.problem(
            "place",
            "deployerRoleArn",
            value=place.deployer_role_arn,
            what=f"the role lives in another account than {place.account_id}",
            allowed=f"a role of account {place.account_id}",
            fix="correct accountId or the role",
        )


@rule("deployer-is-admin", "place", "access")
def _deployer_may_deploy(settings: "Settings", report: Report) -> Iterator[Problem]:
    place = aws(settings)
    if place and place.deployer_role_arn not in settings.access.admins:
        yield report.problem(
            "access",
            "admins",
            value=list(settings.access.admins),
            what="the deployer's role is no administrator, so nothing could be installed on the cluster",
            allowed=f"a list with {place.deployer_role_arn}",
            fix="add place.deployerRoleArn to the list (the creator of a cluster gets no rights by itself here)",
        )


@rule("admin-unique", "access")
def _admins_differ(settings: "Settings", report: Report) -> Iterator[Problem]:
    admins = settings.access.admins
    for position in _repeated(admins):
        yield report.problem(
            "access",
            "admins",
            position,
            value=admins[position],
            what="this principal stands twice",
            allowed="each principal once: a cluster takes one access entry for each",
            fix="remove one",
        )


@rule("simulated-account-state", "place", "state_backend")
def _simulation_keeps_to_files(settings: "Settings", report: Report) -> Iterator[Problem]:
    place = aws(settings)
    simulated = place is not None and place.account_id == SIMULATED_ACCOUNT_ID
    if simulated and not settings.state_backend.url.startswith("file://"):
        yield report.problem(
            "stateBackend",
            "url",
            value=settings.state_backend.url,
            what="the account is a simulated one, and its state must not mix with that of real stacks",
            allowed="file://…",
            fix="use a file backend, or name the real account in place.accountId",
        )


@rule("registry-prefix", "registry")
def _credentials_are_for_a_registry(settings: "Settings", report: Report) -> Iterator[Problem]:
    if settings.registry.credentials is not None and not settings.registry.prefix:
        yield report.problem(
            "registry",
            "prefix",
            value=settings.registry.prefix,
            what="there are credentials and no registry that they are for",
            allowed="the registry's host and path, as images name it",
            fix="add prefix, or remove credentials",
        )


_PRODUCTION = re.compile(r"prod(uction)?(-.*)?")


@rule("production-protected", "environment", "protect")
def _production_is_protected(settings: "Settings", report: Report) -> Iterator[Problem]:
    if _PRODUCTION.fullmatch(settings.environment) and not settings.protect:
        yield report.problem(
            "protect",
            value=settings.protect,
            what=f"the environment {settings.environment} holds production data and is not protected",
            allowed="true",
            fix="set protect: true, or choose another name for an environment that may be lost",
        )


@rule("ttl-or-protect", "environment", "protect", "ttl")
def _either_ends_or_is_protected(settings: "Settings", report: Report) -> Iterator[Problem]:
    if settings.protect and settings.ttl is not None:
        yield report.problem(
            "ttl",
            value=settings.ttl,
            what="a protected stack cannot be taken away when its time is over",
            allowed="no ttl while protect is true",
            fix="remove ttl, or set protect: false",
        )
    if not settings.protect and settings.ttl is None and not _PRODUCTION.fullmatch(settings.environment):
        yield report.problem(
            "ttl",
            value=settings.ttl,
            what="a stack that nothing protects needs an end, or it is forgotten and paid for",
            allowed="for example 8h or 14d",
            fix="add ttl, or set protect: true",
        )
