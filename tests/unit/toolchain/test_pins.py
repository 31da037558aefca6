from __future__ import annotations

import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.toolchain import layout, pins
from local.toolchain.layout import cache_root, module_key
from local.toolchain.pins import MODULES, TOOLS, GoModule

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4 v4.0.0-20260115033456-f47bc2d6f199"


def _module(name: str) -> GoModule:
    return next(module for module in MODULES if module.name == name)


@pytest.mark.parametrize(
    ("module", "go_module", "version"),
    [
        ("pulumi", "github.com/pulumi/pulumi/pkg/v3", TOOLS["pulumi"].version),
        ("pulumi", "github.com/pulumi/pulumi/sdk/v3", TOOLS["pulumi-language-python-exec"].version),
        ("etcd", "go.etcd.io/etcd/server/v3", TOOLS["etcd"].version),
        ("kubernetes", "k8s.io/kubernetes", TOOLS["kube-apiserver"].version),
        ("kwok", "sigs.k8s.io/kwok", TOOLS["kwok"].version),
        ("kserve", "github.com/kserve/kserve", TOOLS["kserve-manager"].version),
        ("kueue", "sigs.k8s.io/kueue", TOOLS["kueue-manager"].version),
        ("jobset", "sigs.k8s.io/jobset", TOOLS["jobset-manager"].version),
        ("trainer", "github.com/kubeflow/trainer/v2", TOOLS["trainer-manager"].version),
    ],
)
def test_the_versions_that_we_show_are_those_of_the_go_modules(module: str, go_module: str, version: str) -> None:
    required = re.findall(rf"^(?:require|\t)?\s*{re.escape(go_module)} (v\S+)", _read(module, "go.mod"), re.MULTILINE)
    assert required == [f"v{version}"]


def _libraries(module: str) -> dict[str, str]:
    return dict(re.findall(r"^\t(\S+) (v\S+)", _read(module, "go.mod"), re.MULTILINE))


@pytest.mark.parametrize(("one", "other"), [("kueue", "jobset"), ("kueue", "trainer"), ("jobset", "trainer")])
def test_controllers_agree_on_what_they_share_so_that_it_is_compiled_once(one: str, other: str) -> None:
    first, second = _libraries(one), _libraries(other)
    shared = sorted(set(first) & set(second) - {"sigs.k8s.io/jobset", "github.com/kubeflow/trainer/v2"})
    assert {name: first[name] for name in shared} == {name: second[name] for name in shared}
    assert first["k8s.io/client-go"] == f"v0.{TOOLS['kube-apiserver'].version.removeprefix('1.')}"


def _read(module: str, file: str) -> str:
    return (_module(module).directory / file).read_text()


def test_the_plugin_is_that_of_the_pinned_python_sdk() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = [line for line in project["project"]["dependencies"] if line.startswith("pulumi-kubernetes")]
    assert pinned == [f"pulumi-kubernetes=={pins.KUBERNETES_PLUGIN_VERSION}"]


def test_the_checksums_that_no_database_serves_are_committed() -> None:
    sums = _read("pulumi", "go.sum").splitlines()
    assert f"{PROVIDER} h1:j2bphCf7c2YhnBrhwht2f3TNRRgcMImltUlAgzxr9H4=" in sums
    assert f"{PROVIDER}/go.mod h1:61at6ZXhz4COFbTksqENrBzq5VUQ/LV8sdZ7WJt9KT4=" in sums


def test_the_linker_tells_every_executable_its_version() -> None:
    linked = {build.name: build.ldflags for module in MODULES for build in module.builds}
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in linked["kube-apiserver"]
    assert "-X k8s.io/component-base/version.gitMinor=36" in linked["kube-apiserver"]
    assert "version.Version=4.25.0" in linked["pulumi-resource-kubernetes"]
    assert linked["etcd"] == "-s -w"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], GoModule]:
    """A module with a directory that a test may change."""

    def make(name: str) -> GoModule:
        shutil.copytree(_module(name).directory, tmp_path / name)
        monkeypatch.setattr(pins, "MODULES_DIRECTORY", tmp_path)
        return replace(_module(name))

    return make


def _key(module: GoModule) -> str:
    module_key.cache_clear()
    return module_key(module)


def test_a_changed_pin_changes_the_key_of_its_module_and_of_no_other(copy: Callable[[str], GoModule]) -> None:
    etcd, kwok = copy("etcd"), _key(_module("kwok"))
    before = _key(etcd)
    assert before == _key(_module("etcd"))
    go_sum = etcd.directory / "go.sum"
    go_sum.write_text(go_sum.read_text() + "example.com/a v1.0.0 h1:x=\n")
    assert _key(etcd) != before
    assert _key(_module("kwok")) == kwok


def test_a_changed_source_changes_the_key(copy: Callable[[str], GoModule]) -> None:
    pulumi = copy("pulumi")
    before = _key(pulumi)
    (pulumi.directory / "pulumi-resource-kubernetes" / "main.go").write_text("package main\n")
    assert _key(pulumi) != before


def test_a_changed_flag_changes_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {_key(module) for module in MODULES}
    monkeypatch.setattr(layout, "BUILD_FLAGS", (*pins.BUILD_FLAGS, "-v"))
    assert before.isdisjoint({_key(module) for module in MODULES})


def test_files_that_are_not_compiled_do_not_change_the_key(copy: Callable[[str], GoModule]) -> None:
    etcd = copy("etcd")
    before = _key(etcd)
    (etcd.directory / "README.md").write_text("words")
    assert _key(etcd) == before


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLIPWAY_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a/toolchain"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/slipway/toolchain"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/slipway/toolchain"),
        ({"HOME": "/c"}, "/c/.cache/slipway/toolchain"),
    ],
)
def test_the_cache_is_where_the_user_wants_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("SLIPWAY_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_root() == Path(expected)
