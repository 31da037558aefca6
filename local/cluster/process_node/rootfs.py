"""A container's root file system: the machine's programs read-only, an empty writable rest, the pod's own files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.cluster.kube import Document
from local.cluster.process_node.images import WORKING_DIRECTORY, ImageError, ImageProgram, base_directories
from local.toolchain.locate import find

_TREES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_CONFIGURATION = (
    "ssl", "ca-certificates", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "services",
    "protocols", "alternatives", "magic",
)  # fmt: skip
"""What programs below /usr look for in /etc."""
# Whoever brings the simulation up as root has the workloads' Python environment below /root, and other users pass
# through it.
_EMPTY = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o711, "home": 0o755, "run": 0o755, "mnt": 0o755, "sys": 0o755}
_FILES = {
    "passwd": (
        "root:x:0:0:root:/root:/bin/sh\nslipway:x:1000:1000:slipway:/home/slipway:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "group": "root:x:0:\ntty:x:5:\nslipway:x:1000:\nnogroup:x:65534:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def prepare(root: Path, image: ImageProgram) -> None:
    """Make the empty directories and files of a new root."""
    root.mkdir(parents=True)
    root.chmod(0o755)
    for name, mode in _EMPTY.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    (root / "var").chmod(0o755)
    (root / "etc").mkdir()
    for name, text in _FILES.items():
        (root / "etc" / name).write_text(text)
    home = root / "home" / "slipway"
    home.mkdir()
    _give(home, image.user)
    directory = root / image.working_directory.strip("/")
    if image.working_directory != "/" and not directory.exists():
        directory.mkdir(parents=True)
        _give(directory, image.user)


def _give(path: Path, user: int) -> None:
    try:
        os.chown(path, user, user)
    except OSError:
        # In a user namespace of one id everything is ours anyway.
        return


def base_mounts(image: ImageProgram, environment: Path | None, repository: Path) -> list[dict[str, Any]]:
    """What the image brings, read-only.

    Raises:
        ImageError: an executable of the toolchain is missing.
    """
    mounts: list[dict[str, Any]] = []
    for name in _TREES:
        path = Path(name)
        if path.is_symlink():
            mounts.append({"target": name, "link": str(path.readlink())})
        elif path.is_dir():
            mounts.append(_read_only(path, name))
    mounts += [
        _read_only(Path("/etc") / name, f"/etc/{name}") for name in _CONFIGURATION if (Path("/etc") / name).exists()
    ]
    if Path("/sys/devices").is_dir():
        mounts.append(_read_only(Path("/sys/devices"), "/sys/devices"))
    if image.python and environment is not None:
        seen = ("/usr/", "/lib/")
        mounts += [
            _read_only(path, str(path)) for path in base_directories(environment) if not f"{path}/".startswith(seen)
        ]
        mounts.append(_read_only(repository / "workloads", f"{WORKING_DIRECTORY}/workloads"))
    return [*mounts, *(_tool(name, target) for target, name in image.tools.items())]


def _tool(name: str, target: str) -> dict[str, Any]:
    located = find(name)
    if located is None:
        raise ImageError(f"the local toolchain has no {name}; run `make toolchain`")
    return _read_only(located.path, target)


def volume_mounts(
    container: Document, sources: Mapping[str, tuple[Path, bool]], expanded: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Mounts of a container, outer ones first.

    ``sources``: directory of each volume and whether it is read-only as a whole; ``expanded``: ``subPathExpr`` by
    mount path.
    """
    found = []
    for mount in container.get("volumeMounts") or ():
        path, read_only = sources[mount["name"]]
        sub_path = expanded.get(mount["mountPath"]) or mount.get("subPath") or ""
        found.append(
            {
                "source": str(path),
                "target": mount["mountPath"],
                "read_only": read_only or bool(mount.get("readOnly")),
                "sub_path": sub_path,
            }
        )
    return sorted(found, key=lambda item: item["target"].rstrip("/").count("/"))


def file_mounts(files: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Single files of the pod, by target."""
    return [{"source": str(source), "target": target} for target, source in files.items()]


def path_variable(environment: Path, inherited: str) -> str:
    """PATH of an image with the Python environment."""
    return f"{environment / 'bin'}:{inherited}"


def _read_only(source: Path, target: str) -> dict[str, Any]:
    return {"source": str(source), "target": target, "read_only": True}
