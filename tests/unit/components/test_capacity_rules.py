from dataclasses import replace

import pytest

from components.aws.capacity import Capacity, CapacityType, capacity_problems, size_problems, zone_problems

ON_DEMAND = Capacity(
    type=CapacityType.ON_DEMAND,
    reservation_id=None,
    reservation_placement_group=None,
    confirm_block=False,
    placement_group=None,
    efa=True,
)
RESERVED = replace(ON_DEMAND, type=CapacityType.RESERVATION, reservation_id="cr-0123456789abcdef0")
BLOCK = replace(RESERVED, type=CapacityType.CAPACITY_BLOCK, confirm_block=True)


@pytest.mark.parametrize(
    "good",
    [
        ON_DEMAND,
        RESERVED,
        BLOCK,
        replace(ON_DEMAND, type=CapacityType.SPOT),
        replace(ON_DEMAND, placement_group=True),
        replace(RESERVED, placement_group=False),
        replace(RESERVED, reservation_placement_group="bought-together"),
    ],
)
def test_capacity_that_ec2_takes_has_no_problem(good: Capacity) -> None:
    assert capacity_problems(good) == []


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (replace(RESERVED, reservation_id=None), "needs capacity_reservation_id"),
        (replace(BLOCK, reservation_id=None), "needs capacity_reservation_id"),
        (replace(ON_DEMAND, reservation_id="cr-0123456789abcdef0"), "does not use one"),
        (replace(RESERVED, reservation_id="reservation"), "is not a reservation's id"),
        (replace(ON_DEMAND, reservation_placement_group="x"), "there is no reservation"),
        (replace(RESERVED, placement_group=True), "InsufficientInstanceCapacity"),
        (replace(BLOCK, confirm_block=False), "paid for whether or not"),
    ],
)
def test_capacity_that_contradicts_itself_is_refused(bad: Capacity, says: str) -> None:
    (problem,) = capacity_problems(bad)
    assert says in problem


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (ON_DEMAND, True),
        (replace(ON_DEMAND, efa=False), False),
        (replace(ON_DEMAND, efa=False, placement_group=True), True),
        (replace(ON_DEMAND, placement_group=False), False),
        (RESERVED, False),
        (BLOCK, False),
    ],
)
def test_a_placement_group_is_made_for_a_fabric_without_a_reservation(capacity: Capacity, *, expected: bool) -> None:
    assert capacity.creates_placement_group is expected


@pytest.mark.parametrize(
    ("sizes", "says"), [((3, 4, 8), "3 nodes are outside 4 to 8"), ((0, 0, 0), "not possible"), ((1, -1, 1), "not")]
)
def test_pool_sizes_that_eks_refuses(sizes: tuple[int, int, int], says: str) -> None:
    assert says in size_problems(*sizes)[0]


def test_an_empty_pool_that_may_grow_is_a_pool() -> None:
    assert size_problems(0, 0, 1) == []


def test_a_fabric_pool_names_exactly_one_zone_of_the_network() -> None:
    zones = ("us-east-1a", "us-east-1b")
    assert zone_problems(zones[:1], zones, one=True) == []
    assert "names no zones" in zone_problems((), zones, one=True)[0]
    assert "names 2 zones" in zone_problems(zones, zones, one=True)[0]
    assert zone_problems((), zones, one=False) == []
    assert "'us-east-1f' is not one of the network's zones" in zone_problems(("us-east-1f",), zones, one=True)[0]


@pytest.mark.parametrize("change", [{"type": CapacityType.RESERVATION}, {"placement_group": True}, {"efa": True}])
def test_what_has_one_zone_is_asked_for_one(change: dict[str, CapacityType | bool]) -> None:
    plain = Capacity(
        type=CapacityType.ON_DEMAND,
        reservation_id=None,
        reservation_placement_group=None,
        confirm_block=False,
        placement_group=None,
        efa=False,
    )
    values = {**vars(plain), **change}
    assert (plain.one_zone, Capacity(**values).one_zone) == (False, True)
