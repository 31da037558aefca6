"""The address plan of a network: pure arithmetic, no cloud.

Each zone gets one large private subnet and one small public one. Machines, pods (the VPC CNI gives every pod an
address of the subnet), file systems and endpoints live in the private ones. The public ones hold NAT gateways and load
balancers only.

How large is large: a zone's private subnet takes half of the zone's equal share or more, because AI nodes are greedy.
An efa-only interface takes no address, so a p5.48xlarge takes one for its primary interface plus what the VPC CNI
keeps warm for pods; with ``efa`` interfaces instead it would take 32. 4,094 addresses (/20) serve about 80 nodes at 50
pod addresses each.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

MIN_ZONES = 2
MAX_ZONES = 6
VPC_PREFIXES = range(16, 29)
"""EC2 CreateVpc: a VPC's IPv4 block is between /16 and /28."""
LONGEST_PRIVATE_PREFIX = 22
"""1,019 usable addresses: below that, 16 GPU nodes with 50 pods each would no longer fit beside the system pool."""
LONGEST_PUBLIC_PREFIX = 28
RESERVED_ADDRESSES = 5
"""AWS keeps the first four addresses and the last one of every subnet (VPC user guide, subnet sizing)."""
PRIVATE_RANGES = tuple(
    ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
"""RFC 1918 and the shared space of RFC 6598, which AWS suggests for pods."""
DOCKER_BRIDGE = ipaddress.IPv4Network("172.17.0.0/16")
"""EKS: pods cannot reach addresses behind the container runtime's bridge on a node (EKS network requirements)."""


class CidrError(ValueError):
    """The block and the zones make no address plan; the message says why and what would."""


@dataclass(frozen=True, kw_only=True)
class ZoneSubnets:
    """The two subnets of one zone; counts are usable addresses, without the five that AWS reserves."""

    zone: str
    private: str
    public: str
    private_addresses: int
    public_addresses: int


@dataclass(frozen=True, kw_only=True)
class AddressPlan:
    """Where everything of a network goes."""

    cidr: str
    zones: tuple[ZoneSubnets, ...]

    @property
    def private(self) -> dict[str, str]:
        """Private subnet's block by zone."""
        return {subnets.zone: subnets.private for subnets in self.zones}

    @property
    def public(self) -> dict[str, str]:
        """Public subnet's block by zone."""
        return {subnets.zone: subnets.public for subnets in self.zones}


def parse(cidr: str) -> ipaddress.IPv4Network:
    """``cidr`` as a network that a VPC may have.

    Raises:
        CidrError: not IPv4 CIDR, host bits set, not a private range, a size that EC2 refuses, or the runtime's bridge.
    """
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise CidrError(f"{cidr!r} is not an IPv4 block ({error}). Write for example 10.0.0.0/16.") from error
    if network.prefixlen not in VPC_PREFIXES:
        raise CidrError(f"{cidr} is a /{network.prefixlen}: EC2 allows /16 to /28. For GPU nodes take /16 to /18.")
    if not any(network.subnet_of(block) for block in PRIVATE_RANGES):
        raise CidrError(
            f"{cidr} is not a private range: it would hide the public addresses that it covers. "
            "Take a block of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10."
        )
    if network.overlaps(DOCKER_BRIDGE):
        raise CidrError(
            f"{cidr} overlaps {DOCKER_BRIDGE}, the bridge of container runtimes: pods could not reach it. "
            "Take for example 10.0.0.0/16."
        )
    return network


def check_zones(zones: Sequence[str]) -> None:
    """Raise CidrError unless ``zones`` are 2 to 6 different names."""
    if not MIN_ZONES <= len(zones) <= MAX_ZONES:
        raise CidrError(
            f"{len(zones)} availability zones given ({', '.join(zones) or 'none'}): allowed are {MIN_ZONES} to "
            f"{MAX_ZONES}. EKS wants its control plane's interfaces in at least two zones; no region has more than six."
        )
    twice = sorted({zone for zone in zones if zones.count(zone) > 1})
    if twice:
        raise CidrError(f"availability zone {', '.join(twice)} is listed twice: name each zone once.")


def plan(cidr: str, zones: Sequence[str], *, public_prefix: int = 24) -> AddressPlan:
    """Divide ``cidr`` among ``zones``.

    The block is cut into a power of two of equal shares, one per zone; the rest stays free for zones added later, whose
    subnets then do not move the others. A share's first half is the private subnet; the public one is the first
    ``/public_prefix`` of the second half.

    Args:
        cidr: The VPC's block.
        zones: 2 to 6 zone names in an order that never changes: it decides which block a zone gets.
        public_prefix: Prefix length of public subnets.

    Raises:
        CidrError: bad block, bad zones, or too little room; the message says which block would do.
    """
    network = parse(cidr)
    check_zones(zones)
    shares = (len(zones) - 1).bit_length()
    private_prefix = network.prefixlen + shares + 1
    if private_prefix > LONGEST_PRIVATE_PREFIX:
        enough = LONGEST_PRIVATE_PREFIX - shares - 1
        raise CidrError(
            f"{cidr} leaves each of {len(zones)} zones a private /{private_prefix} "
            f"({2 ** (32 - private_prefix) - RESERVED_ADDRESSES} addresses), too few for GPU nodes and their pods: a "
            f"zone needs at least a /{LONGEST_PRIVATE_PREFIX}. Use a /{enough} or larger"
            + (f", or fewer zones than {len(zones)}." if len(zones) > MIN_ZONES else ".")
        )
    if not private_prefix <= public_prefix <= LONGEST_PUBLIC_PREFIX:
        raise CidrError(
            f"public subnets of /{public_prefix} do not fit: allowed are /{private_prefix} to /{LONGEST_PUBLIC_PREFIX}."
        )
    blocks = network.subnets(prefixlen_diff=shares)
    return AddressPlan(
        cidr=str(network),
        zones=tuple(_zone(zone, next(blocks), public_prefix) for zone in zones),
    )


def _zone(zone: str, share: ipaddress.IPv4Network, public_prefix: int) -> ZoneSubnets:
    private, rest = share.subnets(prefixlen_diff=1)
    public = next(rest.subnets(new_prefix=public_prefix))
    return ZoneSubnets(
        zone=zone,
        private=str(private),
        public=str(public),
        private_addresses=private.num_addresses - RESERVED_ADDRESSES,
        public_addresses=public.num_addresses - RESERVED_ADDRESSES,
    )
