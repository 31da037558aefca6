"""All rules over one graph. Pure: the day is an argument, nothing is printed, and a broken rule breaks no other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Final

from policies.graph import Resource, ResourceGraph, UndecidedError
from policies.rule import Context, Limits, Rule, Severity, Violation
from stacks.governance import PolicyLevel, Suppression

MAX_TEXT: Final = 600
"""Characters of a message: enough for a value, its path and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How strictly each rule holds."""

    named: Mapping[str, PolicyLevel] = field(default_factory=dict)
    """By rule id or family; a rule's own entry goes before its family's."""

    def of(self, rule: Rule) -> PolicyLevel:
        """The level of one rule: as named, else mandatory from high severity on."""
        named = self.named.get(rule.id) or self.named.get(rule.family)
        if named is not None:
            return named
        return PolicyLevel.MANDATORY if rule.severity.rank >= Severity.HIGH.rank else PolicyLevel.ADVISORY


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A rule that a resource breaks."""

    rule: Rule
    resource: Resource
    violation: Violation
    level: PolicyLevel
    remedied: bool = False
    """Whether the engine will put it right by itself: the level says so, and the rule knows how."""

    @property
    def stops(self) -> bool:
        """Whether the engine refuses the update because of it."""
        return self.level is not PolicyLevel.ADVISORY and not self.remedied


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A rule that cannot tell before the update, because it needs a value that only then is known."""

    rule: Rule
    resource: Resource
    property: str


@dataclass(frozen=True, kw_only=True)
class Suppressed:
    """A finding that somebody answers for."""

    finding: Finding
    suppression: Suppression


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A rule that broke: a mistake in the rule, never a verdict on the resource."""

    rule: Rule
    resource: Resource
    error: str


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came out. Every list is in the order of the rules, then of the graph."""

    graph: ResourceGraph
    rules: tuple[Rule, ...]
    """Those that were looked at: not the disabled ones."""
    violations: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    expired: tuple[Suppression, ...] = ()
    """Suppressions whose day is over: each is a failure, and hides nothing any more."""
    unused: tuple[Suppression, ...] = ()
    """Suppressions that match no violation, and no undecided rule either."""
    faults: tuple[Fault, ...] = ()

    def stopping(self, fail_on: Severity | None = None) -> tuple[Finding, ...]:
        """The violations that must not be: those of this severity or worse; without one, those that stop an update."""
        if fail_on is None:
            return tuple(item for item in self.violations if item.stops)
        return tuple(item for item in self.violations if item.rule.severity.rank >= fail_on.rank and not item.remedied)

    def failed(self, fail_on: Severity | None = None) -> bool:
        """Whether somebody has to do something: a violation, an expired suppression, or a rule that broke."""
        return bool(self.stopping(fail_on) or self.expired or self.faults)


def evaluate(
    graph: ResourceGraph,
    rules: Iterable[Rule],
    *,
    limits: Limits | None = None,
    levels: Levels | None = None,
    suppressions: Sequence[Suppression] = (),
    today: date,
) -> Evaluation:
    """Hold every rule that is not disabled against the resources of its types.

    Args:
        graph: the resources.
        rules: for example ``policies.rules.RULES``.
        limits: what the environment allows.
        levels: how strictly each rule holds.
        suppressions: violations that somebody answers for; a suppression of a disabled rule counts as used.
        today: the day by which suppressions and the support of versions end.
    """
    context = Context(graph=graph, limits=limits or Limits(), today=today)
    known = levels or Levels()
    given = tuple(rules)
    active = tuple(rule for rule in given if known.of(rule) is not PolicyLevel.DISABLED)
    valid = tuple(item for item in suppressions if item.last_day >= today)
    found: list[Finding] = []
    suppressed: list[Suppressed] = []
    undecided: list[Undecided] = []
    faults: list[Fault] = []
    for rule in active:
        mine = [item for item in valid if item.rule == rule.id]
        for resource in graph.of_type(*sorted(rule.types)):
            if resource.external:
                continue
            for result in judge(rule, resource, context, known.of(rule)):
                if isinstance(result, Undecided):
                    undecided.append(result)
                elif isinstance(result, Fault):
                    faults.append(result)
                elif (excuse := _excuse(result.resource, mine)) is not None:
                    suppressed.append(Suppressed(finding=result, suppression=excuse))
                else:
                    found.append(result)
    return Evaluation(
        graph=graph,
        rules=active,
        violations=tuple(found),
        undecided=tuple(undecided),
        suppressed=tuple(suppressed),
        expired=tuple(item for item in suppressions if item.last_day < today),
        unused=tuple(_unused(valid, suppressed, undecided, active)),
        faults=tuple(faults),
    )


def judge(
    rule: Rule, resource: Resource, context: Context, level: PolicyLevel
) -> Iterator[Finding | Undecided | Fault]:
    """What one rule says of one resource, whatever the resource holds."""
    try:
        for violation in rule.check(resource, context):
            yield Finding(
                rule=rule,
                resource=resource,
                violation=replace(violation, message=told(violation.message)),
                level=level,
                remedied=level is PolicyLevel.REMEDIATE and remedy(rule, resource, context) is not None,
            )
    except UndecidedError as error:
        yield Undecided(rule=rule, resource=resource, property=error.path)
    except Exception as error:  # noqa: BLE001 -- a rule is code that others write: its mistake is reported, by name
        yield Fault(rule=rule, resource=resource, error=told(f"{type(error).__name__}: {error}"))


def told(text: str) -> str:
    """One line of a report: what a resource holds may be megabytes, or move a terminal's cursor."""
    short = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
    return short.strip() if short.isprintable() else "".join(c if c.isprintable() else " " for c in short).strip()


def remedy(rule: Rule, resource: Resource, context: Context) -> Mapping[str, object] | None:
    """The inputs with which ``resource`` obeys ``rule``, or None when the rule cannot put them right."""
    if rule.remediate is None:
        return None
    try:
        inputs = rule.remediate(resource.properties, context.limits)
        if inputs is None or any(True for _ in rule.check(replace(resource, properties=inputs), context)):
            return None
    except UndecidedError:
        return None
    return inputs


def matches(suppression: Suppression, resource: Resource) -> bool:
    """Whether a suppression speaks of this resource: by name or URN, ``*`` standing for any text."""
    wanted = suppression.resource.replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(resource.name, wanted) or fnmatchcase(resource.urn, wanted)


def _excuse(resource: Resource, suppressions: Iterable[Suppression]) -> Suppression | None:
    return next((item for item in suppressions if matches(item, resource)), None)


def _unused(
    valid: Iterable[Suppression],
    suppressed: Iterable[Suppressed],
    undecided: Sequence[Undecided],
    active: Iterable[Rule],
) -> Iterator[Suppression]:
    used = [item.suppression for item in suppressed]
    ids = {rule.id for rule in active}
    for item in valid:
        if item in used or item.rule not in ids:
            continue
        if not any(open_.rule.id == item.rule and matches(item, open_.resource) for open_ in undecided):
            yield item
