"""A pod's volumes: directories below the node's state that stand for what a kubelet mounts."""

import contextlib
import datetime as dt
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cluster.kube import Document, Kube
from local.cluster.process_node import projections
from local.cluster.process_node.environment import ConfigError, Sources
from local.cluster.process_node.projections import File
from local.cluster.process_node.quantities import whole
from local.cluster.process_node.sandbox import MemoryMount
from local.cluster.process_node.seams import NodeError
from local.cluster.stages import VOLUMES_ANNOTATION, VOLUMES_MOUNTED

_TOKEN_SECONDS = 3607
_TOKEN_MODE = 0o600
_REFRESH_SHARE = 0.8
_TEAM_USER = 1000
_TEAM_MODE = 0o2770
_KINDS = ("emptyDir", "configMap", "secret", "downwardAPI", "projected", "hostPath", "persistentVolumeClaim")


class MountError(NodeError):
    """A volume cannot be mounted (yet), in a kubelet's words."""

    def __init__(self, message: str, *, reported: bool = False) -> None:
        super().__init__(message)
        self.reported = reported
        """Somebody else wrote the event."""


@dataclass(frozen=True)
class Mounted:
    """One volume that is there."""

    path: Path
    read_only: bool = False
    limit_bytes: int = 0
    """An emptyDir's ``sizeLimit`` that no file system holds."""


class Volumes:
    """All volumes of one pod."""

    def __init__(
        self, kube: Kube, directory: Path, file_systems: Path, allocatable: Callable[[], Mapping[str, str]]
    ) -> None:
        self._kube = kube
        self._directory = directory
        self._file_systems = file_systems
        self._allocatable = allocatable
        self._tokens: dict[str, tuple[dt.datetime, str]] = {}
        self.mounted: dict[str, Mounted] = {}
        self.memory: list[MemoryMount] = []

    async def mount(self, pod: Document) -> None:
        """Make every volume of the pod; may be called again until it succeeds.

        Raises:
            MountError: one is not possible yet.
        """
        self.memory = []
        for volume in pod["spec"].get("volumes") or ():
            name = volume["name"]
            kind = next((kind for kind in _KINDS if kind in volume), "")
            try:
                self.mounted[name] = await self._mount(pod, volume, kind)
            except (ConfigError, OSError, ValueError) as error:
                raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    async def refresh(self, pod: Document) -> None:
        """Bring volumes made of API objects up to date, and tokens that grow old; a failure waits for the next time."""
        for volume in pod["spec"].get("volumes") or ():
            if volume["name"] in self.mounted and any(
                kind in volume for kind in ("configMap", "secret", "downwardAPI", "projected")
            ):
                with contextlib.suppress(ConfigError, OSError):
                    await self._write(pod, volume)

    def exceeded(self) -> tuple[str, int] | None:
        """An emptyDir over its size limit: its name and the limit in bytes."""
        for name, item in self.mounted.items():
            if item.limit_bytes and _size(item.path) > item.limit_bytes:
                return name, item.limit_bytes
        return None

    async def _mount(self, pod: Document, volume: Document, kind: str) -> Mounted:
        if kind == "emptyDir":
            return self._empty(pod, volume)
        if kind == "hostPath":
            return Mounted(_host_path(volume["hostPath"]))
        if kind == "persistentVolumeClaim":
            return await self._claim(pod, volume)
        if not kind:
            what = ", ".join(name for name in volume if name != "name")
            raise ConfigError(f"volumes of type {what} are not offered by a process node; it has {', '.join(_KINDS)}")
        return await self._write(pod, volume)

    def _empty(self, pod: Document, volume: Document) -> Mounted:
        source, path = volume["emptyDir"] or {}, self._path(volume)
        group = _group(pod)
        limit = whole(source.get("sizeLimit", "0"))
        path.mkdir(parents=True, exist_ok=True)
        if source.get("medium") == "Memory":
            mode = "0777" if group is None else "2777"
            self.memory.append(MemoryMount(str(path), limit, mode, group or 0))
            return Mounted(path)
        path.chmod(0o777)
        if group is not None:
            _give(path, group)
        return Mounted(path, limit_bytes=limit)

    async def _claim(self, pod: Document, volume: Document) -> Mounted:
        source = volume["persistentVolumeClaim"]
        namespace, name = pod["metadata"]["namespace"], source["claimName"]
        claim = await self._kube.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
        if claim is None:
            raise ConfigError(f'persistentvolumeclaim "{name}" not found')
        bound = (claim.get("spec") or {}).get("volumeName")
        found = await self._kube.get(f"/api/v1/persistentvolumes/{bound}") if bound else None
        if found is None or (claim.get("status") or {}).get("phase") != "Bound":
            raise ConfigError(f'PVC "{namespace}/{name}" is not bound')
        spec = found["spec"]
        read_only = bool(source.get("readOnly")) or claim["spec"].get("accessModes") == ["ReadOnlyMany"]
        if "hostPath" in spec:
            return Mounted(_host_path(spec["hostPath"]), read_only)
        if "local" in spec:
            return Mounted(_host_path({"path": spec["local"]["path"], "type": "Directory"}), read_only)
        if "csi" in spec:
            return Mounted(self._file_system(pod, spec["csi"]), read_only or bool(spec["csi"].get("readOnly")))
        raise ConfigError(
            "the volume is of a type that a process node does not offer; it has csi (fsx), hostPath, local"
        )

    def _file_system(self, pod: Document, source: Mapping[str, Any]) -> Path:
        annotations = pod["metadata"].get("annotations") or {}
        if annotations.get(VOLUMES_ANNOTATION) != VOLUMES_MOUNTED:
            # The supervisor decides as the CSI driver would (local/cluster/volumes.py) and writes the event.
            raise MountError("waits for the CSI driver", reported=True)
        # A handle may name a directory of the file system: fs-0123::/team.
        handle, _, below = str(source["volumeHandle"]).partition("::")
        path = self._file_systems / handle
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        _team_directory(path / str(pod["metadata"]["namespace"]))
        inside = path / below.strip("/")
        if not inside.is_dir():
            raise ConfigError(f"{source['volumeHandle']}: no such directory on the file system")
        return inside

    async def _write(self, pod: Document, volume: Document) -> Mounted:
        path = self._path(volume)
        files = await self._files(pod, volume)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        projections.write(path, files, _group(pod))
        return Mounted(path, read_only=True)

    async def _files(self, pod: Document, volume: Document) -> dict[str, File]:
        if "projected" in volume:
            mode = volume["projected"].get("defaultMode", 0o644)
            found: dict[str, File] = {}
            for source in volume["projected"].get("sources") or ():
                found |= await self._source(pod, source, mode)
            return found
        kind = next(kind for kind in ("configMap", "secret", "downwardAPI") if kind in volume)
        source = volume[kind]
        if kind == "secret":
            source = {"name": source.get("secretName"), **source}
        return await self._source(pod, {kind: source}, source.get("defaultMode", 0o644))

    async def _source(self, pod: Document, source: Mapping[str, Any], mode: int) -> dict[str, File]:
        namespace = pod["metadata"]["namespace"]
        if "downwardAPI" in source:
            sources = Sources(pod=pod, allocatable=self._allocatable())
            return projections.of_fields(source["downwardAPI"].get("items") or (), sources, mode)
        if "serviceAccountToken" in source:
            wanted = source["serviceAccountToken"]
            owner = _only_user(pod)
            token_mode = mode if owner is None and _group(pod) is None else _TOKEN_MODE
            return {wanted["path"]: File((await self._token(pod, wanted)).encode(), token_mode, owner)}
        for kind, plural, resource in (("configMap", "configmaps", "configmap"), ("secret", "secrets", "secret")):
            if kind in source:
                name = source[kind]["name"]
                item = await self._kube.get(f"/api/v1/namespaces/{namespace}/{plural}/{name}")
                data = (
                    None
                    if item is None
                    else projections.decoded({"kind": "Secret" if kind == "secret" else "", **item})
                )
                return projections.of_keys(data, source[kind], kind=resource, name=name, namespace=namespace, mode=mode)
        raise ConfigError(f"a projected source is not offered by a process node: {', '.join(source)}")

    async def _token(self, pod: Document, wanted: Mapping[str, Any]) -> str:
        now = dt.datetime.now(dt.UTC)
        key = f"{wanted['path']} {wanted.get('audience', '')}"
        due, token = self._tokens.get(key, (now, ""))
        if token and now < due:
            return token
        meta, account = pod["metadata"], pod["spec"].get("serviceAccountName") or "default"
        lifetime = int(wanted.get("expirationSeconds") or _TOKEN_SECONDS)
        request: Document = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [wanted["audience"]] if wanted.get("audience") else None,
                "expirationSeconds": lifetime,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]},
            },
        }
        path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token"
        answer = await self._kube.request("POST", path, request)
        token = str(answer["status"]["token"])
        # token_manager.go: a token is renewed when 80 % of its time have passed.
        self._tokens[key] = (now + dt.timedelta(seconds=_REFRESH_SHARE * lifetime), token)
        return token

    def _path(self, volume: Document) -> Path:
        return self._directory / str(volume["name"])


def _host_path(source: Mapping[str, Any]) -> Path:
    """Source: kubernetes.io/docs/concepts/storage/volumes, hostPath types."""
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    if kind == "FileOrCreate" and not path.exists():
        path.touch()
    checks: Mapping[str, tuple[Callable[[int], bool], str]] = {
        "Directory": (stat.S_ISDIR, "directory"),
        "File": (stat.S_ISREG, "file"),
        "Socket": (stat.S_ISSOCK, "socket file"),
        "CharDevice": (stat.S_ISCHR, "character device"),
        "BlockDevice": (stat.S_ISBLK, "block device"),
    }
    if kind in checks:
        is_kind, words = checks[kind]
        if not path.exists() or not is_kind(path.stat().st_mode):
            raise ConfigError(f"hostPath type check failed: {path} is not a {words}")
    elif not path.exists():
        path.mkdir(parents=True)
    return path


def _team_directory(path: Path) -> None:
    """What the platform's own Job does on a file system (components/kubernetes/team_directories.py).

    Its pod ran on a pretended node, which has no file system, so its effect is made where the first real pod mounts.
    """
    try:
        path.mkdir()
    except FileExistsError:
        # Or the agent of another node is making it at this moment.
        return
    # A user namespace of one id cannot, and needs not: everything is ours there.
    with contextlib.suppress(OSError):
        os.chown(path, _TEAM_USER, _TEAM_USER)
    path.chmod(_TEAM_MODE)


def _group(pod: Document) -> int | None:
    found = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    return None if found is None else int(found)


def _only_user(pod: Document) -> int | None:
    """The user of all containers when they have the same: the token is theirs then (pkg/volume/projected)."""
    spec = pod["spec"]
    shared = (spec.get("securityContext") or {}).get("runAsUser")
    users = {
        (item.get("securityContext") or {}).get("runAsUser", shared)
        for item in (*(spec.get("initContainers") or ()), *spec["containers"])
    }
    return next(iter(users)) if len(users) == 1 else None


def _give(path: Path, group: int) -> None:
    # A user namespace of one id cannot, and needs not: everything is ours there.
    with contextlib.suppress(OSError):
        os.chown(path, -1, group)
        path.chmod(0o2777)


def _size(path: Path) -> int:
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(directory) / name).lstat().st_size
    return total
