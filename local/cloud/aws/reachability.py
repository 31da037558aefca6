"""Whether security groups let traffic through, as VPC evaluates them: pure look-ups, no packet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from local.cloud.aws.common import get
from local.cloud.model import Account
from local.cloud.values import Json

ANY = "-1"
_NUMBERS = {"6": "tcp", "17": "udp", "1": "icmp"}


@dataclass(frozen=True)
class Permission:
    """One rule of a group: what it lets in (or out) and where that comes from (or goes to)."""

    protocol: str
    first: int | None
    last: int | None
    groups: frozenset[str]
    networks: frozenset[str]

    def covers(self, protocol: str, port: int | None) -> bool:
        """Whether the rule speaks of this protocol and port; a port of None asks for all of the protocol."""
        if self.protocol == ANY:
            return True
        if self.protocol != protocol or protocol == ANY:
            return False
        if self.first is None or self.last is None or port is None:
            return port is None and self.first in (None, 0) and self.last in (None, 65535)
        return self.first <= port <= self.last


def permissions(account: Account, group: str, *, egress: bool) -> Iterator[Permission]:
    """The rules of a group in one direction: its own objects, and the ones inside the group."""
    for rule in account.find("ec2:SecurityGroupRule", GroupId=group, IsEgress=egress):
        body = rule.body
        peer = get(body, "ReferencedGroupInfo.GroupId")
        network = get(body, "CidrIpv4")
        yield Permission(
            _protocol(body),
            get(body, "FromPort"),
            get(body, "ToPort"),
            frozenset([peer] if peer is not None else []),
            frozenset([network] if network is not None else []),
        )
    holder = account.get("ec2:SecurityGroup", group)
    for item in get(holder.body, "IpPermissionsEgress" if egress else "IpPermissions", []) if holder else []:
        pairs = [pair["GroupId"] for pair in item.get("UserIdGroupPairs") or []]
        yield Permission(
            _protocol(item),
            item.get("FromPort"),
            item.get("ToPort"),
            frozenset(group if pair == "self" else pair for pair in pairs),
            frozenset(entry["CidrIp"] for entry in item.get("IpRanges") or []),
        )


def _protocol(body: Json) -> str:
    text = str(get(body, "IpProtocol", ANY)).lower()
    return _NUMBERS.get(text, text)


def admits(
    account: Account,
    from_security_groups: Iterable[str],
    to_security_groups: Iterable[str],
    port: int | None,
    *,
    protocol: str = "tcp",
) -> bool:
    """Whether an interface with the first groups can open a connection to one with the second groups.

    The sender needs an egress rule and the receiver an ingress rule. A rule counts when it names one of the other
    side's groups, or everyone (``0.0.0.0/0``); rules for narrower networks are not evaluated, because groups alone do
    not say which addresses an interface has.

    Args:
        account: where the groups are.
        from_security_groups: ids of the sender's groups.
        to_security_groups: ids of the receiver's groups.
        port: TCP or UDP port; None asks for all traffic of the protocol.
        protocol: ``tcp``, ``udp``, or ``-1`` for everything.
    """
    senders, receivers = tuple(from_security_groups), tuple(to_security_groups)

    def open_between(own: Iterable[str], others: Iterable[str], *, egress: bool) -> bool:
        wanted = set(others)
        return any(
            rule.covers(protocol, port) and (rule.groups & wanted or "0.0.0.0/0" in rule.networks)
            for group in own
            for rule in permissions(account, group, egress=egress)
        )

    return open_between(senders, receivers, egress=True) and open_between(receivers, senders, egress=False)
