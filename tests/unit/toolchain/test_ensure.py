from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from local.toolchain import Toolchain, clean, ensure, list_tools
from local.toolchain.errors import BuildFailedError, DiskSpaceError, ToolchainError, ToolMissingError
from local.toolchain.layout import built_path
from local.toolchain.pins import MODULES, TOOLS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.toolchain.conftest import Alive, Machine

ALL_PACKAGES = [build.package for module in MODULES for build in module.builds]


def _shown(machine: Machine) -> str:
    return machine.output.export_text(clear=False)


def test_everything_is_built_in_the_order_of_the_pins_and_found_afterwards(machine: Machine) -> None:
    machine.go()
    toolchain = ensure(console=machine.output)
    assert machine.builds == ALL_PACKAGES
    assert {name: located.path for name, located in toolchain.tools.items()} == {
        name: built_path(name) for name in TOOLS
    }
    assert toolchain.path("etcd").read_text() == "#!/bin/sh\necho whole\n"
    assert toolchain.path("pulumi-language-python-exec").read_text() == "exec script"
    assert len(toolchain.bin_dirs()) == len(MODULES)


def test_a_second_run_builds_nothing_and_needs_no_go(machine: Machine) -> None:
    machine.go()
    ensure(console=machine.output)
    (machine.bin / "go").unlink()
    ensure(console=machine.output)
    assert machine.builds == ALL_PACKAGES


def test_only_what_is_asked_for_is_built(machine: Machine) -> None:
    machine.go()
    toolchain = ensure(["etcd", "kwok"], console=machine.output)
    assert machine.builds == ["go.etcd.io/etcd/server/v3", "sigs.k8s.io/kwok/cmd/kwok"]
    with pytest.raises(ToolMissingError, match="pulumi was not asked for"):
        toolchain.path("pulumi")


def test_an_unknown_executable_is_refused_with_the_names_there_are(machine: Machine) -> None:
    with pytest.raises(ToolchainError, match="no executable called 'helm'") as caught:
        ensure(["helm"], console=machine.output)
    assert "kube-apiserver" in caught.value.hint


def test_a_failing_build_shows_the_last_twenty_lines_and_where_the_rest_is(machine: Machine) -> None:
    machine.go()
    machine.fail("sigs.k8s.io/kwok/cmd/kwok", "".join(f"line {number}\n" for number in range(1, 41)))
    with pytest.raises(BuildFailedError) as caught:
        ensure(["kwok"], console=machine.output)
    shown = caught.value.message.splitlines()
    assert shown[0] == "building kwok 0.8.0 failed (exit status 1); its last lines:"
    assert shown[1:] == [f"line {number}" for number in range(21, 41)]
    log = machine.cache / "logs" / "kwok.log"
    assert str(log) in caught.value.hint
    assert "line 1\n" in log.read_text()
    assert machine.files == []


def test_a_full_disk_during_the_build_is_said_as_such(machine: Machine) -> None:
    machine.go()
    machine.fail("go.etcd.io/etcd/server/v3", "write /x/y.a: no space left on device\n")
    with pytest.raises(DiskSpaceError, match="the disk filled up while etcd was built"):
        ensure(["etcd"], console=machine.output)


def test_after_a_failure_the_next_run_goes_on_where_it_stopped(machine: Machine) -> None:
    machine.go()
    machine.fail("k8s.io/kubernetes/cmd/kube-apiserver", "no\n")
    with pytest.raises(BuildFailedError):
        ensure(console=machine.output)
    first = machine.builds
    machine.mend()
    ensure(console=machine.output)
    assert first[-1] == "k8s.io/kubernetes/cmd/kube-apiserver"
    assert machine.builds == [*first, *ALL_PACKAGES[ALL_PACKAGES.index(first[-1]) :]]


def test_the_end_is_a_table_of_what_each_took(machine: Machine) -> None:
    machine.go()
    ensure(["etcd"], console=machine.output)
    rows = [line for line in _shown(machine).splitlines() if "etcd" in line]
    assert "etcd" in rows[-1]
    assert [cell.strip() for cell in rows[-1].split("│")][2:5] == ["3.6.14", "build", "0 MB"]


def test_off_a_terminal_each_step_is_a_line_with_its_number_and_an_estimate(machine: Machine) -> None:
    machine.go()
    ensure(["etcd"], console=machine.output)
    lines = _shown(machine).splitlines()
    assert lines[0].startswith("[1/2] Go modules: download and verify (about ")
    assert lines[3].startswith("[2/2] etcd 3.6.14: 0:0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_build_kills_its_compilers_and_leaves_no_half_file(
    machine: Machine, alive: Alive, number: signal.Signals
) -> None:
    machine.go()
    (machine.state / "hang").touch()
    process = machine.start()
    machine.wait((machine.state / "started").exists)
    compiler = int((machine.state / "compiler.pid").read_text())
    process.send_signal(number)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "interrupted: no half file is left, and the next run goes on from here"
    machine.wait(lambda: not alive(compiler))
    assert machine.files == []
    assert not (machine.cache / "work").exists()


def test_a_killed_build_takes_go_with_it_and_is_cleaned_up_by_the_next_one(machine: Machine, alive: Alive) -> None:
    machine.go()
    (machine.state / "hang").touch()
    process = machine.start()
    machine.wait((machine.state / "started").exists)
    process.kill()
    machine.wait(lambda: not alive(int((machine.state / "go.pid").read_text())))
    os.kill(int((machine.state / "compiler.pid").read_text()), signal.SIGKILL)
    process.communicate()
    assert [name.endswith(".half") for name in machine.files] == [True]
    (machine.state / "hang").unlink()
    ensure(["etcd"], console=machine.output)
    assert machine.files == ["etcd"]


def test_of_two_runs_at_once_the_second_waits_says_for_whom_and_builds_nothing(machine: Machine) -> None:
    machine.go()
    (machine.state / "hang").touch()
    first = machine.start()
    machine.wait((machine.state / "started").exists)
    second = machine.start()
    assert second.stdout is not None
    assert second.stdout.readline() == f"process {first.pid} is making the toolchain already: waiting for it\n"
    (machine.state / "hang").unlink()
    first.communicate(timeout=20)
    second.communicate(timeout=20)
    assert (first.returncode, second.returncode) == (0, 0)
    assert machine.builds == ALL_PACKAGES


def test_load_says_what_is_missing_and_how_to_get_it(machine: Machine) -> None:
    machine.go()
    ensure(["etcd", "kwok"], console=machine.output)
    with pytest.raises(ToolMissingError, match="not complete: pulumi, ") as caught:
        Toolchain.load()
    assert "make toolchain" in caught.value.hint
    assert list(Toolchain.load(["kwok"]).tools) == ["kwok"]


def test_the_plugin_is_linked_where_the_engine_looks_for_it(machine: Machine, tmp_path: Path) -> None:
    machine.go()
    toolchain = ensure(console=machine.output)
    link = tmp_path / "home/plugins/resource-kubernetes-v4.25.0/pulumi-resource-kubernetes"
    link.parent.mkdir(parents=True)
    link.symlink_to("/nowhere")
    toolchain.install_plugins(tmp_path / "home")
    toolchain.install_plugins(tmp_path / "home")
    assert link.readlink() == toolchain.path("pulumi-resource-kubernetes")
    assert [path.name for path in link.parent.iterdir()] == ["pulumi-resource-kubernetes"]


def test_the_plugin_is_not_on_path_where_the_engine_would_warn_about_it(machine: Machine) -> None:
    machine.go()
    toolchain = ensure(console=machine.output)
    assert [path.name for folder in toolchain.bin_dirs() for path in folder.glob("pulumi-resource-*")] == []


def test_the_list_says_what_is_ready_and_what_is_not(machine: Machine) -> None:
    machine.go()
    ensure(["etcd"], console=machine.output)
    listed = {status.name: status for status in list_tools()}
    assert list(listed) == list(TOOLS)
    assert listed["etcd"].model_dump(mode="json") == {
        "name": "etcd",
        "version": "3.6.14",
        "origin": "cache",
        "path": str(built_path("etcd")),
        "size_bytes": len("#!/bin/sh\necho whole\n"),
        "ready": True,
    }
    assert (listed["kwok"].ready, listed["kwok"].path, listed["kwok"].version) == (False, None, "0.8.0")


def test_cleaning_removes_older_pins_only_unless_everything_is_asked_for(machine: Machine) -> None:
    machine.go()
    ensure(["etcd"], console=machine.output)
    older = machine.cache / "etcd-0123456789abcdef"
    older.mkdir()
    assert clean() == [older]
    assert machine.files == ["etcd"]
    assert [path.name.split("-")[0] for path in clean(everything=True)] == ["etcd", "logs"]
    assert machine.files == []
