import ipaddress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cluster.process_node.network.addresses import NoAddressError, NodeBlocks, PodAddresses

BLOCK = "100.100.1.0/24"


def test_an_address_survives_a_restart_of_the_agent(tmp_path: Path) -> None:
    first = PodAddresses(tmp_path / "state.json", BLOCK).assign("a")
    again = PodAddresses(tmp_path / "state.json", BLOCK)
    assert (again.find("a"), again.assign("a")) == (first, first)
    assert again.assign("b") != first, "the address still belongs to a"


def test_an_address_is_used_again_as_late_as_possible(tmp_path: Path) -> None:
    addresses = PodAddresses(tmp_path / "state.json", BLOCK)
    first = addresses.assign("a")
    addresses.release("a")
    later = [addresses.assign(f"pod-{index}") for index in range(253)]
    assert first not in later, "253 others were free"
    assert addresses.assign("last") == first


def test_pods_that_went_while_no_agent_ran_hold_no_addresses(tmp_path: Path) -> None:
    former = PodAddresses(tmp_path / "state.json", BLOCK)
    kept = {uid: former.assign(uid) for uid in ("a", "b", "c")}["b"]
    addresses = PodAddresses(tmp_path / "state.json", BLOCK)
    addresses.keep({"b", "not here yet"})
    again = PodAddresses(tmp_path / "state.json", BLOCK)
    assert (again.find("a"), again.find("b"), again.find("c")) == (None, kept, None)


def test_the_order_survives_a_restart_too(tmp_path: Path) -> None:
    addresses = PodAddresses(tmp_path / "state.json", BLOCK)
    first = addresses.assign("a")
    addresses.release("a")
    assert PodAddresses(tmp_path / "state.json", BLOCK).assign("b") != first, (
        "an old peer may still remember a's address"
    )


def test_a_full_block_says_so(tmp_path: Path) -> None:
    addresses = PodAddresses(tmp_path / "state.json", BLOCK)
    for index in range(254):
        addresses.assign(str(index))
    with pytest.raises(NoAddressError, match=r"all 254 of 100\.100\.1\.0/24 are taken"):
        addresses.assign("one more")


def test_another_block_starts_anew(tmp_path: Path) -> None:
    PodAddresses(tmp_path / "state.json", BLOCK).assign("a")
    assert PodAddresses(tmp_path / "state.json", "100.100.9.0/24").find("a") is None, (
        "its address is another node's now"
    )


def test_a_damaged_state_file_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"scope": "100.100.1.0/24", "ow')
    assert PodAddresses(tmp_path / "state.json", BLOCK).assign("a") == "100.100.1.1"


def test_nodes_get_blocks_of_their_own_that_never_hold_the_bridge(tmp_path: Path) -> None:
    blocks = NodeBlocks(tmp_path / "nodes.json", "100.100.0.0/16")
    assert [blocks.block_of("a"), blocks.block_of("b"), blocks.block_of("a")] == [
        "100.100.1.0/24",
        "100.100.2.0/24",
        "100.100.1.0/24",
    ], "100.100.0.0/24 holds the gateway"


def test_a_block_of_a_node_that_is_gone_is_given_away_only_when_none_is_free(tmp_path: Path) -> None:
    blocks = NodeBlocks(tmp_path / "nodes.json", "100.100.0.0/22")
    taken = [blocks.block_of(name) for name in ("a", "b", "c")]
    assert blocks.block_of("d", living={"a", "c"}) == taken[1], "b's agent is not connected"
    with pytest.raises(NoAddressError, match="all 3"):
        blocks.block_of("e", living={"a", "c", "d"})


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.sampled_from(["assign", "release"]), st.integers(0, 20)), max_size=80))
def test_no_two_pods_ever_share_an_address(steps: list[tuple[str, int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "state.json"
        held: dict[str, str] = {}
        for step, number in steps:
            addresses = PodAddresses(path, "100.100.1.0/28")
            owner = str(number)
            if step == "release":
                addresses.release(owner)
                held.pop(owner, None)
            elif owner in held or len(held) < 14:
                held[owner] = addresses.assign(owner)
            assert len(set(held.values())) == len(held)
            assert all(ipaddress.ip_address(item) in ipaddress.ip_network("100.100.1.0/28") for item in held.values())
