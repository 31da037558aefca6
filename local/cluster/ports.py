"""Loopback ports: chosen once, remembered, used again when they are free and avoided when they are taken."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from local.cluster.files import write_private
from local.paths import state_root

LOOPBACK = "127.0.0.1"
_ATTEMPTS = 50
_BOOKS = ("*/supervisor/ports.json", "*/clusters/*/ports.json", "*/clusters/*/front.json")


class NoFreePortError(RuntimeError):
    """The system handed out no usable loopback port."""


class PortBook:
    """The ports of one owner (the supervisor, or one cluster), kept in a small JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports = _read(path)

    def reserve(self, *names: str) -> dict[str, int]:
        """A free port per name, the same as last time where that is still free.

        Raises:
            NoFreePortError: the system has none left.
        """
        chosen: dict[str, int] = {}
        elsewhere = _elsewhere(self._path)
        for name in names:
            known = self._ports.get(name)
            taken = set(chosen.values()) | {port for other, port in self._ports.items() if other != name}
            chosen[name] = (
                known if known and known not in chosen.values() and is_free(known) else _pick(taken | elsewhere)
            )
        if any(self._ports.get(name) != port for name, port in chosen.items()):
            self._ports.update(chosen)
            write_private(self._path, json.dumps(self._ports, indent=2, sort_keys=True))
        return chosen

    def known(self) -> Mapping[str, int]:
        """What is written down now."""
        return dict(self._ports)


def _elsewhere(own: Path) -> set[int]:
    """Ports of other environments and clusters: one that is written down may only be listened on seconds later."""
    found = (book for pattern in _BOOKS for book in state_root().glob(pattern))
    return {port for book in found if book != own for port in _read(book).values()}


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection of a former run that still lingers does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _pick(taken: set[int]) -> int:
    for _ in range(_ATTEMPTS):
        port = _offered()
        if port not in taken:
            return port
    raise NoFreePortError(f"no free port on {LOOPBACK} after {_ATTEMPTS} attempts; end programs that hold many ports")


def _offered() -> int:
    """A port that the system considers free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _read(path: Path) -> dict[str, int]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): port for name, port in value.items() if isinstance(port, int)} if isinstance(value, dict) else {}
