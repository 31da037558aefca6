"""Builds a container's root file system in a mount namespace of its own, and moves into it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.cluster.process_node import syscalls

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}


def enter(root: str, mounts: Sequence[Mapping[str, Any]], *, read_only: bool) -> None:
    """Make ``root``, an empty directory with ``mounts`` in it, the file system of this process.

    A mount is ``{"source", "target", "read_only", "sub_path", "link"}``; a symbolic link when it has ``link``.

    Raises:
        OSError: a source is missing, or a mount is refused.
    """
    syscalls.bind(root, root, recursive=False)
    base = Path(root)
    for item in mounts:
        if item.get("link"):
            _link(base, item["target"], item["link"])
        else:
            _bind(base, item)
    _devices(base)
    _proc(base)
    if read_only:
        syscalls.make_read_only(root, recursive=False)
    syscalls.pivot_root(root)


def below(base: Path, target: str) -> Path:
    """Where ``target`` of the container is below ``base``, before it is the root.

    Raises:
        OSError: a link in a volume leads elsewhere; the kernel would follow it into the machine's own tree.
    """
    path = base / target.lstrip("/")
    if not path.resolve().is_relative_to(base.resolve()):
        raise OSError(f"mount path {target} leads out of the container's root: a part of it is a link in a volume")
    return path


def _link(base: Path, target: str, to: str) -> None:
    path = base / target.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def _bind(base: Path, item: Mapping[str, Any]) -> None:
    source, target = item["source"], below(base, item["target"])
    if item.get("sub_path"):
        source = _inside(Path(source), item["sub_path"])
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    syscalls.bind(source, str(target))
    if item.get("read_only"):
        syscalls.make_read_only(str(target))


def _inside(volume: Path, sub_path: str) -> str:
    """The part of a volume, made when it is missing.

    Raises:
        OSError: a link leads out of the volume.
    """
    path = volume / sub_path
    if not path.resolve().is_relative_to(volume.resolve()):
        raise OSError(f"subPath {sub_path} leads out of its volume")
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(volume.stat().st_mode & 0o7777)
    return str(path.resolve())


def _devices(base: Path) -> None:
    directory = base / "dev"
    directory.mkdir(exist_ok=True)
    for name in _DEVICES:
        (directory / name).touch()
        syscalls.bind(f"/dev/{name}", str(directory / name))
    for name, to in _LINKS.items():
        (directory / name).symlink_to(to)
    (directory / "pts").mkdir()
    syscalls.mount("devpts", str(directory / "pts"), "devpts", data="newinstance,ptmxmode=0666,mode=0620")
    (directory / "ptmx").symlink_to("pts/ptmx")


def _proc(base: Path) -> None:
    directory = base / "proc"
    directory.mkdir(exist_ok=True)
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    try:
        syscalls.mount("proc", str(directory), "proc", flags)
    except PermissionError:
        # In a user namespace below a container whose /proc is masked; docs/limitations.md says what that shows.
        syscalls.bind("/proc", str(directory))
