import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cidr import CidrError, plan

ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")


def test_three_zones_of_a_slash_16_get_8187_private_addresses_each() -> None:
    address_plan = plan("10.0.0.0/16", ZONES)
    assert address_plan.private == {
        "us-east-1a": "10.0.0.0/19",
        "us-east-1b": "10.0.64.0/19",
        "us-east-1c": "10.0.128.0/19",
    }
    assert address_plan.public == {
        "us-east-1a": "10.0.32.0/24",
        "us-east-1b": "10.0.96.0/24",
        "us-east-1c": "10.0.160.0/24",
    }
    assert [(zone.private_addresses, zone.public_addresses) for zone in address_plan.zones] == [(8187, 251)] * 3


@given(
    prefix=st.integers(16, 18),
    third=st.integers(0, 255),
    zones=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=6, unique=True),
)
def test_subnets_never_overlap_and_never_leave_the_block(prefix: int, third: int, zones: list[str]) -> None:
    block = ipaddress.IPv4Network((f"10.{third}.0.0", prefix))
    address_plan = plan(str(block), zones)
    subnets = [ipaddress.IPv4Network(cidr) for cidr in (*address_plan.private.values(), *address_plan.public.values())]
    assert all(subnet.subnet_of(block) for subnet in subnets)
    assert not any(one.overlaps(other) for at, one in enumerate(subnets) for other in subnets[at + 1 :])
    assert min(zone.private_addresses for zone in address_plan.zones) >= 1019


@given(zones=st.lists(st.sampled_from("abcdef"), min_size=3, max_size=3, unique=True), more=st.just("z"))
def test_a_fourth_zone_added_at_the_end_moves_no_subnet(zones: list[str], more: str) -> None:
    before, after = plan("10.0.0.0/16", zones), plan("10.0.0.0/16", [*zones, more])
    assert after.zones[:3] == before.zones


@pytest.mark.parametrize(
    ("cidr", "zones", "says"),
    [
        ("10.0.0.0/33", ZONES, "not an IPv4 block"),
        ("10.0.0.1/16", ZONES, "host bits"),
        ("10.0.0.0/8", ZONES, "EC2 allows /16"),
        ("52.0.0.0/16", ZONES, "not a private range"),
        ("203.0.0.0/16", ZONES, "not a private range"),
        ("172.17.0.0/16", ZONES, "bridge of container runtimes"),
        ("10.0.0.0/20", ZONES, "Use a /19 or larger"),
        ("10.0.0.0/21", ZONES[:2], "Use a /20 or larger"),
        ("10.0.0.0/16", ZONES[:1], "2 to 6"),
        ("10.0.0.0/16", [f"z{index}" for index in range(7)], "2 to 6"),
        ("10.0.0.0/16", ["us-east-1a", "us-east-1a"], "listed twice"),
    ],
)
def test_a_block_or_zones_that_make_no_plan_are_refused_with_what_would(cidr: str, zones: list[str], says: str) -> None:
    with pytest.raises(CidrError, match=says):
        plan(cidr, zones)


def test_the_block_that_an_error_suggests_is_large_enough() -> None:
    with pytest.raises(CidrError, match="Use a /18 or larger"):
        plan("10.0.0.0/19", [f"z{index}" for index in range(5)])
    assert plan("10.0.0.0/18", [f"z{index}" for index in range(5)]).zones[0].private_addresses == 1019


def test_public_subnets_larger_than_private_ones_are_refused() -> None:
    with pytest.raises(CidrError, match="allowed are /19 to /28"):
        plan("10.0.0.0/16", ZONES, public_prefix=18)
