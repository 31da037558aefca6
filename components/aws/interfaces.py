"""Which network interfaces a node gets: derived from the type's network cards, never from a card's number.

The rule is AWS's (EC2 user guide, "Maximize network bandwidth on EC2 instances with multiple network cards",
efa-acc-inst-types): card 0, device 0 is a plain ENA interface, since the primary one cannot be efa-only; a card 0 that
takes an EFA gets an efa-only interface at device 1; every further card gets an efa-only interface at device 0.
So p5.48xlarge has 32 EFA interfaces and one address, and p6-b300.48xlarge, whose card 0 is ENA only, has 16 on its
other cards. More ENA interfaces per card ("bandwidth optimised") would cost an address each and are not used.
"""

from dataclasses import dataclass

from components.accelerators import EFA, EFA_ONLY, INTERFACE, InstanceType, NetworkCard


@dataclass(frozen=True)
class Interface:
    """One network interface of a launch template."""

    card: int
    device: int
    type: str
    """``interface``, ``efa`` or ``efa-only``."""

    @property
    def efa(self) -> bool:
        """Whether it carries the fabric."""
        return self.type in {EFA, EFA_ONLY}


def interface_layout(instance: InstanceType, *, efa: bool) -> tuple[Interface, ...]:
    """Interfaces of one node, primary first.

    Args:
        instance: A type of the catalogue.
        efa: Whether every card that takes an EFA gets one; otherwise only the primary interface exists.

    Raises:
        ValueError: ``efa`` is asked of a type that has no EFA, or card 0 is missing.
    """
    cards = sorted(instance.network_cards, key=lambda card: card.index)
    if not cards or cards[0].index != 0:
        raise ValueError(f"{instance.name} has no network card 0 in the catalogue: its primary interface has no place.")
    primary = Interface(card=0, device=0, type=INTERFACE)
    if not efa:
        return (primary,)
    if instance.efa_interfaces == 0:
        raise ValueError(
            f"instance type {instance.name} has no Elastic Fabric Adapter (none of its network cards takes one). "
            "Set efa to false, or choose a type with EFA such as p5.48xlarge, p4d.24xlarge or g6e.48xlarge."
        )
    fabric = [_fabric_interface(card) for card in cards if card.efa]
    return (primary, *fabric[: instance.max_efa_interfaces])


def _fabric_interface(card: NetworkCard) -> Interface:
    if card.index != 0:
        return Interface(card=card.index, device=0, type=EFA_ONLY if EFA_ONLY in card.interface_types else EFA)
    return Interface(card=0, device=1, type=EFA_ONLY if EFA_ONLY in card.interface_types else EFA)
