"""Which security groups let traffic through."""

from typing import Any

import pytest

from local.cloud.aws import scenarios as on
from local.cloud.aws.reachability import admits

_SERVERS: on.Step = (on.GROUP_TOKEN, "servers", {"name": "servers", "vpcId": "${vpc}"})


def _rule(token: str, group: str, peer: str, *, first: int = 988, last: int = 988) -> on.Step:
    inputs = {
        "securityGroupId": f"${{{group}}}",
        "referencedSecurityGroupId": f"${{{peer}}}",
        "ipProtocol": "tcp",
        "fromPort": first,
        "toPort": last,
    }
    return (token, f"{group}-{peer}", inputs)


OUT = _rule(on.EGRESS_TOKEN, "sg", "servers")
IN = _rule(on.INGRESS_TOKEN, "servers", "sg")


@pytest.mark.parametrize(
    ("rules", "port", "expected"),
    [
        ((OUT, IN), 988, True),
        ((OUT,), 988, False),
        ((IN,), 988, False),
        ((OUT, IN), 1018, False),
        ((OUT, _rule(on.INGRESS_TOKEN, "servers", "servers")), 988, False),
        ((_rule(on.EGRESS_TOKEN, "sg", "servers", first=900, last=999), IN), 988, True),
    ],
)
def test_both_sides_must_let_the_connection_through(
    world: Any, rules: tuple[on.Step, ...], port: int, *, expected: bool
) -> None:
    world.build((on.VPC, on.GROUP, _SERVERS, *rules))
    clients, servers = world.made["sg"].id, world.made["servers"].id

    assert admits(world.store, [clients], [servers], port) is expected


def test_everyone_and_all_traffic_include_the_port(world: Any) -> None:
    world.build((on.VPC, on.GROUP, _SERVERS))
    clients, servers = world.made["sg"].id, world.made["servers"].id
    for token, name, group in ((on.EGRESS_TOKEN, "out", clients), (on.INGRESS_TOKEN, "in", servers)):
        world.create(token, name, {"securityGroupId": group, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"})

    assert admits(world.store, [clients], [servers], 988)
    assert admits(world.store, [clients], [servers], None, protocol="-1")


def test_the_default_group_admits_itself_and_nobody_else(world: Any) -> None:
    world.build((on.VPC, on.GROUP))
    default, other = world.made["vpc"].state["defaultSecurityGroupId"], world.made["sg"].id

    assert admits(world.store, [default], [default], 988)
    assert not admits(world.store, [other], [default], 988)


def test_inline_rules_and_self_count(world: Any) -> None:
    rule = {"protocol": "tcp", "fromPort": 988, "toPort": 988, "self": True}
    world.create(*on.VPC)
    group = world.create(
        on.GROUP_TOKEN, "inline", {"vpcId": "${vpc}", "ingress": [rule], "egress": [{**rule, "toPort": 1023}]}
    )

    assert admits(world.store, [group.id], [group.id], 988)
    assert not admits(world.store, [group.id], [group.id], 1018)
