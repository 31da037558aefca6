"""The directory of a run's checkpoints: names, publishing, keeping the newest, making room. Rank 0 alone changes it.

Layout of a run's directory:
    step-00000050/                   a published checkpoint
    .partial-step-00000060-<token>/  being written, or left behind by an attempt that died
    .removed-step-00000040-<token>/  on its way out: renamed first, so that no reader sees half of a checkpoint
"""

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from workloads.trainer.checkpoint.manifest import (
    NAME,
    DamagedError,
    Manifest,
    check_sizes,
    sync_directory,
    write_durably,
)

PUBLISHED = re.compile(r"step-(\d{8,})")
PARTIAL = ".partial-"
REMOVED = ".removed-"


@dataclass(frozen=True, kw_only=True)
class Store:
    """The checkpoints of one run.

    Attributes:
        directory: of the run.
        keep: complete checkpoints that stay; at least 1.
        damaged: checkpoints whose content was found damaged (a size alone does not tell); they count for nothing.
    """

    directory: Path
    keep: int
    damaged: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ValueError(f"keep is {self.keep}; at least 1 checkpoint has to stay")

    def path(self, step: int) -> Path:
        """Where the checkpoint of `step` lies once it is published."""
        return self.directory / f"step-{step:08d}"

    def partial(self, step: int, token: str) -> Path:
        """Where it is written."""
        return self.directory / f"{PARTIAL}step-{step:08d}-{token}"

    def published(self) -> list[Path]:
        """Everything that bears a checkpoint's name, newest step first."""
        found = [path for path in self._entries() if PUBLISHED.fullmatch(path.name) and path.is_dir()]
        return sorted(found, key=step_of, reverse=True)

    def is_complete(self, path: Path) -> bool:
        """Whether `path` holds a whole checkpoint as far as manifest and sizes tell."""
        if path in self.damaged:
            return False
        try:
            check_sizes(path, Manifest.read(path))
        except (DamagedError, OSError):
            return False
        return True

    def complete(self) -> list[Path]:
        """The checkpoints that could be resumed from, newest first."""
        return [path for path in self.published() if self.is_complete(path)]

    def publish(self, partial: Path, manifest: Manifest) -> Path:
        """Make `partial` the checkpoint of its step: manifest, fsync, rename, fsync of the directory.

        Whatever damaged checkpoint bears the name already gives way, renamed before it is deleted.
        """
        write_durably(partial / NAME, manifest.text())
        target = self.path(manifest.step)
        old = self._rename_away(target) if target.exists() else None
        partial.rename(target)
        sync_directory(self.directory)
        self.damaged.discard(target)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def sweep(self) -> list[Path]:
        """Delete what dead attempts and failed saves left: partial and half-removed checkpoints."""
        found = [path for path in self._entries() if path.name.startswith((PARTIAL, REMOVED))]
        for path in found:
            shutil.rmtree(path, ignore_errors=True)
        return found

    def prune(self) -> list[Path]:
        """Delete what is older than the newest `keep` complete checkpoints, damaged ones among them.

        The last complete checkpoint is never deleted, whatever else is there.
        """
        complete = self.complete()
        if not complete:
            return []
        last_kept = complete[: self.keep][-1]
        return self._remove([path for path in self.published() if step_of(path) < step_of(last_kept)])

    def make_room(self) -> list[Path]:
        """Before a save that may not fit: everything that the save would make superfluous goes first.

        Leftovers, damaged checkpoints older than the newest complete one, and the complete ones beyond keep - 1 (with
        the new one that is `keep` again). At least one complete checkpoint stays.
        """
        swept = self.sweep()
        complete = self.complete()
        if not complete:
            return swept
        staying = set(complete[: max(1, self.keep - 1)])
        newest = step_of(complete[0])
        return swept + self._remove(
            [path for path in self.published() if path not in staying and step_of(path) <= newest]
        )

    def free_bytes(self) -> int:
        """Bytes that this user may still write to the file system. A quota below it is not seen."""
        usage = os.statvfs(self.directory)
        return usage.f_bavail * usage.f_frsize

    def _entries(self) -> list[Path]:
        return sorted(self.directory.iterdir()) if self.directory.is_dir() else []

    def _remove(self, paths: list[Path]) -> list[Path]:
        for path in paths:
            shutil.rmtree(self._rename_away(path), ignore_errors=True)
            self.damaged.discard(path)
        if paths:
            sync_directory(self.directory)
        return paths

    def _rename_away(self, path: Path) -> Path:
        away = path.with_name(f"{REMOVED}{path.name}-{os.getpid()}")
        if away.exists():
            shutil.rmtree(away)
        return path.rename(away)


def step_of(path: Path) -> int:
    """The step in a published checkpoint's name."""
    match = PUBLISHED.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path} is not named like a checkpoint (step-00000050)")
    return int(match[1])
