"""Nodes between teams: exact figures, and what holds for every division."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from components.kubernetes.quotas import divide

NAMES = ("a", "b", "c", "d")


def test_eight_nodes_between_96_and_16_are_seven_and_one() -> None:
    assert divide(8, {"research": 96, "evaluation": 16}, {"research": 12, "evaluation": 2}) == {
        "research": 7,
        "evaluation": 1,
    }


def test_four_nodes_between_equals_are_two_each_and_a_fifth_goes_to_the_first() -> None:
    assert divide(4, {"a": 8, "b": 8}, {"a": 9, "b": 9}) == {"a": 2, "b": 2}
    assert divide(5, {"a": 8, "b": 8}, {"a": 9, "b": 9}) == {"a": 3, "b": 2}


def test_a_team_that_may_hold_little_leaves_the_rest_to_others_and_then_to_nobody() -> None:
    assert divide(6, {"a": 90, "b": 10}, {"a": 2, "b": 9}) == {"a": 2, "b": 4}
    assert divide(6, {"a": 90, "b": 10}, {"a": 2, "b": 1}) == {"a": 2, "b": 1}, "three nodes are nobody's own"


def test_who_claims_nothing_gets_nothing() -> None:
    assert divide(3, {"a": 0, "b": 1}, {"a": 3, "b": 3}) == {"a": 0, "b": 3}
    assert divide(3, {}, {}) == {}


amounts = st.dictionaries(st.sampled_from(NAMES), st.tuples(st.integers(0, 9000), st.integers(0, 40)), max_size=4)


@given(nodes=st.integers(0, 60), claims=amounts)
def test_no_division_gives_more_than_there_is_or_anybody_may_have(
    nodes: int, claims: dict[str, tuple[int, int]]
) -> None:
    weights = {name: weight for name, (weight, _) in claims.items()}
    limits = {name: limit for name, (_, limit) in claims.items()}
    given_out = divide(nodes, weights, limits)
    able = sum(limit for name, limit in limits.items() if weights[name])
    assert sum(given_out.values()) == min(nodes, able), "no node stays over while somebody may have it"
    assert all(given_out[name] <= limits[name] for name in given_out)
    assert divide(nodes, weights, limits) == given_out


@given(nodes=st.integers(0, 60), claims=amounts)
def test_a_larger_claim_never_gets_less(nodes: int, claims: dict[str, tuple[int, int]]) -> None:
    weights = {name: weight for name, (weight, _) in claims.items()}
    given_out = divide(nodes, weights, dict.fromkeys(weights, nodes))
    ranked = sorted(weights, key=lambda name: weights[name])
    for smaller, larger in pairwise(ranked):
        assert weights[smaller] == weights[larger] or given_out[smaller] <= given_out[larger]
