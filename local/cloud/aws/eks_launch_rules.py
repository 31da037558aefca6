"""What EC2 refuses of the network interfaces with which a managed node group launches its instances.

On AWS this ends up as a node group in CREATE_FAILED whose health issue quotes EC2; here the request is refused with
the issue's code and message at once, and no half-made node group stays.
"""

from collections import Counter
from typing import NoReturn

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, joined, refuse
from local.cloud.aws.eks_launch import launch, only_type
from local.cloud.aws.rulebook import WRITE, RuleBook
from local.cloud.model import Request
from local.cloud.values import Json

RULES = RuleBook()
INVALID_TEMPLATE = "Ec2LaunchTemplateInvalidConfiguration"
PRIMARY = (0, 0)
_BASE = on.BEFORE_NODES


def _template(kind: str = "p5.48xlarge", **data: Json) -> on.Step:
    return (on.TEMPLATE_TOKEN, "lt", {"name": "pool", "instanceType": kind, **data})


def _cards(*cards: tuple[int, int, str]) -> list[dict[str, Json]]:
    return [{"networkCardIndex": card, "deviceIndex": device, "interfaceType": kind} for card, device, kind in cards]


def _layout(*cards: tuple[int, int, str], kind: str = "p5.48xlarge") -> on.Step:
    return _template(kind, networkInterfaces=_cards(*cards))


_GOOD = ((0, 0, "interface"), (0, 1, "efa-only"), (1, 0, "efa-only"))


_NODES = on.TEMPLATE_NODE_INPUTS


def _index(card: Json) -> int:
    return int(get(card, "NetworkCardIndex", 0))


def _bad_layout(detail: str) -> NoReturn:
    refuse(INVALID_TEMPLATE, f"You've used an invalid launch template: {detail}")


@RULES.rule(
    "eks-launch-card-exists",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="DescribeInstanceTypes, NetworkInfo.NetworkCards; EC2 RunInstances: network card index is invalid",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout(*_GOOD, (16, 0, "efa-only"), kind="p5en.48xlarge")),
)
def _card_exists(request: Request) -> None:
    found = launch(request)
    facts = only_type(found)
    for card in found.interfaces if facts else []:
        if facts and _index(card) not in facts.cards:
            _bad_layout(
                f"Network card index {_index(card)} is not valid for instance type {facts.name}, which has "
                f"{len(facts.cards)} network cards"
            )


@RULES.rule(
    "eks-launch-card-type",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="DescribeInstanceTypes, NetworkCards[].InterfaceTypes: card 0 of p6-b300 takes plain interfaces only",
    accepts=on.creation(_NODES, *_BASE, _layout((0, 0, "interface"), (1, 0, "efa-only"), kind="p6-b300.48xlarge")),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "efa"), (1, 0, "efa-only"), kind="p6-b300.48xlarge")),
)
def _card_type(request: Request) -> None:
    found = launch(request)
    facts = only_type(found)
    for card in found.interfaces if facts else []:
        held = facts.cards.get(_index(card)) if facts else None
        kind = get(card, "InterfaceType", "interface")
        if held and facts and kind not in held.interface_types:
            _bad_layout(
                f"Interface type {kind} is not supported on network card {held.index} of instance type {facts.name}; "
                f"supported are {joined(sorted(held.interface_types))}"
            )


@RULES.rule(
    "eks-launch-primary",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="EC2 user guide, Maximize network bandwidth with EFA: the primary interface cannot be EFA-only",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "efa-only"), (1, 0, "efa-only"))),
)
def _primary(request: Request) -> None:
    cards = launch(request).interfaces
    if not cards:
        return
    first = [card for card in cards if (_index(card), int(get(card, "DeviceIndex", 0))) == PRIMARY]
    if not first:
        _bad_layout("The network interface configuration has no primary interface (network card 0, device index 0)")
    if get(first[0], "InterfaceType") == "efa-only":
        _bad_layout("The primary network interface cannot be of type efa-only")


@RULES.rule(
    "eks-launch-device-index",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="EC2 RunInstances: each network interface of a card needs a unique device index",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "interface"), (0, 0, "efa-only"))),
)
def _device_index(request: Request) -> None:
    places = Counter((_index(card), int(get(card, "DeviceIndex", 0))) for card in launch(request).interfaces)
    for (card, device), count in places.items():
        if count > 1:
            _bad_layout(f"Device index {device} is used {count} times on network card {card}")


@RULES.rule(
    "eks-launch-efa-per-card",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="EC2 user guide, EFA: one EFA or EFA-only interface per network card",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "interface"), (1, 0, "efa-only"), (1, 1, "efa-only"))),
)
def _efa_per_card(request: Request) -> None:
    found = launch(request)
    fast = Counter(_index(card) for card in found.interfaces if str(get(card, "InterfaceType", "")).startswith("efa"))
    for card, count in fast.items():
        if count > 1:
            _bad_layout(f"Network card {card} has {count} EFA interfaces; one is supported per network card")


@RULES.rule(
    "eks-launch-efa-total",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="DescribeInstanceTypes, NetworkInfo.EfaInfo.MaximumEfaInterfaces",
    accepts=on.creation(_NODES, *_BASE, _layout((0, 0, "efa"), kind="i7ie.48xlarge")),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "efa"), (1, 0, "efa-only"), kind="i7ie.48xlarge")),
)
def _efa_total(request: Request) -> None:
    found = launch(request)
    facts = only_type(found)
    fast = sum(str(get(card, "InterfaceType", "")).startswith("efa") for card in found.interfaces)
    if facts and fast > facts.max_efa_interfaces:
        _bad_layout(
            f"{fast} EFA interfaces exceed the maximum of {facts.max_efa_interfaces} of instance type {facts.name}"
        )


@RULES.rule(
    "eks-launch-card-full",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="DescribeInstanceTypes, NetworkCards[].MaximumNetworkInterfaces",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout(*_GOOD, (0, 2, "interface"))),
)
def _card_full(request: Request) -> None:
    found = launch(request)
    facts = only_type(found)
    for index, count in Counter(_index(card) for card in found.interfaces).items():
        held = facts.cards.get(index) if facts else None
        if held and count > held.max_interfaces:
            _bad_layout(f"Network card {index} has {count} interfaces; it supports {held.max_interfaces}")
