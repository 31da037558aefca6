"""Network namespaces without files: each lives as long as a descriptor or a process of its own does.

Linux keeps the network namespace per thread, so code enters one in a thread that ends with it; the caller's own stays
what it was.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from local.cluster.process_node import syscalls

_SYSCTLS = {
    # As containerd sets them: images whose servers listen on 80 or send pings need no capability for it.
    "net/ipv4/ip_unprivileged_port_start": "0",
    "net/ipv4/ping_group_range": "0 2147483647",
    # Clusters here are IPv4 only; loopback keeps ::1.
    "net/ipv6/conf/default/disable_ipv6": "1",
}

T = TypeVar("T")


class NamespaceError(OSError):
    """The system refuses a namespace; the message says which and what to do."""


def new_network_namespace() -> int:
    """A descriptor of a new, empty network namespace, its loopback device still down.

    Raises:
        NamespaceError: not permitted.
    """

    def make() -> int:
        with _refused("make a network namespace"):
            syscalls.unshare(syscalls.CLONE_NEWNET)
        for name, value in _SYSCTLS.items():
            # A kernel without IPv6 has no such file, and a user namespace with one group refuses the range.
            with contextlib.suppress(OSError):
                Path("/proc/sys", name).write_text(value)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return in_thread(make)


def run_inside(namespace: int, function: Callable[[], T]) -> T:
    """Call ``function`` with the network namespace of a descriptor; whatever it raises is raised here.

    Raises:
        NamespaceError: the namespace may not be entered.
    """

    def enter_and_call() -> T:
        enter_network(namespace)
        return function()

    return in_thread(enter_and_call)


def open_socket(namespace: int) -> socket.socket:
    """A new IPv4 TCP socket that belongs to the namespace, usable from anywhere; not blocking."""
    return run_inside(namespace, new_socket)


def new_socket(kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A new IPv4 socket of the calling thread's namespace; not blocking."""
    opened = socket.socket(socket.AF_INET, kind)
    opened.setblocking(False)
    return opened


def inside_pool(namespace: int) -> ThreadPoolExecutor:
    """One thread that stays in the namespace, for those who need many sockets of it."""
    return ThreadPoolExecutor(1, "network-namespace", initializer=enter_network, initargs=(namespace,))


def enter_network(namespace: int) -> None:
    """Move the calling thread.

    Raises:
        NamespaceError: not permitted.
    """
    with _refused("enter a network namespace"):
        syscalls.setns(namespace, syscalls.CLONE_NEWNET)


def enter_user(namespace: int) -> None:
    """Move this process, which must still have one thread, into a user namespace.

    Raises:
        NamespaceError: not permitted, or there are threads.
    """
    with _refused("enter a user namespace"):
        syscalls.setns(namespace, syscalls.CLONE_NEWUSER)


def is_own_user_namespace(namespace: int) -> bool:
    """Whether this process is in the user namespace of a descriptor."""
    return os.path.samestat(os.fstat(namespace), Path("/proc/self/ns/user").stat())


def new_user_namespace() -> int:
    """Make this process, which must still have one thread, root of a user namespace of its own; a descriptor of it.

    Raises:
        NamespaceError: the system forbids it to this user.
    """
    user, group = os.geteuid(), os.getegid()
    with _refused("make a user namespace"):
        syscalls.unshare(syscalls.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    return os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def in_thread(function: Callable[[], T]) -> T:
    """Call ``function`` in a thread of its own and wait for it."""
    result: Future[T] = Future()

    def call() -> None:
        try:
            result.set_result(function())
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            result.set_exception(error)

    thread = threading.Thread(target=call, name="network-namespace")
    thread.start()
    thread.join()
    return result.result()


@contextlib.contextmanager
def _refused(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        raise NamespaceError(
            number,
            f"cannot {what}: {os.strerror(number)}; run as root, or allow user namespaces "
            "(sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)",
        ) from error
