from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from local.toolchain import ensure
from local.toolchain.errors import DiskSpaceError, GoMissingError, GoTooOldError, ModuleRefusedError, ToolchainError
from local.toolchain.golang import environment, find_go
from local.toolchain.pins import MODULES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.toolchain.conftest import Machine


def test_without_go_the_error_says_where_to_get_it(machine: Machine) -> None:
    with pytest.raises(GoMissingError, match="there is no `go` on PATH") as caught:
        ensure(console=machine.output)
    assert "https://go.dev/dl" in caught.value.hint


@pytest.mark.parametrize("version", ["go1.25.4", "go1.9", "devel"])
def test_an_old_go_is_named_with_the_release_that_is_needed(machine: Machine, version: str) -> None:
    machine.go(version)
    with pytest.raises(GoTooOldError, match=f"is {version}, the pinned modules need Go 1.26 or newer"):
        ensure(console=machine.output)
    assert machine.builds == []


@pytest.mark.parametrize("version", ["go1.26", "go1.26.8", "go1.27rc1", "go2.0", "devel go1.28-abcdef"])
def test_a_recent_go_is_accepted(machine: Machine, version: str) -> None:
    machine.go(version)
    assert find_go().version == version


def test_too_little_disk_space_says_how_much_is_needed_and_free(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=100 << 20))
    needed = sum(module.disk.sources_mib + module.disk.compiled_mib + module.disk.installed_mib for module in MODULES)
    with pytest.raises(DiskSpaceError, match=f"needs up to {needed} MiB .* and 100 MiB are free"):
        ensure(console=machine.output)
    assert machine.builds == []


def test_disk_space_is_counted_for_what_is_missing_only(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.go()
    etcd = next(module for module in MODULES if module.name == "etcd").disk
    enough = (etcd.sources_mib + etcd.compiled_mib + etcd.installed_mib) << 20
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=enough))
    ensure(["etcd"], console=machine.output)
    assert machine.builds == ["go.etcd.io/etcd/server/v3"]


REFUSALS = {
    "not served": (
        "go: k8s.io/api@v0.36.3: reading https://modules.example/k8s.io/api/@v/v0.36.3.zip: 404 Not Found",
        "k8s.io/api@v0.36.3",
        "the Go module registry refuses k8s.io/api@v0.36.3",
    ),
    "forbidden": (
        "main.go:3:2: example.com/a/b@v1.2.3-0.20260115-abc: reading https://m.example/x: 403 Forbidden",
        "example.com/a/b@v1.2.3-0.20260115-abc",
        "the Go module registry refuses example.com/a/b",
    ),
    "switched off": (
        "go: github.com/a/b@v1.0.0: module lookup disabled by GOPROXY=off",
        "github.com/a/b@v1.0.0",
        "the Go module registry refuses github.com/a/b@v1.0.0",
    ),
    "no network": (
        'go: github.com/a/b@v1.0.0: Get "https://m.example/b.zip": dial tcp: lookup m.example: no such host',
        "github.com/a/b@v1.0.0",
        "the Go module registry cannot be reached for github.com/a/b@v1.0.0",
    ),
    "wrong checksum": (
        "verifying github.com/a/b@v1.0.0: checksum mismatch\n\tdownloaded: h1:x=\n\tgo.sum: h1:y=\n\nSECURITY ERROR",
        "github.com/a/b@v1.0.0",
        "the checksum of github.com/a/b@v1.0.0 is not the one in our go.sum",
    ),
    "incomplete go.sum": (
        "/home/someone/mod/k8s.io/a@v0.1.0/x.go:3:2: missing go.sum entry for module providing package k8s.io/klog",
        None,
        "our go.sum has no checksum for k8s.io/klog",
    ),
}


@pytest.mark.parametrize(("answer", "module", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refused_module_is_named_before_anything_is_compiled(
    machine: Machine, answer: str, module: str | None, message: str
) -> None:
    machine.go()
    machine.refuse(f"go: downloading k8s.io/other v0.1.0\n{answer}\n")
    with pytest.raises(ModuleRefusedError) as caught:
        ensure(console=machine.output)
    assert caught.value.module == module
    assert caught.value.message.startswith(message)
    assert str(machine.cache / "logs" / "fetch-pulumi.log") in caught.value.hint
    assert machine.builds == []


def test_other_trouble_with_modules_shows_go_own_words(machine: Machine) -> None:
    machine.go()
    machine.refuse("go: errors parsing go.mod:\ngo.mod:3: unknown directive: reqire\n")
    with pytest.raises(ToolchainError, match="unknown directive: reqire") as caught:
        ensure(console=machine.output)
    assert type(caught.value) is ToolchainError


def test_the_user_settings_that_would_change_what_is_built_are_replaced_and_the_others_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOFLAGS", "-race -mod=mod")
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOPROXY", "https://modules.example")
    seen = environment(tmp_path)
    assert {name: seen.get(name) for name in ("GOFLAGS", "GOOS", "GOPROXY", "GOTOOLCHAIN", "GOGC", "GOTMPDIR")} == {
        "GOFLAGS": "-mod=readonly",
        "GOOS": None,
        "GOPROXY": "https://modules.example",
        "GOTOOLCHAIN": "local",
        "GOGC": "off",
        "GOTMPDIR": str(tmp_path),
    }


def test_checksum_verification_is_never_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    switches = ("GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOINSECURE", "GOPRIVATE")
    for name in switches:
        monkeypatch.delenv(name, raising=False)
    assert [name for name in switches if name in environment()] == []
