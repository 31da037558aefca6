"""The devices of a cluster's network: one bridge, a veth pair per pod, and routes; nothing in the host's namespace."""

import contextlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from local.cluster.process_node.network.namespaces import run_inside

_BRIDGE = "pods"
_POD_DEVICE = "eth0"
_LOCAL_TABLE = 255
_LOCAL_TYPE = "local"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
"""Of the network namespace of whoever opens it."""


class LinkError(RuntimeError):
    """The kernel refused a device or a route; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The addresses of one cluster's network."""

    pods: str
    """CIDR of all pods of all process nodes; its first address is the bridge's."""
    services: str
    mtu: int = 1500

    @property
    def gateway(self) -> str:
        """The bridge's address, through which pods reach everything that is not a pod."""
        return str(ipaddress.ip_network(self.pods)[1])

    @property
    def prefix_length(self) -> int:
        """Of an address in the pods' network."""
        return ipaddress.ip_network(self.pods).prefixlen


def make_fabric(namespace: int, plan: Plan) -> None:
    """Bridge, its address, and all Service addresses as local ones.

    With the ``local`` route a listener may bind to any Service address, and an address or port that nobody listens on
    refuses at once. There is no other route, so pods have no way out; forwarding is on for the kernel to tell them so
    (network unreachable) rather than to drop their packets.

    Raises:
        LinkError: the kernel refused.
    """

    def make() -> None:
        with _kernel("make the bridge") as ip:
            ip.link("add", ifname=_BRIDGE, kind="bridge", address=_mac(plan.gateway), mtu=plan.mtu)
            bridge = _index(ip, _BRIDGE)
            ip.addr("add", index=bridge, address=plan.gateway, prefixlen=plan.prefix_length)
            ip.link("set", index=bridge, state="up")
            loopback = _index(ip, "lo")
            ip.link("set", index=loopback, state="up")
            _FORWARDING.write_text("1")
            ip.route("add", dst=plan.services, oif=loopback, type=_LOCAL_TYPE, table=_LOCAL_TABLE, scope="host")

    run_inside(namespace, make)


def plug(fabric: int, pod: int, address: str, plan: Plan) -> None:
    """Connect a pod's namespace to the bridge, or connect it again after the bridge was lost.

    Raises:
        LinkError: the kernel refused.
    """
    outside = device_of(address)

    def make_pair() -> None:
        with _kernel(f"connect {address}") as ip:
            for stale in ip.link_lookup(ifname=outside):
                ip.link("del", index=stale)
            peer = {"ifname": _POD_DEVICE, "net_ns_fd": pod, "mtu": plan.mtu, "address": _mac(address)}
            ip.link("add", ifname=outside, kind="veth", mtu=plan.mtu, peer=peer)
            ip.link("set", index=_index(ip, outside), master=_index(ip, _BRIDGE), state="up")

    def set_up() -> None:
        with _kernel(f"configure {address}") as ip:
            ip.link("set", index=_index(ip, "lo"), state="up")
            device = _index(ip, _POD_DEVICE)
            ip.addr("add", index=device, address=address, prefixlen=plan.prefix_length)
            ip.link("set", index=device, state="up")
            ip.route("add", dst="default", gateway=plan.gateway)

    run_inside(fabric, make_pair)
    run_inside(pod, set_up)


def unplug(fabric: int, address: str) -> None:
    """Take the pod of ``address`` off the bridge; nothing happens if it is off."""

    def remove() -> None:
        with _kernel(f"disconnect {address}") as ip:
            for device in ip.link_lookup(ifname=device_of(address)):
                ip.link("del", index=device)

    run_inside(fabric, remove)


def device_of(address: str) -> str:
    """The name of the bridge's end of a pod's pair, within the kernel's 15 characters."""
    return f"pod{int(ipaddress.ip_address(address)):x}"


@contextlib.contextmanager
def _kernel(what: str) -> Iterator[IPRoute]:
    try:
        with IPRoute() as ip:
            yield ip
    except NetlinkError as error:
        raise LinkError(f"cannot {what}: {error}") from error


def _index(ip: IPRoute, name: str) -> int:
    return int(ip.link_lookup(ifname=name)[0])


def _mac(address: str) -> str:
    """A fixed hardware address per IP address: neighbours' caches stay right when a pod is plugged in again."""
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in ipaddress.ip_address(address).packed)
