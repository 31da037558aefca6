"""Names, manifests, keep-k and intervals of checkpoints; no torch in these modules."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.trainer.checkpoint.cadence import FIRST_SAVE_STEPS, Cadence
from workloads.trainer.checkpoint.manifest import (
    GENERATORS,
    NAME,
    DamagedError,
    FileEntry,
    Manifest,
    check_content,
    check_sizes,
    entry_of,
)
from workloads.trainer.checkpoint.store import Store
from workloads.trainer.state import Interval

EMPTY = Manifest(
    run="r",
    step=0,
    saved_at=0,
    save_seconds=1,
    world_size=1,
    layout={"world": 1},
    identity={},
    small={},
    options=[],
    files={},
)


def publish(store: Store, step: int, content: bytes = b"weights") -> Path:
    """A checkpoint of two files, through the store's own steps."""
    partial = store.partial(step, "t")
    partial.mkdir(parents=True)
    (partial / "__0_0.distcp").write_bytes(content)
    (partial / GENERATORS.format(rank=0)).write_bytes(b"{}")
    files = {path.name: entry_of(path) for path in partial.iterdir()}
    return store.publish(partial, replace(EMPTY, step=step, files=files))


def names(store: Store) -> list[str]:
    return [path.name for path in store.published()]


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=2)
    path = publish(store, 50)
    assert path == tmp_path / "step-00000050"
    manifest = Manifest.read(path)
    assert (manifest.step, manifest.bytes, manifest.layout) == (50, 9, {"world": 1})
    check_content(path, manifest)


def test_a_directory_without_a_manifest_is_no_checkpoint(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=2)
    (tmp_path / "step-00000009").mkdir()
    assert names(store) == ["step-00000009"]
    assert store.complete() == [], "it has the name of a checkpoint, but was never published"
    with pytest.raises(DamagedError, match="never published"):
        Manifest.read(tmp_path / "step-00000009")


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_flipped_bit_is_found_wherever_it_is(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(directory=tmp_path_factory.mktemp("bits"), keep=2)
    path = publish(store, 1, content=bytes(range(64)))
    victim = data.draw(st.sampled_from(sorted(path.iterdir())))
    content = bytearray(victim.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    victim.write_bytes(content)
    with pytest.raises(DamagedError, match=victim.name):
        check_content(path, Manifest.read(path))


def test_a_truncated_file_is_named_with_both_sizes(tmp_path: Path) -> None:
    path = publish(Store(directory=tmp_path, keep=1), 3)
    (path / "__0_0.distcp").write_bytes(b"wei")
    with pytest.raises(DamagedError, match=r"__0_0\.distcp has 3 bytes instead of 7"):
        check_sizes(path, Manifest.read(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = publish(Store(directory=tmp_path, keep=1), 3)
    (path / "__0_0.distcp").unlink()
    with pytest.raises(DamagedError, match=r"__0_0\.distcp is missing"):
        check_sizes(path, Manifest.read(path))


def test_a_checkpoint_of_more_processes_than_it_has_files_of_is_damaged(tmp_path: Path) -> None:
    path = publish(Store(directory=tmp_path, keep=1), 3)
    wrong = replace(Manifest.read(path), world_size=4)
    with pytest.raises(DamagedError, match="4 processes wrote it, but it holds the files of 1"):
        check_sizes(path, wrong)


def test_a_manifest_of_a_later_format_is_refused_by_number(tmp_path: Path) -> None:
    document = json.loads(EMPTY.text().partition("\n")[2])
    with pytest.raises(DamagedError, match="has format 2; this trainer reads format 1"):
        Manifest.parse({**document, "format": 2})


def test_the_newest_complete_checkpoints_stay(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=2)
    for step in (10, 20, 30, 40):
        publish(store, step)
    store.prune()
    assert names(store) == ["step-00000040", "step-00000030"]


def test_damaged_checkpoints_do_not_count_among_those_that_are_kept(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=2)
    for step in (10, 20, 30, 40):
        publish(store, step)
    (store.path(30) / "__0_0.distcp").write_bytes(b"")
    store.prune()
    assert [path.name for path in store.complete()] == ["step-00000040", "step-00000020"], (
        "two whole ones stay, so the one before the damaged one does too"
    )


def test_the_last_good_checkpoint_stays_when_all_newer_ones_are_damaged(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=1)
    for step in (10, 20, 30):
        publish(store, step)
    (store.path(20) / NAME).unlink()
    (store.path(30) / NAME).write_text("half a manif")
    assert store.prune() == []
    store.make_room()
    assert [path.name for path in store.complete()] == ["step-00000010"]


def test_content_damage_that_a_size_does_not_show_counts_once_it_is_known(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=1)
    publish(store, 10)
    store.damaged.add(publish(store, 20))
    store.prune()
    assert [path.name for path in store.complete()] == ["step-00000010"]


def test_a_damaged_checkpoint_gives_way_to_a_new_one_of_its_step(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=2)
    store.damaged.add(publish(store, 20, content=b"old"))
    publish(store, 20, content=b"new")
    assert (store.path(20) / "__0_0.distcp").read_bytes() == b"new"
    assert store.is_complete(store.path(20))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020"]


def test_room_is_made_down_to_one_less_than_kept_and_never_to_none(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=3)
    for step in (10, 20, 30):
        publish(store, step)
    store.partial(40, "dead").mkdir()
    store.make_room()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "step-00000030"]
    alone = Store(directory=tmp_path, keep=1)
    alone.make_room()
    assert names(alone) == ["step-00000030"], "keep=1 less the new one would be none"


@given(saves=st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12), keep=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_no_order_of_saves_and_damage_loses_the_newest_good_checkpoint(
    saves: list[tuple[int, bool]], keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(directory=tmp_path_factory.mktemp("store"), keep=keep)
    for step, damage in saves:
        path = publish(store, step)
        if damage:
            (path / "__0_0.distcp").write_bytes(b"")
        before = store.complete()
        store.prune()
        store.make_room()
        assert store.complete()[:1] == before[:1]


def test_leftovers_of_dead_attempts_are_swept_and_checkpoints_are_not(tmp_path: Path) -> None:
    store = Store(directory=tmp_path, keep=1)
    publish(store, 10)
    (tmp_path / ".removed-step-00000005-77").mkdir()
    store.partial(20, "dead").mkdir()
    store.sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000010"]


def test_keeping_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Store(directory=tmp_path, keep=0)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_steps_are_due_at_their_multiples() -> None:
    cadence = Cadence(interval=Interval(steps=50))
    assert [step for step in range(1, 160) if cadence.due(step)] == [50, 100, 150]


def test_seconds_are_due_at_the_first_step_after_them() -> None:
    clock = Clock()
    cadence = Cadence(interval=Interval(seconds=60), clock=clock)
    clock.now += 59
    assert not cadence.due(1)
    clock.now += 1
    assert cadence.due(2)
    cadence.started(2)
    assert not cadence.due(3)


def test_by_default_young_daly_decides_and_follows_the_measured_save_time() -> None:
    clock = Clock()
    cadence = Cadence(interval=Interval(mtbf_hours=3), clock=clock)
    assert cadence.seconds is None, "nothing is measured yet"
    assert cadence.due(FIRST_SAVE_STEPS), "the first save comes early, for its figure"
    cadence.started(FIRST_SAVE_STEPS)
    cadence.measured(6)
    assert cadence.seconds == pytest.approx(360)
    cadence.measured(18)
    assert cadence.seconds == pytest.approx((2 * 12 * 3 * 3600) ** 0.5), "the mean of 6 and 18"
    clock.now += 510
    assert cadence.due(FIRST_SAVE_STEPS + 1)


def test_a_save_that_takes_longer_than_young_dalys_interval_is_not_overtaken() -> None:
    cadence = Cadence(interval=Interval(mtbf_hours=0.01))
    cadence.measured(400)
    assert cadence.seconds == 400


@pytest.mark.parametrize("interval", [Interval(steps=5, seconds=5), Interval(steps=0), Interval(mtbf_hours=-1)])
def test_an_interval_that_cannot_be_meant_is_refused(interval: Interval) -> None:
    with pytest.raises(ValueError, match=r"give one of them|has to be positive"):
        Cadence(interval=interval)


def test_sizes_and_checksums_are_those_that_other_tools_give(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-4, appendix B.1
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert entry_of(tmp_path / "abc") == FileEntry(bytes=3, sha256=digest)
