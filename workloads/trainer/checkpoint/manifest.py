"""The manifest of a checkpoint: what it is and what its files must look like. A directory without one is no checkpoint.

`manifest.json` is written last, after every file of every rank is on disk. It names each file with its size and
SHA-256, so that what was truncated, changed or never written is found before it is used, and named.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

NAME = "manifest.json"
FORMAT = 1
CHUNK_BYTES = 4 << 20
GENERATORS = "generators-{rank:05d}.json"


class DamagedError(Exception):
    """This checkpoint cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file: its size in bytes and the SHA-256 of its content in hex."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a checkpoint says about itself.

    Attributes:
        run: the run that wrote it.
        step: optimizer steps that are done.
        saved_at: epoch seconds.
        save_seconds: from the start of the save until this manifest was written.
        world_size: processes that wrote it.
        layout: how they were laid out.
        identity: shape of the model and of its data; a trainer with another one refuses the checkpoint.
        small: state that is plain values: data position, scheduler, scaler.
        options: of the optimizers (learning rate, betas, ...), each with the parameters that have them.
        files: by name relative to the checkpoint.
    """

    run: str
    step: int
    saved_at: float
    save_seconds: float
    world_size: int
    layout: Mapping[str, int]
    identity: Mapping[str, Any]
    small: Mapping[str, Any]
    options: list[tuple[dict[str, Any], list[str]]]
    files: Mapping[str, FileEntry]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(entry.bytes for entry in self.files.values())

    def text(self) -> str:
        """The manifest as it lies on disk: its content and, in front, a checksum over it."""
        content = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True)
        return f"sha256 {hashlib.sha256(content.encode()).hexdigest()}\n{content}\n"

    @classmethod
    def read(cls, checkpoint: Path) -> Self:
        """The manifest of `checkpoint`.

        Raises:
            DamagedError: there is none, or it is not whole, or its format is not known here.
        """
        try:
            text = (checkpoint / NAME).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DamagedError(f"{NAME} is missing: the checkpoint was never published") from None
        except (OSError, UnicodeDecodeError) as error:
            raise DamagedError(f"{NAME} cannot be read: {error}") from error
        head, _, content = text.partition("\n")
        if head != f"sha256 {hashlib.sha256(content.removesuffix(chr(10)).encode()).hexdigest()}":
            raise DamagedError(f"{NAME} does not match its own checksum")
        return cls.parse(json.loads(content))

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """The manifest in `document`.

        Raises:
            DamagedError: its format is not known here.
        """
        if (found := document.pop("format", None)) != FORMAT:
            raise DamagedError(f"{NAME} has format {found!r}; this trainer reads format {FORMAT}")
        files = {name: FileEntry(**entry) for name, entry in document.pop("files").items()}
        return cls(**document, files=files)


def write_durably(path: Path, text: str) -> None:
    """Write a file so that it is whole after a power cut: content, then its name, reach the disk."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Bring the names in `directory` to disk; a rename is only durable after this."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def entry_of(path: Path) -> FileEntry:
    """Size and checksum of a file as it lies on disk."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(bytes=size, sha256=digest.hexdigest())


def check_sizes(checkpoint: Path, manifest: Manifest) -> None:
    """The quick check: the files of every process are there, each as long as it should be.

    Raises:
        DamagedError: one is not.
    """
    expected = {GENERATORS.format(rank=rank) for rank in range(manifest.world_size)}
    found = {name for name in manifest.files if name.startswith(GENERATORS.partition("{")[0])}
    if found != expected:
        raise DamagedError(
            f"{NAME} says that {manifest.world_size} processes wrote it, but it holds the files of {len(found)}"
        )
    for name, entry in sorted(manifest.files.items()):
        try:
            size = (checkpoint / name).stat().st_size
        except FileNotFoundError:
            raise DamagedError(f"{name} is missing") from None
        if size != entry.bytes:
            raise DamagedError(f"{name} has {size} bytes instead of {entry.bytes}")


def check_content(checkpoint: Path, manifest: Manifest, *, part: int = 0, parts: int = 1) -> None:
    """The whole check: every byte. Ranks share the files: rank `part` of `parts` reads every parts-th one.

    Raises:
        DamagedError: a file is not what was written.
    """
    check_sizes(checkpoint, manifest)
    for name, entry in sorted(manifest.files.items())[part::parts]:
        try:
            found = entry_of(checkpoint / name)
        except OSError as error:
            raise DamagedError(f"{name} cannot be read: {error}") from error
        if found != entry:
            raise DamagedError(f"{name} does not match its checksum: its content was changed after it was written")
