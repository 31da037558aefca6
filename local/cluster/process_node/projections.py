"""Volumes made of API objects: what files they hold, and how they are brought up to date at once."""

import base64
import datetime as dt
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cluster.kube import Document
from local.cluster.process_node.environment import ConfigError, Sources, pod_field, resource_field

_DEFAULT_MODE = 0o644
_GROUP_READ = 0o440


@dataclass(frozen=True)
class File:
    """One file of a volume."""

    data: bytes
    mode: int = _DEFAULT_MODE
    uid: int | None = None


def decoded(item: Document) -> dict[str, bytes]:
    """The keys of a ConfigMap or a Secret."""
    if item.get("kind") == "Secret":
        return {name: base64.b64decode(value) for name, value in (item.get("data") or {}).items()}
    plain = {name: value.encode() for name, value in (item.get("data") or {}).items()}
    return plain | {name: base64.b64decode(value) for name, value in (item.get("binaryData") or {}).items()}


def of_keys(
    data: Mapping[str, bytes] | None, source: Mapping[str, Any], *, kind: str, name: str, namespace: str, mode: int
) -> dict[str, File]:
    """Files of a ConfigMap or Secret source: all keys, or its ``items``.

    Raises:
        ConfigError: the object or a key is missing and not optional, in a kubelet's words.
    """
    optional = bool(source.get("optional"))
    if data is None:
        if optional:
            return {}
        raise ConfigError(f'{kind} "{name}" not found')
    items = source.get("items")
    if items is None:
        return {key: File(value, mode) for key, value in data.items()}
    found = {}
    for item in items:
        if item["key"] in data:
            found[item["path"]] = File(data[item["key"]], item.get("mode", mode))
        elif not optional:
            raise ConfigError(f"references non-existent {kind} key: {item['key']} ({namespace}/{name})")
    return found


def of_fields(items: Sequence[Mapping[str, Any]], sources: Sources, mode: int) -> dict[str, File]:
    """Files of a downwardAPI source.

    Raises:
        ConfigError: a field cannot be referred to.
    """
    found = {}
    for item in items:
        if "fieldRef" in item:
            text = pod_field(sources.pod, item["fieldRef"]["fieldPath"])
        else:
            text = resource_field({}, item["resourceFieldRef"], sources)
        found[item["path"]] = File(text.encode(), item.get("mode", mode))
    return found


def write(directory: Path, files: Mapping[str, File], group: int | None) -> None:
    """Bring ``directory`` to ``files``: readers see the old ones or the new ones, never a mixture.

    The layout is a kubelet's (``pkg/volume/util/atomic_writer.go``): files in a directory named by the time, ``..data``
    that points to it, and a link through ``..data`` for each first path element. ``group``: the pod's fsGroup.
    """
    data = directory / "..data"
    current = data.resolve() if data.is_symlink() else None
    if current is not None and _same(current, files):
        return
    stamp = dt.datetime.now(dt.UTC).strftime("..%Y_%m_%d_%H_%M_%S.%f")
    fresh = directory / stamp
    fresh.mkdir(mode=0o755)
    fresh.chmod(0o755)
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        path.chmod(file.mode | (_GROUP_READ if group is not None else 0))
        if group is not None or file.uid is not None:
            _own(path, -1 if file.uid is None else file.uid, -1 if group is None else group)
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(stamp)
    link.replace(data)
    wanted = {name.partition("/")[0] for name in files}
    for name in wanted:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    for path in directory.iterdir():
        if path.is_symlink() and not path.name.startswith("..") and path.name not in wanted:
            path.unlink()
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)


def _own(path: Path, uid: int, gid: int) -> None:
    try:
        os.chown(path, uid, gid)
    except OSError:
        # A user namespace of one id: files are the pod's anyway.
        return


def _same(directory: Path, files: Mapping[str, File]) -> bool:
    there = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
    return set(there) == set(files) and all(there[name].read_bytes() == file.data for name, file in files.items())
