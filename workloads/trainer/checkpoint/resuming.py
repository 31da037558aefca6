"""Finding the newest checkpoint that is whole, and reading it on every rank."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workloads.trainer.checkpoint import contents, generators
from workloads.trainer.checkpoint.manifest import GENERATORS, DamagedError, Manifest, check_content
from workloads.trainer.checkpoint.store import Store
from workloads.trainer.side import Side
from workloads.trainer.state import ExitCode, Position, Skipped, TrainerError, TrainState


@dataclass(frozen=True, kw_only=True)
class Found:
    """The checkpoint to use, checked byte for byte by all ranks together."""

    path: Path
    manifest: Manifest
    skipped: tuple[Skipped, ...]


def find(store: Store, side: Side) -> Found | None:
    """The newest whole checkpoint, or None where none was ever published. All ranks get the same answer.

    Raises:
        TrainerError: there are checkpoints, and all are damaged. Starting anew silently would throw the run away.
    """
    path, skipped = newest_whole(store.published(), side)
    store.damaged.update(each.path for each in skipped)
    if path is not None:
        return Found(path=path, manifest=Manifest.read(path), skipped=skipped)
    if skipped:
        raise TrainerError(
            f"all {len(skipped)} checkpoints in {store.directory} are damaged ({reasons(skipped)}). "
            "Move them away to start the run from its first step.",
            ExitCode.REFUSED,
        )
    return None


def newest_whole(published: Sequence[Path], side: Side) -> tuple[Path | None, tuple[Skipped, ...]]:
    """The first of ``published`` (rank 0's list, newest first) that is whole, and the damaged ones before it.

    Every byte is read, by all ranks together, and all get the same answer.
    """
    candidates: Sequence[Path] = side.from_first(published)
    skipped: list[Skipped] = []
    for path in candidates:
        problems = [problem for problem in side.from_all(_problem(path, side)) if problem]
        if not problems:
            return path, tuple(skipped)
        skipped.append(Skipped(path=path, reason=problems[0]))
    return None, tuple(skipped)


def reasons(skipped: Sequence[Skipped]) -> str:
    """What is wrong with the first three, in one line."""
    return "; ".join(f"{each.path.name}: {each.reason}" for each in skipped[:3])


def _problem(path: Path, side: Side) -> str:
    try:
        check_content(path, Manifest.read(path), part=side.rank, parts=side.world)
    except (DamagedError, OSError) as error:
        return str(error)
    return ""


def refuse_other_identity(found: Found, state: TrainState) -> None:
    """A checkpoint of another model is no damage, and skipping it would train the wrong thing.

    Raises:
        TrainerError: what differs, there and here.
    """
    there, here = dict(found.manifest.identity), json.loads(json.dumps(dict(state.identity)))
    if there == here:
        return
    different = sorted(key for key in there | here if there.get(key) != here.get(key))
    values = ", ".join(f"{key} is {there.get(key)!r} there and {here.get(key)!r} here" for key in different)
    raise TrainerError(
        f"{found.path} is a checkpoint of another model: {values}. "
        "Resume with the settings that wrote it, or give the run another name.",
        ExitCode.REFUSED,
    )


def read(found: Found, state: TrainState, side: Side) -> Position:
    """Bring model, optimizer, small state and generators to where the checkpoint was taken."""
    manifest = found.manifest
    refuse_other_identity(found, state)
    contents.read(state, found.path, manifest.options, side.storage)
    for name, part in state.small().items():
        if name not in manifest.small:
            raise TrainerError(
                f"{found.path} holds no state of the {name}, which this run has. "
                "Resume with the settings that wrote it, or give the run another name.",
                ExitCode.REFUSED,
            )
        part.load_state_dict(manifest.small[name])
    same = dict(manifest.layout) == dict(state.layout) and manifest.world_size == side.world
    # Last: whatever was done above may have drawn from the generators.
    if same:
        name = GENERATORS.format(rank=side.rank)
        generators.restore(json.loads((found.path / name).read_text(encoding="utf-8")))
    else:
        generators.reseed(seed=state.seed, step=manifest.step, layout=state.layout, rank=side.rank)
    return Position(
        step=manifest.step,
        checkpoint=found.path,
        world_size=manifest.world_size,
        same_layout=same,
        skipped=found.skipped,
    )
