from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.toolchain import ensure
from local.toolchain.layout import built_path
from local.toolchain.locate import find

if TYPE_CHECKING:
    from tests.unit.toolchain.conftest import Machine


def _says(text: str) -> str:
    return f"#!/bin/sh\necho '{text}'\n"


@pytest.mark.parametrize(
    ("name", "says", "version"),
    [
        ("pulumi", "v3.215.0", "3.215.0"),
        ("pulumi", "v3.259.0", "3.259.0"),
        ("pulumi", "v3.300.1-alpha.x1", "3.300.1"),
        ("etcd", "etcd Version: 3.6.20", "3.6.20"),
        ("kube-apiserver", "Kubernetes v1.36.9", "1.36.9"),
        ("kwok", "kwok version v0.8.1 go1.26.8 (linux/amd64)", "0.8.1"),
    ],
)
def test_an_executable_of_the_user_is_taken_when_it_is_recent_enough(
    machine: Machine, name: str, says: str, version: str
) -> None:
    path = machine.put(name, _says(says))
    located = find(name)
    assert located is not None
    assert (located.path, located.version, located.origin) == (path, version, "path")


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("pulumi", _says("v3.214.1")),
        ("pulumi", _says("v4.0.0")),
        ("pulumi", _says("development build")),
        ("pulumi", "#!/bin/sh\necho v3.259.0\nexit 1\n"),
        ("pulumi", "#!/no/such/interpreter\n"),
        ("kube-scheduler", _says("Kubernetes v1.37.0")),
        ("kube-scheduler", _says("Kubernetes v1.35.9")),
        ("kubectl", _says("Client Version: v1.34.9")),
        ("kubectl", _says("Client Version: v1.38.0")),
        ("pulumi-resource-kubernetes", _says("v4.25.0")),
        ("pulumi-language-python-exec", _says("v3.259.0")),
    ],
)
def test_an_executable_of_the_user_is_left_alone_when_it_is_old_or_says_no_version(
    machine: Machine, name: str, script: str
) -> None:
    machine.put(name, script)
    assert find(name) is None


def test_what_is_cached_comes_before_what_is_on_path(machine: Machine) -> None:
    machine.go()
    ensure(["pulumi"], console=machine.output)
    machine.put("pulumi", _says("v3.259.0"))
    located = find("pulumi")
    assert located is not None
    assert (located.path, located.origin) == (built_path("pulumi"), "cache")


def test_the_scripts_of_a_user_engine_are_taken_from_beside_it(machine: Machine) -> None:
    machine.put("pulumi", _says("v3.259.0"))
    script = machine.put("pulumi-language-python-exec", "#!/bin/sh\n")
    located = find("pulumi-language-python-exec")
    assert located is not None
    assert (located.path, located.version, located.origin) == (script, "3.259.0", "path")


def test_our_own_older_executables_on_path_are_not_mistaken_for_the_user_s(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = machine.cache / "etcd-0123456789abcdef" / "bin"
    older.mkdir(parents=True)
    (older / "etcd").write_text(_says("etcd Version: 3.6.1"))
    (older / "etcd").chmod(0o755)
    monkeypatch.setenv("PATH", str(older))
    assert find("etcd") is None


def test_a_user_engine_without_its_scripts_gets_ours_without_compiling_anything(machine: Machine) -> None:
    machine.go()
    machine.refuse("go: k8s.io/api@v0.36.3: 404 Not Found")
    machine.put("pulumi", _says("v3.259.0"))
    toolchain = ensure(["pulumi", "pulumi-language-python-exec"], console=machine.output)
    assert machine.builds == []
    assert toolchain.path("pulumi-language-python-exec").read_text() == "exec script"


def test_with_a_user_engine_only_the_rest_is_built(machine: Machine) -> None:
    machine.go()
    machine.put("pulumi", _says("v3.259.0"))
    toolchain = ensure(["pulumi", "etcd"], console=machine.output)
    assert machine.builds == ["go.etcd.io/etcd/server/v3"]
    assert toolchain.bin_dirs() == [machine.bin, built_path("etcd").parent]
