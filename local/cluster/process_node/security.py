"""Whose process it is: user, groups and capabilities out of a pod's and a container's security context."""

from collections.abc import Sequence
from typing import Any

from local.cluster.kube import Document
from local.cluster.process_node.environment import ConfigError
from local.cluster.process_node.process import User

_CAPABILITIES = tuple(
    """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
    SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
    PERFMON BPF CHECKPOINT_RESTORE
    """.split()  # noqa: SIM905 - forty words in quotes each would be four times as long
)
"""By number; source: capabilities(7), linux/capability.h."""
_DEFAULT = frozenset(
    """
    CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE
    SYS_CHROOT KILL AUDIT_WRITE
    """.split()  # noqa: SIM905 - as above
)
"""What containerd gives a container (pkg/oci/spec.go, defaultUnixCaps)."""


def user_of(pod: Document, container: Document, image_user: int) -> User:
    """The identity of a container's processes.

    Raises:
        ConfigError: ``runAsNonRoot`` is asked for and the user is root, in a kubelet's words.
    """
    shared: dict[str, Any] = pod["spec"].get("securityContext") or {}
    own: dict[str, Any] = container.get("securityContext") or {}
    merged = {**shared, **own}
    uid = merged.get("runAsUser", image_user)
    # An image's own user brings its group along; another user's group is 0 unless it is given.
    gid = merged.get("runAsGroup", uid if "runAsUser" not in merged else 0)
    if merged.get("runAsNonRoot") and uid == 0:
        name = f'pod: "{_of(pod)}", container: {container["name"]}'
        if "runAsUser" in merged:
            raise ConfigError(f"container's runAsUser breaks non-root policy ({name})")
        raise ConfigError(f"container has runAsNonRoot and image will run as root ({name})")
    groups = {int(group) for group in shared.get("supplementalGroups") or ()}
    if "fsGroup" in shared:
        groups.add(int(shared["fsGroup"]))
    return User(
        uid=int(uid),
        gid=int(gid),
        groups=sorted(groups),
        capabilities=_capabilities(own),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
    )


def linux_user(user: User) -> dict[str, Any]:
    """``status.containerStatuses[].user.linux``."""
    return {"uid": user.uid, "gid": user.gid, "supplementalGroups": sorted({user.gid, *user.groups})}


def _capabilities(context: dict[str, Any]) -> Sequence[int] | None:
    if context.get("privileged"):
        return None
    changes = context.get("capabilities") or {}
    dropped = {str(name).removeprefix("CAP_") for name in changes.get("drop") or ()}
    added = {str(name).removeprefix("CAP_") for name in changes.get("add") or ()}
    kept = set() if "ALL" in dropped else set(_DEFAULT) - dropped
    kept |= set(_CAPABILITIES) if "ALL" in added else added
    return sorted(_CAPABILITIES.index(name) for name in kept if name in _CAPABILITIES)


def _of(pod: Document) -> str:
    meta = pod["metadata"]
    return f"{meta['name']}_{meta['namespace']}({meta['uid']})"
