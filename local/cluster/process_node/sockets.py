"""Sockets of a pod's network namespace, for the event loop of the agent, which is elsewhere."""

import asyncio
import os
import socket
from pathlib import Path

from local.cluster.process_node.network.namespaces import new_socket, open_socket


async def socket_in(netns: Path | None) -> socket.socket:
    """A TCP socket of the network namespace at ``netns``; None: of the agent's own, the machine's.

    Raises:
        OSError: it is gone.
    """
    if netns is None:
        return new_socket()
    return await asyncio.to_thread(_make, netns)


def _make(netns: Path) -> socket.socket:
    descriptor = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return open_socket(descriptor)
    finally:
        os.close(descriptor)
