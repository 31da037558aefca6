"""A pod's namespaces: made here, kept by the agent, which opens them before this process ends."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from local.cluster.process_node import syscalls
from local.cluster.process_node.shim.parent import Parent


def run(specification: Mapping[str, Any]) -> None:
    """Make the namespaces of ``{"hostname", "tmpfs": [{path, size, mode, gid}], "shared_pid"}``; wait for the end."""
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    if specification["hostname"]:
        syscalls.set_host_name(specification["hostname"])
    for item in specification["tmpfs"]:
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        size = f",size={item['size']}" if item["size"] else ""
        group = f",gid={item['gid']}" if item["gid"] else ""
        syscalls.mount("tmpfs", item["path"], "tmpfs", flags, f"mode={item['mode']}{group}{size}")
    init = _pause() if specification["shared_pid"] else 0
    sys.stdout.write(json.dumps({"event": "ready", "pid": os.getpid(), "init": init}) + "\n")
    sys.stdout.flush()
    while os.read(0, 4096):
        pass


def _pause() -> int:
    """First process of the pod's PID namespace: adopts and reaps what the containers leave behind."""
    parent = Parent.of_children()
    syscalls.unshare(syscalls.CLONE_NEWPID)
    child = os.fork()
    if child:
        os.close(parent.descriptor)
        return child
    parent.follow()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while True:
        signal.sigwait({signal.SIGCHLD})
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
