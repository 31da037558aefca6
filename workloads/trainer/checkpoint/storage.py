"""What DCP writes through: a file system that counts and checksums every byte on its way to the disk."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from torch.distributed.checkpoint.filesystem import FileSystem, FileSystemWriter

from workloads.trainer.checkpoint.manifest import FileEntry

Opener = Callable[[Path], BinaryIO]


def open_file(path: Path) -> BinaryIO:
    """The file, new and empty."""
    return path.open("wb")


class ChecksummedFile(io.RawIOBase):
    """A file being written from its start to its end."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._digest = hashlib.sha256()
        self._bytes = 0
        self.error: OSError | None = None

    @property
    def entry(self) -> FileEntry:
        """Size and checksum of what was written so far."""
        return FileEntry(bytes=self._bytes, sha256=self._digest.hexdigest())

    def write(self, data: Any, /) -> int:
        """Write all of it; the first error is kept, since torch.save reports any as one of its own format."""
        view = memoryview(data).cast("B")
        try:
            self._file.write(view)
        except OSError as error:
            self.error = self.error or error
            raise
        self._digest.update(view)
        self._bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Bytes written."""
        return self._bytes

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """For fsync."""
        return self._file.fileno()

    def flush(self) -> None:
        """Hand everything to the system. After an error there is nothing more to flush."""
        if not self.closed and not self._file.closed and self.error is None:
            try:
                self._file.flush()
            except OSError as error:
                self.error = error
                raise

    def close(self) -> None:
        """Close it once, whatever has failed before."""
        if self.closed:
            return
        try:
            super().close()
        finally:
            self._close_file()

    def _close_file(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            if self.error is None:
                self.error = error
                raise


class ChecksummedFiles(FileSystem):
    """The files that this rank writes of one checkpoint.

    Attributes:
        entries: size and checksum by file name.
        error: the first error of the file system.
    """

    def __init__(self, opener: Opener = open_file) -> None:
        self._opener = opener
        self.entries: dict[str, FileEntry] = {}
        self.error: OSError | None = None

    @contextmanager
    def create_stream(self, path: str | os.PathLike[str], mode: str) -> Iterator[Any]:
        """The stream that DCP writes to (mode "wb") or reads from."""
        path = Path(path)
        if mode != "wb":
            with super().create_stream(path, mode) as stream:
                yield stream
            return
        try:
            file = ChecksummedFile(self._opener(path))
        except OSError as error:
            self.error = self.error or error
            raise
        try:
            with file:
                yield file
        finally:
            self.error = self.error or file.error
        self.entries[path.name] = file.entry

    def rename(self, path: str | os.PathLike[str], new_path: str | os.PathLike[str]) -> None:
        """Rename, and know the file by its new name."""
        super().rename(path, new_path)
        if (entry := self.entries.pop(Path(path).name, None)) is not None:
            self.entries[Path(new_path).name] = entry

    def write(self, path: Path, content: bytes) -> None:
        """A whole small file, on disk when this returns."""
        with self.create_stream(path, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


def writer(directory: Path, files: ChecksummedFiles) -> FileSystemWriter:
    """DCP's own writer over `files`: one file per rank, fsync before it is counted as written."""
    made = FileSystemWriter(directory, single_file_per_rank=True, sync_files=True, overwrite=False)
    made.fs = files
    return made
