"""Sockets in another network namespace: made there by a thread, used from the event loop like any other."""

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.cluster.process_node import syscalls

_THREADS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="netns")
"""One thread that goes there and back: it starts no process, because a kernel's parent is a thread."""


async def socket_in(netns: Path) -> socket.socket:
    """A TCP socket of the network namespace at ``netns``.

    Raises:
        OSError: it is gone.
    """
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _make, str(netns))


def _make(netns: str) -> socket.socket:
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(there, syscalls.CLONE_NEWNET)
        finally:
            os.close(there)
        try:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        finally:
            syscalls.setns(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(home)
    return made
