"""The workloads' Python environment: where it lies, what decides it, and what goes wrong while it is made."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from local.toolchain import clean, workloads
from local.toolchain.errors import DiskSpaceError, ToolchainError, ToolMissingError
from local.toolchain.report import environment_status
from local.toolchain.toolchain import ensure_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.toolchain.conftest import Machine

LOCK = """
[[package]]
name = "slipway"
version = "0.1.0"
[package.dev-dependencies]
workloads-test = [{ name = "torch" }, { name = "pytest" }]
dev = [{ name = "ruff" }]

[[package]]
name = "torch"
version = "2.15.0"
dependencies = [{ name = "numpy", marker = "sys_platform == 'linux'" }]

[[package]]
name = "numpy"
version = "2.4.6"

[[package]]
name = "pytest"
version = "9.2.0"

[[package]]
name = "ruff"
version = "0.14.0"
"""


def key(tmp_path: Path, text: str) -> str:
    path = tmp_path / f"{abs(hash(text))}.lock"
    path.write_text(text)
    return workloads._key(path)


def test_it_lies_in_the_cache_beside_the_executables_and_not_in_the_checkout(machine: Machine) -> None:
    prefix = ensure_environment(console=machine.output)
    assert prefix.parent == machine.cache
    assert workloads.environment() == prefix
    (asked,) = machine.synced
    assert asked.startswith(f"{prefix} sync --frozen --only-group workloads-test "), asked


def test_a_second_run_makes_nothing_and_needs_no_uv(machine: Machine) -> None:
    ensure_environment(console=machine.output)
    (machine.bin / "uv").unlink()
    ensure_environment(console=machine.output)
    assert len(machine.synced) == 1


def test_until_it_is_made_it_is_missing_with_the_command_that_makes_it(machine: Machine) -> None:
    with pytest.raises(ToolMissingError, match="workloads' Python environment is missing") as caught:
        workloads.environment()
    assert "slipway toolchain build" in caught.value.hint
    assert environment_status().ready is False


def test_what_an_interrupted_run_left_is_not_taken_for_whole_and_the_next_goes_on_in_its_place(
    machine: Machine,
) -> None:
    machine.refuse_packages("error: Interrupted")
    with pytest.raises(ToolchainError):
        ensure_environment(console=machine.output)
    prefix = workloads.location()
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").write_text("half")
    assert not workloads.is_whole(prefix)
    (machine.state / "uv-fail.txt").unlink()
    assert ensure_environment(console=machine.output) == prefix


def test_an_interpreter_that_is_gone_makes_it_anew(machine: Machine) -> None:
    prefix = ensure_environment(console=machine.output)
    (prefix / "bin" / "python").unlink()
    (prefix / "bin" / "python").symlink_to(machine.root / "gone")
    assert not workloads.is_whole(prefix)
    (prefix / "bin" / "python").unlink()
    ensure_environment(console=machine.output)
    assert len(machine.synced) == 2


def test_two_builders_make_it_once(machine: Machine) -> None:
    threads = [threading.Thread(target=ensure_environment, kwargs={"console": machine.output}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(machine.synced) == 1, "the second waits for the lock, and then finds it made"


@pytest.mark.parametrize(
    ("words", "error", "advice"),
    [
        (
            "error: Failed to fetch: `https://packages.invalid/torch/`\n  Caused by: dns error",
            ToolchainError,
            "network",
        ),
        ("error: Failed to install torch\n  Caused by: No space left on device (os error 28)", DiskSpaceError, "space"),
        ("error: The lockfile is of a newer version", ToolchainError, "uv's whole answer is in"),
    ],
)
def test_a_failure_is_one_error_with_uvs_words_and_what_to_do(
    machine: Machine, words: str, error: type[ToolchainError], advice: str
) -> None:
    machine.refuse_packages(words)
    with pytest.raises(error) as caught:
        ensure_environment(console=machine.output)
    assert advice in caught.value.hint
    assert str(workloads.log_path()) in caught.value.hint
    if error is ToolchainError:
        assert words.splitlines()[0] in caught.value.message
        assert "exit status 2" in caught.value.message


def test_the_uv_that_started_us_is_good_enough(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", str((machine.bin / "uv").rename(machine.bin / "elsewhere")))
    assert workloads.is_whole(ensure_environment(console=machine.output))


def test_without_uv_it_says_where_to_get_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.bin / "uv").unlink()
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(workloads, "ROOT", machine.root)
    (machine.root / "uv.lock").write_text(LOCK)
    with pytest.raises(ToolMissingError, match="no `uv` on PATH") as caught:
        ensure_environment(console=machine.output)
    assert "make toolchain" in caught.value.hint


def test_a_disk_that_is_too_small_is_refused_before_anything_is_downloaded(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workloads, "NEEDED_MIB", 1 << 40)
    with pytest.raises(DiskSpaceError, match=r"needs \d+ MiB on the file system of"):
        ensure_environment(console=machine.output)
    assert machine.synced == []


def test_only_packages_that_it_can_reach_decide_where_it_lies(tmp_path: Path) -> None:
    before = key(tmp_path, LOCK)
    assert key(tmp_path, LOCK.replace('"2.4.6"', '"2.4.7"')) != before, "a dependency of a dependency, behind a marker"
    assert key(tmp_path, LOCK.replace('"0.14.0"', '"0.15.0"')) == before, "ruff is of another group"


def test_every_checkout_with_the_same_lock_finds_the_same_one(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    assert key(tmp_path / "here", LOCK) == key(tmp_path / "there", LOCK)


def test_a_lock_file_without_the_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="has no dependency group workloads-test"):
        key(tmp_path, LOCK.replace("workloads-test", "other"))
    with pytest.raises(ToolchainError, match="does not tell the workloads' packages"):
        key(tmp_path, "no toml at all")


def test_cleaning_keeps_the_present_one_and_removes_those_of_older_locks(machine: Machine) -> None:
    prefix = ensure_environment(console=machine.output)
    old = machine.cache / "workloads-0123456789abcdef"
    (old / "bin").mkdir(parents=True)
    assert clean() == [old]
    assert workloads.is_whole(prefix)
