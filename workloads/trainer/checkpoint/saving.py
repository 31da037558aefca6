"""One checkpoint being written: DCP in the background, then the agreement of all ranks, then the publishing."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.staging import AsyncStager
from torch.distributed.checkpoint.state_dict_saver import AsyncSaveResponse, async_save

from workloads.trainer.checkpoint.contents import Options, merge
from workloads.trainer.checkpoint.manifest import GENERATORS, FileEntry, Manifest
from workloads.trainer.checkpoint.storage import ChecksummedFiles, Opener, writer
from workloads.trainer.checkpoint.store import Store
from workloads.trainer.side import Side

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True, kw_only=True)
class Saved:
    """How a save ended; the same on every rank.

    Attributes:
        step: of the checkpoint.
        path: where it lies; None: it failed, and nothing of it is left.
        error: why it failed: rank and error.
        bytes: written by all ranks.
        seconds: from the start until it was published or given up.
        stall_seconds: of these, how long the loop of this rank waited.
        removed: older checkpoints that gave way.
    """

    step: int
    path: Path | None
    error: str = ""
    bytes: int = 0
    seconds: float = 0.0
    stall_seconds: float = 0.0
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is known of a checkpoint when its save begins.

    Attributes:
        step: of the checkpoint.
        partial: the directory that all ranks write to.
        generators: state of this rank's generators.
        options: of this rank's optimizers.
        about: the manifest's fields that do not depend on the files.
        started: `time.monotonic()` when the save began.
    """

    step: int
    partial: Path
    generators: Mapping[str, Any]
    options: Options
    about: Mapping[str, Any]
    started: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one rank tells the others: the files that it wrote, or why they are not whole."""

    entries: Mapping[str, FileEntry]
    error: str
    options: Options


def upload(tensors: dict[str, Any], draft: Draft, side: Side, stager: AsyncStager, opener: Opener) -> "Upload":
    """Copy `tensors` to host memory, which is the stall, and start to write them, which is not."""
    files = ChecksummedFiles(opener)
    response = async_save(
        tensors,
        storage_writer=writer(draft.partial, files),
        process_group=side.storage,
        no_dist=not side.distributed,
        async_stager=stager,
    )
    future = response.upload_completion if isinstance(response, AsyncSaveResponse) else response
    return Upload(draft=draft, files=files, future=cast("Future[Any]", future))


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The files of this rank on their way."""

    draft: Draft
    files: ChecksummedFiles
    future: "Future[Any]"

    def complete(self, side: Side, store: Store, crossed: Callable[[str], None]) -> Saved:
        """Wait for the files, agree with the other ranks, publish or clean up. Runs in the storage thread.

        Args:
            side: its storage conversation is used.
            store: rank 0 publishes into it.
            crossed: told the name of each stage that is passed; tests kill there.
        """
        error = self._finish_files()
        crossed("written")
        reports = side.stored_by_all(Report(entries=self.files.entries, error=error, options=self.draft.options))
        outcome = self._publish(store, reports, crossed) if side.first else None
        return cast("Saved", side.stored_by_first(outcome))

    def _finish_files(self) -> str:
        """Nothing, or why this rank's files are not whole."""
        try:
            self.future.result()
            name = GENERATORS.format(rank=self.draft.about["rank"])
            self.files.write(self.draft.partial / name, json.dumps(self.draft.generators).encode())
        except (Exception, CheckpointException) as error:  # noqa: BLE001  # whatever it was, all ranks are told
            return describe(self.files.error or error)
        return ""

    def _publish(self, store: Store, reports: list[Report], crossed: Callable[[str], None]) -> Saved:
        draft = self.draft
        if failures := _failures([report.error for report in reports]):
            return self._give_up(failures)
        files = {name: entry for report in reports for name, entry in report.entries.items()}
        about = {key: value for key, value in draft.about.items() if key != "rank"}
        manifest = Manifest(
            **about,
            step=draft.step,
            saved_at=time.time(),
            save_seconds=time.monotonic() - draft.started,
            files=files,
            options=merge(report.options for report in reports),
        )
        try:
            path = store.publish(draft.partial, manifest)
        except OSError as error:
            return self._give_up(f"rank 0: {describe(error)}")
        crossed("published")
        removed = [path.name for path in self._prune(store)]
        seconds = time.monotonic() - draft.started
        return Saved(step=draft.step, path=path, bytes=manifest.bytes, seconds=seconds, removed=tuple(removed))

    @staticmethod
    def _prune(store: Store) -> list[Path]:
        # The new checkpoint is published; that an old one cannot be deleted is found again at the next save.
        with contextlib.suppress(OSError):
            return store.prune()
        return []

    def _give_up(self, error: str) -> Saved:
        shutil.rmtree(self.draft.partial, ignore_errors=True)
        return Saved(step=self.draft.step, path=None, error=error, seconds=time.monotonic() - self.draft.started)


def describe(error: BaseException) -> str:
    """An error in one line; of DCP's gathered errors, the ranks that had one of their own."""
    if isinstance(error, CheckpointException):
        inner = {rank: failure[0] for rank, failure in error.failures.items()}
        return "; ".join(f"on rank {rank}: {describe(failure)}" for rank, failure in sorted(inner.items()))
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0]}" if first else type(error).__name__


def _failures(errors: list[str]) -> str:
    """One line for all ranks. An error that DCP handed to everyone is told once, by the rank that met it."""
    own = [f"rank {rank}: {error}" for rank, error in enumerate(errors) if error and not error.startswith("on rank ")]
    gathered = [error for error in errors if error.startswith("on rank ")]
    return "; ".join(own) or next(iter(gathered), "")
