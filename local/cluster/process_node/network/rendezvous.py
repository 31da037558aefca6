"""How agents get the cluster's network from the process that holds it: descriptors over a Unix socket.

An agent connects, names its node, and is handed the namespace with one JSON line. The connection stays open: its end
tells the agent that the holder, and with it the namespace, is gone.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from local.cluster.files import private_directory
from local.cluster.process_node.network.links import Plan

_NAME = "holder.sock"
_LIMIT = 4096
_CREDENTIALS = struct.Struct("3i")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """What an agent is told."""

    plan: Plan
    block: str
    """CIDR of the node's pods."""
    name_server: str
    """Address of the cluster's DNS."""

    @staticmethod
    def from_json(text: bytes) -> "Welcome":
        """Read what ``to_json`` wrote."""
        value = json.loads(text)
        return Welcome(plan=Plan(**value["plan"]), block=value["block"], name_server=value["name_server"])

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A connection to the holder."""

    connection: socket.socket
    welcome: Welcome
    network: int
    """Descriptor of the cluster's network namespace."""
    user: int | None
    """Descriptor of the user namespace that owns it; None: the system's own."""

    def close(self) -> None:
        """Leave; the namespace stays as long as others use it."""
        self.connection.close()
        os.close(self.network)
        if self.user is not None:
            os.close(self.user)


def join(directory: Path, node: str) -> Joined:
    """Connect to the holder of ``directory``; blocks for as long as it takes to answer.

    Raises:
        OSError: nobody holds the network, or its holder has no addresses for the node; the message says which.
    """
    with contextlib.ExitStack() as undo:
        connection = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        with _short(directory) as path:
            connection.connect(path)
        connection.sendall(json.dumps({"node": node}).encode() + b"\n")
        text, descriptors, _, _ = socket.recv_fds(connection, _LIMIT, 2)
        for descriptor in descriptors:
            undo.callback(os.close, descriptor)
        if not text or not descriptors:
            raise ConnectionError("the holder of the cluster's network ended; see process-network.log")
        try:
            problem = json.loads(text).get("problem")
            welcome = None if problem else Welcome.from_json(text)
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionError(f"the holder of the cluster's network speaks another version: {error}") from error
        if welcome is None:
            raise ConnectionError(problem)
        undo.pop_all()
    user = descriptors[1] if len(descriptors) > 1 else None
    return Joined(connection=connection, welcome=welcome, network=descriptors[0], user=user)


class Door:
    """The holder's side: serves ``welcome(node)`` with the namespaces' descriptors."""

    def __init__(self, directory: Path, welcome: Callable[[str], Welcome], descriptors: list[int]) -> None:
        self._directory = private_directory(directory)
        self._welcome = welcome
        self._descriptors = descriptors
        self._guests: dict[str, int] = {}

    @property
    def nodes(self) -> set[str]:
        """Nodes whose agents are connected."""
        return set(self._guests)

    async def serve(self) -> None:
        """Accept until cancelled."""
        (self._directory / _NAME).unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with listening, _short(self._directory) as path:
            listening.bind(path)
            listening.listen(socket.SOMAXCONN)
            listening.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.TaskGroup() as guests:
                while True:
                    accepted, _ = await loop.sock_accept(listening)
                    guests.create_task(self._guest(accepted))

    async def _guest(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with connection:
            connection.setblocking(False)
            if _user_of(connection) != os.geteuid():
                return
            node = ""
            try:
                node = str(json.loads(await loop.sock_recv(connection, _LIMIT))["node"])
                self._guests[node] = self._guests.get(node, 0) + 1
                socket.send_fds(connection, [self._reply(node)], self._descriptors)
                _LOG.info("node %s joined", node or "(starting)")
                await loop.sock_recv(connection, 1)
            except (OSError, ValueError, KeyError) as error:
                _LOG.info("node %s: %s", node, error)
            finally:
                self._guests[node] = self._guests.get(node, 1) - 1
                if not self._guests[node]:
                    del self._guests[node]

    def _reply(self, node: str) -> bytes:
        try:
            return self._welcome(node).to_json()
        except RuntimeError as error:
            return json.dumps({"problem": str(error)}).encode() + b"\n"


@contextlib.contextmanager
def _short(directory: Path) -> Iterator[str]:
    """A path of the socket that fits into the 108 bytes of ``sockaddr_un`` wherever the state directory lies."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{_NAME}"
    finally:
        os.close(descriptor)


def _user_of(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])
