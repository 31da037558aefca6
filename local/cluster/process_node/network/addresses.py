"""Which node has which block of pod addresses, and which pod which address; remembered, and given out again late."""

import ipaddress
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from local.cluster.files import write_private

NODE_PREFIX = 24
"""254 pods a node; a kubelet's own limit is 110."""
_DNS_NUMBER = 10
"""EKS gives the cluster's DNS the tenth address of the Service range."""


class NoAddressError(RuntimeError):
    """Every address is taken; the message says of what."""


class Ranges:
    """Numbers 0 to ``size`` - 1 by owner, kept in a JSON file.

    The next number is the one after the last given out, round and round: who still holds an old owner's address in a
    cache does not meet a stranger there.
    """

    def __init__(self, path: Path, scope: str, size: int) -> None:
        self._path = path
        self._scope = scope
        self._size = size
        state = _read(path)
        known = state if state.get("scope") == scope else {}
        self._owners: dict[str, int] = dict(known.get("owners") or {})
        self._last: int = known.get("last", -1)

    @property
    def owners(self) -> Collection[str]:
        """Who has a number."""
        return self._owners.keys()

    def assign(self, owner: str) -> int:
        """The number of ``owner``, the same as before if it has one.

        Raises:
            NoAddressError: all are taken.
        """
        if owner in self._owners:
            return self._owners[owner]
        taken = set(self._owners.values())
        for step in range(1, self._size + 1):
            number = (self._last + step) % self._size
            if number not in taken:
                self._owners[owner] = self._last = number
                self._save()
                return number
        raise NoAddressError(f"all {self._size} of {self._scope} are taken: remove pods or nodes")

    def find(self, owner: str) -> int | None:
        """The number of ``owner``, if it has one."""
        return self._owners.get(owner)

    def release(self, owner: str) -> None:
        """Take the number back; nothing when there is none."""
        if self._owners.pop(owner, None) is not None:
            self._save()

    def _save(self) -> None:
        state = {"scope": self._scope, "last": self._last, "owners": self._owners}
        write_private(self._path, json.dumps(state, indent=1))


class NodeBlocks:
    """A block of the cluster's pod addresses per node."""

    def __init__(self, path: Path, pods: str) -> None:
        self._network = ipaddress.IPv4Network(pods)
        # The first block holds the bridge's address.
        self._ranges = Ranges(path, pods, 2 ** (NODE_PREFIX - self._network.prefixlen) - 1)

    def block_of(self, node: str, living: Collection[str] = ()) -> str:
        """The CIDR of ``node``; when none is free, one of a node that is not ``living`` is used again.

        Raises:
            NoAddressError: all belong to living nodes.
        """
        try:
            number = self._ranges.assign(node)
        except NoAddressError:
            gone = [owner for owner in self._ranges.owners if owner not in living]
            if not gone:
                raise
            self._ranges.release(gone[0])
            number = self._ranges.assign(node)
        first = int(self._network.network_address) + (number + 1) * 2 ** (32 - NODE_PREFIX)
        return f"{ipaddress.IPv4Address(first)}/{NODE_PREFIX}"


class PodAddresses:
    """The addresses of one node's pods, by uid."""

    def __init__(self, path: Path, block: str) -> None:
        self._network = ipaddress.IPv4Network(block)
        # Neither the network's own address nor its last, which looks like a broadcast.
        self._ranges = Ranges(path, block, self._network.num_addresses - 2)

    def assign(self, uid: str) -> str:
        """The address of a pod, the same as before if it has one.

        Raises:
            NoAddressError: all are taken.
        """
        return self._address(self._ranges.assign(uid))

    def find(self, uid: str) -> str | None:
        """The address of a pod, if it has one."""
        number = self._ranges.find(uid)
        return None if number is None else self._address(number)

    def release(self, uid: str) -> None:
        """Take a pod's address back; nothing when there is none."""
        self._ranges.release(uid)

    def keep(self, uids: Collection[str]) -> None:
        """Take the addresses of all other pods back."""
        for uid in [uid for uid in self._ranges.owners if uid not in uids]:
            self._ranges.release(uid)

    def _address(self, number: int) -> str:
        return str(self._network[number + 1])


def name_server_of(services: str) -> str:
    """The address of the cluster's DNS within a Service range."""
    return str(ipaddress.ip_network(services)[_DNS_NUMBER])


def _read(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}
