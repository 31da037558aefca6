"""Checkpoints that are truncated, changed, half written or another model's; disks that are full."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.training.alone import Alone, FullDisk, alone
from workloads.trainer.checkpoint.capacity import bytes_in
from workloads.trainer.checkpoint.manifest import GENERATORS, NAME, Manifest
from workloads.trainer.state import ExitCode, TrainerError


def trained(directory: Path) -> Alone:
    """Three checkpoints, of steps 10, 20 and 30."""
    trainer = alone(directory)
    for step in (10, 20, 30):
        trainer.train(2)
        outcome = trainer.save(step)
        assert outcome.path == directory / f"step-{step:08d}", outcome.error
    return trainer


def test_a_resumed_trainer_holds_every_bit_of_the_one_that_saved(tmp_path: Path) -> None:
    before = trained(tmp_path)
    saved = before.digest()
    after = alone(tmp_path)
    assert after.digest() != saved, "otherwise nothing would be shown"
    found = after.checkpointer.resume()
    assert found is not None
    assert (found[0].step, found[0].same_layout, after.data.consumed) == (30, True, before.data.consumed)
    assert after.digest() == saved


def test_what_training_changes_while_a_checkpoint_is_written_is_not_in_it(tmp_path: Path) -> None:
    trainer = alone(tmp_path)
    trainer.train(1)
    saved = trainer.digest()
    trainer.checkpointer.start(1)
    trainer.train(5)
    last = trainer.checkpointer.close()
    assert last is not None
    assert last.path is not None
    after = alone(tmp_path)
    after.checkpointer.resume()
    assert after.digest() == saved


def truncate(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("__0_0.distcp", truncate, "bytes instead of"),
        ("__0_0.distcp", flip_a_bit, "does not match its checksum"),
        (".metadata", flip_a_bit, "does not match its checksum"),
        (GENERATORS.format(rank=0), truncate, "bytes instead of"),
        (GENERATORS.format(rank=0), Path.unlink, "is missing"),
        (NAME, truncate, "does not match its own checksum"),
        (NAME, flip_a_bit, "does not match its own checksum"),
        (NAME, Path.unlink, "never published"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_skipped_for_the_one_before(
    tmp_path: Path, name: str, damage: object, reason: str
) -> None:
    trained(tmp_path)
    assert callable(damage)
    damage(tmp_path / "step-00000030" / name)
    found = alone(tmp_path).checkpointer.resume()
    assert found is not None
    assert found[0].step == 20
    assert [skipped.path.name for skipped in found[0].skipped] == ["step-00000030"]
    assert reason in found[0].skipped[0].reason


def test_a_checkpoint_of_another_number_of_processes_than_its_files_is_skipped(tmp_path: Path) -> None:
    trained(tmp_path)
    path = tmp_path / "step-00000030"
    document = json.loads((path / NAME).read_text().partition("\n")[2]) | {"world_size": 2}
    (path / NAME).write_text(Manifest.parse(document).text())
    found = alone(tmp_path).checkpointer.resume()
    assert found is not None
    assert found[0].step == 20
    assert "2 processes wrote it, but it holds the files of 1" in found[0].skipped[0].reason


def test_a_save_that_was_killed_half_way_is_swept_and_never_used(tmp_path: Path) -> None:
    trained(tmp_path)
    half = tmp_path / ".partial-step-00000040-dead"
    half.mkdir()
    (half / "__0_0.distcp").write_bytes(b"half")
    found = alone(tmp_path).checkpointer.resume()
    assert found is not None
    assert (found[0].step, found[0].skipped, half.exists()) == (30, (), False)


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_anew_silently(tmp_path: Path) -> None:
    trained(tmp_path)
    for path in tmp_path.glob("step-*"):
        flip_a_bit(path / "__0_0.distcp")
    with pytest.raises(TrainerError, match=r"all 3 checkpoints .* are damaged .*Move them away") as caught:
        alone(tmp_path).checkpointer.resume()
    assert caught.value.exit_code == ExitCode.REFUSED


def test_another_models_checkpoint_is_refused_with_both_values(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(TrainerError, match="another model: width is 16 there and 32 here"):
        alone(tmp_path, width=32).checkpointer.resume()


def test_tensors_of_another_shape_are_refused_even_if_the_identity_forgot_them(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(TrainerError, match=r"model\.0\.weight has shape \[16, 8\] there and \[32, 8\] here"):
        alone(tmp_path, width=32, identity={"width": 16}).checkpointer.resume()


def test_a_full_disk_in_mid_save_loses_nothing_complete_and_the_next_save_makes_room(tmp_path: Path) -> None:
    disk = FullDisk(limit=5_000)
    trainer = alone(tmp_path, opener=disk)
    for step in (10, 20, 30):
        trainer.train(1)
        assert trainer.save(step).path is not None
    disk.full = True
    trainer.train(1)
    failed = trainer.save(40)
    assert failed.path is None
    assert "No space left on device" in failed.error
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-000000{step}" for step in (10, 20, 30)]
    disk.full = False
    trainer.train(1)
    assert trainer.save(50).path is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-000000{step}" for step in (20, 30, 50)], (
        "the oldest gave way before the new one was written"
    )
    found = alone(tmp_path).checkpointer.resume()
    assert found is not None
    assert (found[0].step, found[0].skipped) == (50, ())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs takes root; the fault-injecting writer above needs none")
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160k", "slipway-test", str(mounted)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs; the fault-injecting writer above needs none")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def test_a_really_full_file_system_ends_one_save_and_no_run(small_disk: Path) -> None:
    trainer = alone(small_disk, keep=2)
    trainer.train(1)
    first = trainer.save(10)
    assert first.path is not None
    filler = small_disk / "another-run"
    filler.write_bytes(b"x" * (trainer.checkpointer.store.free_bytes() - 12_288))
    # Less room than statvfs is asked for, as under a quota that it does not see.
    trainer.checkpointer.expected_bytes = 1
    failed = trainer.save(20)
    assert failed.path is None
    assert "No space left on device" in failed.error
    assert sorted(path.name for path in small_disk.iterdir()) == ["another-run", "step-00000010"]
    trainer.checkpointer.expected_bytes = first.bytes
    refused = trainer.save(30)
    assert refused.path is None
    assert "nothing more may be removed" in refused.error
    filler.unlink()
    assert trainer.save(40).path == small_disk / "step-00000040"


def test_what_a_checkpoint_will_take_is_known_before_the_first_step(tmp_path: Path) -> None:
    trainer = alone(tmp_path, width=256)
    expected = trainer.checkpointer.check_capacity()
    trainer.train(1)
    assert trainer.save(1).path is not None
    actual = bytes_in(tmp_path / "step-00000001")
    assert actual <= expected, "room that was promised has to suffice"
    # 256 * (8 + 1 + 1) + 1 parameters at 12 bytes; tensors of a test are small, so what frames them weighs more.
    assert expected >= 12 * 2561


def test_a_run_whose_checkpoints_cannot_fit_is_refused_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = alone(tmp_path, keep=3)
    room = trainer.checkpointer.check_capacity() * 3 + 100
    monkeypatch.setattr("workloads.trainer.checkpoint.store.Store.free_bytes", lambda _store: room)
    with pytest.raises(TrainerError, match=r"3 \+ 1 checkpoints of .* lower --keep to 2") as caught:
        trainer.checkpointer.check_capacity()
    assert caught.value.exit_code == ExitCode.REFUSED


def test_only_the_newest_k_stay(tmp_path: Path) -> None:
    trainer = alone(tmp_path, keep=2)
    for step in (1, 2, 3, 4):
        trainer.train(1)
        trainer.save(step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]


def test_a_step_that_is_on_disk_is_not_written_again(tmp_path: Path) -> None:
    trainer = trained(tmp_path)
    assert trainer.checkpointer.save(30) == []
