"""Rules of security groups, whichever of the four ways of writing them a program uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from policies.aws_types import DEFAULT_SECURITY_GROUP, EGRESS_RULE, INGRESS_RULE, SECURITY_GROUP, SECURITY_GROUP_RULE
from policies.graph import Resource, ResourceGraph, UndecidedError
from policies.reading import entries, flag, number, strings, targets, text

GROUPS: Final = (SECURITY_GROUP, DEFAULT_SECURITY_GROUP)
RULES: Final = (INGRESS_RULE, EGRESS_RULE, SECURITY_GROUP_RULE)
HOLDERS: Final = frozenset({*GROUPS, INGRESS_RULE, SECURITY_GROUP_RULE})
"""What may hold a rule that lets traffic in."""
ALL: Final = "-1"


@dataclass(frozen=True)
class GroupRule:
    """One rule: an own resource, or an object in the list of its group."""

    holder: Resource
    at: str
    """Path of the object in its group; empty for an own resource."""
    ingress: bool

    def path(self, name: str) -> str:
        """The path of one of its inputs."""
        return f"{self.at}.{name}" if self.at else name

    @property
    def separate(self) -> bool:
        """Whether it is of the types with one peer each."""
        return self.holder.type in {INGRESS_RULE, EGRESS_RULE}

    @property
    def protocol(self) -> str:
        """As EC2 spells it; ``-1`` is every protocol."""
        value = text(self.holder, self.path("ipProtocol" if self.separate else "protocol"))
        return ALL if value == "all" else value

    @property
    def ports(self) -> tuple[int, int]:
        """First and last port."""
        first, last = number(self.holder, self.path("fromPort")), number(self.holder, self.path("toPort"))
        return (-1 if first is None else first, -1 if last is None else last)

    def cidrs(self) -> tuple[tuple[str, str], ...]:
        """The address blocks of its peers, each with the path of the input that holds it."""
        if self.separate:
            names = ("cidrIpv4", "cidrIpv6")
            return tuple((name, block) for name in names if (block := text(self.holder, name)))
        found = []
        for name in ("cidrBlocks", "ipv6CidrBlocks"):
            found += [(self.path(name), block) for block in strings(self.holder, self.path(name))]
        return tuple(found)

    def covers(self, first: int, last: int) -> bool:
        """Whether it lets TCP through on all these ports."""
        if self.protocol == ALL:
            return True
        low, high = self.ports
        return self.protocol in {"tcp", "6"} and low <= first and last <= high

    def meets(self, graph: ResourceGraph, group: Resource) -> bool:
        """Whether ``group`` is its peer."""
        if self.holder.type in GROUPS or self.holder.type == SECURITY_GROUP_RULE:
            itself = flag(self.holder, self.path("self"), default=False)
            if itself and (self.holder is group or group in targets(graph, self.holder, "securityGroupId", *GROUPS)):
                return True
        if self.at:
            return bool({group.id, text(group, "name")} & set(strings(self.holder, self.path("securityGroups"))) - {""})
        name = "referencedSecurityGroupId" if self.separate else "sourceSecurityGroupId"
        return group in targets(graph, self.holder, name, *GROUPS)


def inline_rules(group: Resource) -> tuple[GroupRule, ...]:
    """The rules in the lists of a group."""
    return tuple(
        GroupRule(group, at, ingress=name == "ingress") for name in ("ingress", "egress") for at in entries(group, name)
    )


def own_rule(resource: Resource) -> GroupRule:
    """A rule that is a resource of its own."""
    if resource.type == SECURITY_GROUP_RULE:
        return GroupRule(resource, "", ingress=text(resource, "type") != "egress")
    return GroupRule(resource, "", ingress=resource.type == INGRESS_RULE)


@dataclass(frozen=True)
class _Separate:
    by_group: Mapping[str, tuple[Resource, ...]]
    undecided: bool


def _separate(graph: ResourceGraph) -> _Separate:
    found: dict[str, list[Resource]] = {}
    undecided = False
    for item in graph.of_type(*RULES):
        try:
            for group in targets(graph, item, "securityGroupId", *GROUPS):
                found.setdefault(group.urn, []).append(item)
        except UndecidedError:
            undecided = True
    return _Separate(MappingProxyType({urn: tuple(items) for urn, items in found.items()}), undecided)


def rules_of(graph: ResourceGraph, group: Resource, *, ingress: bool) -> tuple[GroupRule, ...]:
    """All rules of a group in one direction.

    Raises:
        UndecidedError: there are rules of which only the update will tell whose they are.
    """
    known = graph.derived(_separate)
    if known.undecided:
        raise UndecidedError("securityGroupId")
    rules = (*inline_rules(group), *(own_rule(item) for item in known.by_group.get(group.urn, ())))
    return tuple(rule for rule in rules if rule.ingress is ingress)
