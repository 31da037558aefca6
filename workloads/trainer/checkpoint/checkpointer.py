"""Saves beside the training, resumes from what is whole. One `Checkpointer` per process; its methods are collective."""

import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

from workloads.trainer.checkpoint import contents, generators, resuming
from workloads.trainer.checkpoint.cadence import Cadence
from workloads.trainer.checkpoint.capacity import check_room, size, tensor_bytes, total_bytes
from workloads.trainer.checkpoint.saving import Draft, Saved, upload
from workloads.trainer.checkpoint.storage import Opener, open_file
from workloads.trainer.checkpoint.store import Store
from workloads.trainer.side import Side
from workloads.trainer.state import Position, TrainState


def _nothing(_stage: str) -> None:
    """No test waits for this stage."""


@dataclass(kw_only=True)
class Checkpointer:
    """The checkpoints of a running trainer.

    One save is under way at a time. A failed one costs nothing but itself: what was complete stays, and the next makes
    room first.

    Attributes:
        store: where they lie.
        side: the other ranks.
        state: what they hold.
        cadence: when they are due; rank 0's counts.
        run: name of the run.
        extra: small JSON values that go into every manifest under "services"; asked on rank 0.
        opener: opens the files that are written; tests let it fail.
        crossed: told each stage that a save passes; tests kill there.
    """

    store: Store
    side: Side
    state: TrainState
    cadence: Cadence
    run: str
    extra: Callable[[], Mapping[str, Any]] = dict
    opener: Opener = open_file
    crossed: Callable[[str], None] = _nothing
    expected_bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._storage = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._stager = DefaultStager(_staging())
        self._under_way: Future[Saved] | None = None
        self._stall_seconds = 0.0
        self._after_failure = False
        self._last_step: int | None = None

    def check_capacity(self) -> int:
        """Bytes of one checkpoint of this state.

        Raises:
            TrainerError: `keep` + 1 of them do not fit into the file system.
        """
        self.expected_bytes = total_bytes(self.side.from_all(tensor_bytes(self.state)))
        refusal = None
        if self.side.first:
            try:
                self.store.directory.mkdir(parents=True, exist_ok=True)
                check_room(self.store, self.expected_bytes)
            except Exception as error:  # noqa: BLE001  # raised again on every rank
                refusal = error
        if (refused := self.side.from_first(refusal)) is not None:
            raise refused
        return self.expected_bytes

    def resume(self) -> tuple[Position, Mapping[str, Any]] | None:
        """Read the newest whole checkpoint into the state; None: there is none, the run starts.

        Returns:
            The position, and what `extra` gave when it was saved.

        Raises:
            TrainerError: the checkpoint is another model's, or all of them are damaged.
        """
        if self.side.first:
            self.store.directory.mkdir(parents=True, exist_ok=True)
            self.store.sweep()
        found = resuming.find(self.store, self.side)
        if found is None:
            return None
        position = resuming.read(found, self.state, self.side)
        self._last_step = position.step
        self.cadence.started(position.step)
        self.cadence.measured(found.manifest.save_seconds)
        return position, found.manifest.small.get("services", {})

    @property
    def busy(self) -> bool:
        """Whether a save of this rank is under way."""
        return self._under_way is not None and not self._under_way.done()

    def due(self, step: int) -> bool:
        """Whether `step` should be saved; rank 0's answer counts.

        Where the user named the steps they are kept, and the loop waits for a save that is still under way. Otherwise
        the next one begins once it is published.
        """
        exact = self.cadence.interval.steps is not None
        return self.cadence.due(step) and (exact or not self.busy)

    def finished(self) -> Saved | None:
        """A save that has come to its end since the last call."""
        if self._under_way is None or not self._under_way.done():
            return None
        return self._take()

    def start(self, step: int) -> list[Saved]:
        """Begin to save `step`, which is now done. Returns once the state is copied and training may change it.

        Returns:
            The outcome of the save before, if it had to be waited for, and of this one, if it could not begin.
        """
        outcomes = [self._take()] if self._under_way is not None else []
        began = time.monotonic()
        self.cadence.started(step)
        partial, refusal = self.side.from_first(self._prepare(step) if self.side.first else None)
        if refusal:
            self._after_failure = True
            return [*outcomes, Saved(step=step, path=None, error=refusal)]
        tensors, options = contents.collect(self.state)
        draft = Draft(
            step=step,
            partial=partial,
            generators=generators.capture(),
            options=options,
            about=self._about(),
            started=began,
        )
        sent = upload(tensors, draft, self.side, self._stager, self.opener)
        self._stall_seconds = time.monotonic() - began
        self.crossed("staged")
        self._under_way = self._storage.submit(sent.complete, self.side, self.store, self.crossed)
        return outcomes

    def save(self, step: int) -> list[Saved]:
        """Save `step` and wait until it is published. A step that is already on disk is not written again.

        Returns:
            The outcomes, in order: of a save that was under way, and of this one.
        """
        outcomes = [self._take()] if self._under_way is not None else []
        if self._last_step == step:
            return outcomes
        outcomes += self.start(step)
        if self._under_way is not None:
            outcomes.append(self._take())
        return outcomes

    def close(self) -> Saved | None:
        """Wait for the save that is under way, and end the storage thread."""
        last = self._take() if self._under_way is not None else None
        self._storage.shutdown(wait=True)
        self._stager.close()
        return last

    def _take(self) -> Saved:
        """The outcome of the save under way, waited for."""
        if self._under_way is None:
            raise RuntimeError("no checkpoint is being saved")
        began = time.monotonic()
        saved = self._under_way.result()
        self._under_way = None
        stall = self._stall_seconds + time.monotonic() - began
        self._after_failure = saved.path is None
        if saved.path is not None:
            self._last_step = saved.step
            self.expected_bytes = saved.bytes
            self.cadence.measured(saved.seconds)
        return replace(saved, stall_seconds=stall)

    def _prepare(self, step: int) -> tuple[Any, str]:
        """On rank 0: the directory to write to, or why there is no use in trying."""
        try:
            if self._after_failure or self.store.free_bytes() < self.expected_bytes:
                self.store.make_room()
            free = self.store.free_bytes()
            if free < self.expected_bytes:
                return None, (
                    f"no room: a checkpoint takes {size(self.expected_bytes)}, {self.store.directory} has {size(free)} "
                    f"left, and with keep={self.store.keep} nothing more may be removed"
                )
            partial = self.store.partial(step, secrets.token_hex(4))
            partial.mkdir(parents=True)
        except OSError as error:
            return None, f"rank 0: {type(error).__name__}: {error}"
        return partial, ""

    def _about(self) -> dict[str, Any]:
        small = {name: part.state_dict() for name, part in self.state.small().items()}
        return {
            "rank": self.side.rank,
            "run": self.run,
            "world_size": self.side.world,
            "layout": dict(self.state.layout),
            "identity": dict(self.state.identity),
            "small": {**small, "services": dict(self.extra())},
        }


def _staging() -> StagingOptions:
    """Pinned host memory and copies that overlap on an accelerator; plain copies on the CPU.

    Staging itself is not asynchronous: the optimizer would have to wait for it before its next step anyway, and pinned
    copies of one rank's share take milliseconds to tenths of a second.
    """
    accelerated = torch.cuda.is_available()
    return StagingOptions(
        use_pinned_memory=accelerated,
        use_shared_memory=False,
        use_async_staging=False,
        use_non_blocking_copy=accelerated,
    )
