"""The official Pulumi downloads: faster than building, used when they can be reached and their checksums agree.

Tested against a server of our own only; the real host has not been tried. Whatever is not as expected, an unreachable
host as well as a missing checksum file, means that the executable is built instead.
"""

import hashlib
import http.client
import io
import os
import platform
import tarfile
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from local.toolchain.errors import DownloadError
from local.toolchain.install import write_executable
from local.toolchain.layout import downloaded_path
from local.toolchain.pins import KUBERNETES_PLUGIN, KUBERNETES_PLUGIN_VERSION, PULUMI_VERSION

BASE_VARIABLE: Final = "SLIPWAY_PULUMI_DOWNLOADS"
_OFFICIAL: Final = "https://get.pulumi.com/releases"
_CONNECT_SECONDS: Final = 4.0
_STALL_SECONDS: Final = 30.0
_ARCHITECTURES: Final = {"x86_64": ("x64", "amd64"), "aarch64": ("arm64", "arm64")}


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One official archive, the file that lists its SHA-256, and the executables that we take out of it."""

    path: str
    checksums: str
    members: tuple[str, ...]


def archives() -> tuple[Archive, ...]:
    """The archives for this machine; none where Pulumi publishes none that we know."""
    if platform.system() != "Linux" or platform.machine() not in _ARCHITECTURES:
        return ()
    sdk_arch, plugin_arch = _ARCHITECTURES[platform.machine()]
    return (
        Archive(
            path=f"sdk/pulumi-v{PULUMI_VERSION}-linux-{sdk_arch}.tar.gz",
            checksums=f"sdk/pulumi-{PULUMI_VERSION}-checksums.txt",
            members=("pulumi", "pulumi-language-python-exec", "pulumi-analyzer-policy-python"),
        ),
        Archive(
            path=f"plugins/pulumi-resource-kubernetes-v{KUBERNETES_PLUGIN_VERSION}-linux-{plugin_arch}.tar.gz",
            checksums=f"plugins/pulumi-kubernetes_{KUBERNETES_PLUGIN_VERSION}_checksums.txt",
            members=(KUBERNETES_PLUGIN,),
        ),
    )


def download(missing: set[str], *, say: Callable[[str], None]) -> set[str]:
    """Installs what it can of `missing` and returns the names; never raises for a host that is not there."""
    base = os.environ.get(BASE_VARIABLE, _OFFICIAL).rstrip("/")
    if base == "off":
        return set()
    got: set[str] = set()
    for archive in archives():
        wanted = missing.intersection(archive.members)
        if not wanted:
            continue
        try:
            _install(base, archive, wanted)
        except DownloadError as error:
            say(f"no official download ({error}): building instead")
            # One host serves both: when it fails for the first, waiting for it again helps nobody.
            break
        got |= wanted
    return got


def _install(base: str, archive: Archive, wanted: set[str]) -> None:
    file_name = archive.path.rsplit("/", 1)[-1]
    listed = _get(f"{base}/{archive.checksums}", whole_request_seconds=_CONNECT_SECONDS).decode(errors="replace")
    sums = {name.lstrip("*"): digest for digest, _, name in (line.partition("  ") for line in listed.splitlines())}
    if file_name not in sums:
        raise DownloadError(f"{archive.checksums} does not list {file_name}", "it is built instead")
    data = _get(f"{base}/{archive.path}", whole_request_seconds=None)
    digest = hashlib.sha256(data).hexdigest()
    if digest != sums[file_name]:
        raise DownloadError(f"{file_name} has SHA-256 {digest}, not {sums[file_name]}", "it is built instead")
    _unpack(data, file_name, wanted)


def _unpack(data: bytes, file_name: str, wanted: set[str]) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as opened:
            files = {entry.name.rsplit("/", 1)[-1]: entry for entry in opened.getmembers() if entry.isfile()}
            absent = sorted(wanted - files.keys())
            if absent:
                raise DownloadError(f"{file_name} does not contain {', '.join(absent)}", "it is built instead")
            for name in sorted(wanted):
                content = opened.extractfile(files[name])
                write_executable(downloaded_path(name), content.read() if content else b"")
    except (tarfile.TarError, EOFError) as error:
        raise DownloadError(f"{file_name} cannot be unpacked: {error}", "it is built instead") from error


def _get(url: str, *, whole_request_seconds: float | None) -> bytes:
    """The body at `url`. A whole-request limit also covers a name server that never answers, which sockets do not."""
    answer: list[bytes | Exception] = []

    def ask() -> None:
        try:
            timeout = whole_request_seconds or _STALL_SECONDS
            with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 (the base is ours or the user's)
                answer.append(response.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            answer.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(whole_request_seconds)
    if not answer:
        raise DownloadError(f"{url} does not answer within {whole_request_seconds} s", "it is built instead")
    if isinstance(answer[0], bytes):
        return answer[0]
    raise DownloadError(f"{url}: {answer[0]}", "it is built instead")
