import pytest

from components.accelerators import InstanceType, catalogue, instance
from components.aws.fabric import topology_labels
from components.aws.interfaces import Interface, interface_layout

PRIMARY = Interface(card=0, device=0, type="interface")


@pytest.mark.parametrize(
    ("name", "fabric"),
    [
        ("p4d.24xlarge", [(0, 1), (1, 0), (2, 0), (3, 0)]),
        ("p5.48xlarge", [(0, 1), *((card, 0) for card in range(1, 32))]),
        ("p5en.48xlarge", [(0, 1), *((card, 0) for card in range(1, 16))]),
        ("p6-b200.48xlarge", [(0, 1), *((card, 0) for card in range(1, 8))]),
        ("p6-b300.48xlarge", [(card, 0) for card in range(1, 17)]),
        ("g6e.48xlarge", [(0, 1), (1, 0), (2, 0), (3, 0)]),
    ],
)
def test_every_card_that_takes_an_efa_gets_an_efa_only_interface(name: str, fabric: list[tuple[int, int]]) -> None:
    layout = interface_layout(instance(name), efa=True)
    assert layout[0] == PRIMARY
    assert layout[1:] == tuple(Interface(card=card, device=device, type="efa-only") for card, device in fabric)


@pytest.mark.parametrize(
    "kind", [kind for kind in catalogue().values() if kind.efa_interfaces], ids=lambda kind: kind.name
)
def test_no_layout_asks_a_card_for_what_it_does_not_take(kind: InstanceType) -> None:
    layout = interface_layout(kind, efa=True)
    cards = {card.index: card for card in kind.network_cards}
    assert all(interface.type in cards[interface.card].interface_types for interface in layout)
    assert all(
        sum(interface.card == index for interface in layout) <= card.max_interfaces for index, card in cards.items()
    )
    assert len({(interface.card, interface.device) for interface in layout}) == len(layout)
    assert sum(interface.efa for interface in layout) == kind.efa_interfaces


def test_without_efa_there_is_the_primary_interface_only() -> None:
    assert interface_layout(instance("p5.48xlarge"), efa=False) == (PRIMARY,)


def test_efa_on_a_type_without_it_is_refused_with_types_that_have_it() -> None:
    with pytest.raises(ValueError, match=r"g6\.xlarge has no Elastic Fabric Adapter.*p5\.48xlarge"):
        interface_layout(instance("g6.xlarge"), efa=True)


@pytest.mark.parametrize(
    ("kind", "levels"),
    [("p5.48xlarge", 3), ("p5.4xlarge", 0), ("p6-b300.48xlarge", 3), ("g6e.12xlarge", 3), ("g5.48xlarge", 0)],
)
def test_only_types_whose_position_ec2_tells_have_levels_of_topology(kind: str, levels: int) -> None:
    assert len(topology_labels(instance(kind))) == levels
