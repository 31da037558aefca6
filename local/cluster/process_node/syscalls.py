"""System calls that Python 3.11 does not offer: namespaces, mounts, privileges. Linux only.

Sources: namespaces(7), mount(2), pivot_root(2), mount_setattr(2), prctl(2), capabilities(7).
"""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
_MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38

_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 1

_LIBC = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones.

    Raises:
        OSError: not permitted, or not known to the kernel.
    """
    _check(_LIBC.unshare(ctypes.c_int(flags)), "unshare")


def setns(descriptor: int, kind: int = 0) -> None:
    """Enter the namespace that ``descriptor`` stands for.

    Raises:
        OSError: not permitted, or no namespace of that kind.
    """
    _check(_LIBC.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Attach a file system, or change how one is attached.

    Raises:
        OSError: the kernel refused; the message names both ends.
    """
    result = _LIBC.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    _check(result, f"mount {kind or source} on {target}")


def bind(source: str, target: str, *, recursive: bool = True) -> None:
    """Show ``source`` at ``target`` as well."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))


def make_read_only(target: str, *, recursive: bool = True) -> None:
    """Make the mount at ``target`` (with what is mounted below it) read-only."""
    # struct mount_attr: attr_set, attr_clr, propagation, userns_fd.
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    result = _LIBC.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        target.encode(),
        ctypes.c_uint(flags),
        ctypes.byref(attributes),
        size,
    )
    if result == 0:
        return
    # Before Linux 5.12, and under seccomp profiles older than that: the mount itself only.
    mount("", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID)


def pivot_root(new_root: str) -> None:
    """Make ``new_root`` (a mount point) the root and let go of the old one.

    Raises:
        OSError: the kernel refused, or the machine's architecture is not known here.
    """
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root: its number on {os.uname().machine} is not known")
    os.chdir(new_root)
    # pivot_root(2), "pivot_root(".", ".")": the old root lies on the new one and is taken off at once.
    _check(_LIBC.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    _check(_LIBC.umount2(b".", ctypes.c_int(_MNT_DETACH)), "umount of the old root")
    os.chdir("/")


def die_with_parent(number: int) -> None:
    """Have the kernel send signal ``number`` when the thread that started this process ends.

    To be called after the last change of user: the kernel forgets it there.
    """
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0), "prctl")


def drop_from_bounding_set(capability: int) -> None:
    """Give a capability up for good, also for programs executed later."""
    _check(_LIBC.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0), f"drop capability {capability}")


def no_new_privileges() -> None:
    """Programs executed from here on gain nothing by set-user-ID bits."""
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0), "no_new_privs")


def set_host_name(name: str) -> None:
    """The name of the UTS namespace."""
    data = name.encode()
    _check(_LIBC.sethostname(data, ctypes.c_size_t(len(data))), "sethostname")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
