"""The official downloads, against a server of our own on loopback."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import platform
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

from local.toolchain import ensure
from local.toolchain.download import archives
from local.toolchain.layout import downloaded_path
from local.toolchain.locate import find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.toolchain.conftest import Machine

PULUMI = ["pulumi", "pulumi-analyzer-policy-python", "pulumi-language-python-exec"]
PLUGIN = "pulumi-resource-kubernetes"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        pass


class Host:
    """A download host whose files lie in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(self, *, left_out: tuple[str, ...] = ()) -> None:
        """Puts there what the real host is known to have."""
        for archive in archives():
            data = _archive({f"pulumi/{name}": f"official {name}" for name in archive.members if name not in left_out})
            self.put(archive.path, data)
            digest, name = hashlib.sha256(data).hexdigest(), archive.path.rsplit("/", 1)[-1]
            self.put(archive.checksums, f"{'0' * 64}  other.tar.gz\n{digest}  {name}\n".encode())

    def put(self, path: str, data: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _archive(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
        evil = tarfile.TarInfo("../../outside")
        evil.size = 4
        archive.addfile(evil, io.BytesIO(b"evil"))
    return packed.getvalue()


@pytest.fixture
def host(tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host that answers; what it has is up to the test."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    root = tmp_path / "host"
    root.mkdir()
    handler = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("SLIPWAY_PULUMI_DOWNLOADS", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield Host(root)
        server.shutdown()
        thread.join()


def _shown(machine: Machine) -> str:
    return machine.output.export_text(clear=False)


def test_engine_and_plugin_are_downloaded_without_any_go(host: Host, machine: Machine) -> None:
    host.publish()
    toolchain = ensure([*PULUMI, PLUGIN], console=machine.output)
    assert toolchain.bin_dirs() == [downloaded_path("pulumi").parent]
    assert machine.files == sorted([*PULUMI, PLUGIN])
    assert toolchain.path("pulumi").read_text() == "official pulumi"
    assert toolchain.path(PLUGIN).stat().st_mode & 0o777 == 0o755
    assert "download" in next(line for line in _shown(machine).splitlines() if PLUGIN in line)


def test_nothing_but_the_wanted_files_leaves_the_archive(host: Host, machine: Machine, tmp_path: Path) -> None:
    host.publish()
    ensure(["pulumi"], console=machine.output)
    assert machine.files == ["pulumi"]
    assert list(tmp_path.rglob("outside")) == []


def test_what_no_host_offers_is_built_beside_the_downloads(host: Host, machine: Machine) -> None:
    host.publish()
    machine.go()
    ensure(["pulumi", "etcd"], console=machine.output)
    assert machine.builds == ["go.etcd.io/etcd/server/v3"]


def test_a_wrong_checksum_means_building_instead(host: Host, machine: Machine) -> None:
    host.publish()
    host.put(archives()[0].path, _archive({"pulumi/pulumi": "tampered"}))
    machine.go()
    toolchain = ensure(["pulumi"], console=machine.output)
    assert toolchain.path("pulumi").read_text() == "#!/bin/sh\necho whole\n"
    assert "has SHA-256" in _shown(machine)
    assert not downloaded_path("pulumi").parent.exists()


def test_an_archive_without_a_published_checksum_is_not_used(host: Host, machine: Machine) -> None:
    host.publish()
    (host.root / archives()[0].checksums).write_text("0  another-file.tar.gz\n")
    machine.go()
    ensure(["pulumi"], console=machine.output)
    assert machine.builds == ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"]
    assert "does not list pulumi-v3.215.0-linux-x64.tar.gz" in _shown(machine)


def test_an_archive_that_lacks_a_file_installs_none_of_it(host: Host, machine: Machine) -> None:
    host.publish(left_out=("pulumi-language-python-exec",))
    machine.go()
    ensure(PULUMI, console=machine.output)
    assert "does not contain pulumi-language-python-exec" in _shown(machine)
    assert not downloaded_path("pulumi").parent.exists()


def test_without_the_plugin_the_engine_is_downloaded_and_the_plugin_built(host: Host, machine: Machine) -> None:
    host.publish()
    (host.root / archives()[1].checksums).unlink()
    machine.go()
    ensure(["pulumi", PLUGIN], console=machine.output)
    assert machine.builds == ["./pulumi-resource-kubernetes"]
    located = find("pulumi")
    assert located is not None
    assert located.path == downloaded_path("pulumi")


def test_a_host_that_does_not_answer_means_building(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_PULUMI_DOWNLOADS", "http://127.0.0.1:9")
    machine.go()
    ensure(["pulumi"], console=machine.output)
    assert machine.builds == ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"]
    assert "no official download" in _shown(machine)


def test_an_address_that_is_none_means_building(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_PULUMI_DOWNLOADS", "somewhere")
    machine.go()
    ensure(["pulumi"], console=machine.output)
    assert machine.builds == ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"]


def test_other_systems_have_no_download_that_we_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert archives() == ()
