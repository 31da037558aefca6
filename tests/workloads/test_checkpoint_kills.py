"""A process that dies at each stage of a save: what was complete before is complete after."""

import os
from pathlib import Path

import pytest

from tests.support.training import gang
from tests.support.training.alone import alone

DIED = 9


def save_and_die(directory: Path, stage: str) -> None:
    """Publish step 10, then die at `stage` of saving step 20."""
    armed = False

    def crossed(reached: str) -> None:
        if armed and reached == stage:
            os._exit(DIED)

    trainer = alone(directory, crossed=crossed)
    trainer.train(1)
    assert trainer.save(10).path is not None
    armed = True
    rename = Path.rename

    def renaming(path: Path, target: Path) -> Path:
        # DCP renames its metadata in the same directory; the checkpoint itself is renamed to its step's name.
        if stage == "renaming" and target.name == "step-00000020":
            os._exit(DIED)
        moved = rename(path, target)
        if stage == "renamed" and target.name == "step-00000020":
            os._exit(DIED)
        return moved

    Path.rename = renaming  # type: ignore[method-assign,assignment]  # this process is about to end
    trainer.train(1)
    trainer.save(20)


@pytest.mark.parametrize(
    ("stage", "step"), [("staged", 10), ("written", 10), ("renaming", 10), ("renamed", 20), ("published", 20)]
)
def test_a_kill_at_any_stage_leaves_a_whole_checkpoint_and_nothing_half(tmp_path: Path, stage: str, step: int) -> None:
    process = gang.CONTEXT.Process(target=save_and_die, args=(tmp_path, stage))
    process.start()
    process.join(gang.PATIENCE_SECONDS)
    assert process.exitcode == DIED, f"the process did not die where it should: stage {stage}"
    half = [path.name for path in tmp_path.iterdir() if path.name.startswith(".partial-")]
    assert bool(half) == (step == 10), "what was not renamed lies under a name that no reader looks at"
    found = alone(tmp_path).checkpointer.resume()
    assert found is not None
    assert (found[0].step, found[0].skipped) == (step, ())
    assert all(path.name.startswith("step-") for path in tmp_path.iterdir()), "leftovers are swept"
