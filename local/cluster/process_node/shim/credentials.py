"""Who a container's process is: user, groups, capabilities; last step before its program is executed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.cluster.process_node import syscalls

_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")


def last_capability() -> int:
    """The highest capability that the kernel knows; asked before the root file system changes."""
    return int(_LAST_CAPABILITY.read_text())


def become(user: Mapping[str, Any], last: int) -> None:
    """Take the identity ``user``: uid, gid, groups, capabilities (numbers, None for all), no_new_privileges, nested.

    ``nested``: the agent has a user namespace with one id only, in which nobody can become another user. The process
    gets a user namespace in which that one id is called as wanted.

    Raises:
        OSError: an id is not mapped, or a step is not permitted.
    """
    capabilities = user["capabilities"]
    if capabilities is not None:
        kept = set(capabilities)
        for number in range(last + 1):
            if number not in kept:
                syscalls.drop_from_bounding_set(number)
    uid, gid = user["uid"], user["gid"]
    if user["nested"]:
        if uid or gid:
            _rename(uid, gid)
    else:
        os.setgroups(user["groups"])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if user["no_new_privileges"]:
        syscalls.no_new_privileges()


def _rename(uid: int, gid: int) -> None:
    inside = Path("/proc/self")
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    (inside / "setgroups").write_text("deny")
    (inside / "uid_map").write_text(f"{uid} {outer_uid} 1")
    (inside / "gid_map").write_text(f"{gid} {outer_gid} 1")
