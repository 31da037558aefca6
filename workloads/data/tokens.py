"""Text to token files, once: a tokenizer trained on the text itself, and two files of token numbers to map into memory.

Whoever comes first prepares under a lock and publishes the folder with one rename; everyone else finds it done. The
folder's name is a hash of what it was made from, so another corpus or vocabulary is another folder.
"""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from workloads.data.corpus import Document, documents, origin

BYTES = 256
VOCABULARY_MULTIPLE = 64
"""Vocabularies are rounded up to it: tensor cores and tensor parallelism want even shares."""
END = "<|end|>"
"""Between documents."""
TOKENIZER = "tokenizer.json"
"""In the folder of the token files, and beside the checkpoints of the model that reads them."""
FORMAT = 1
"""Raised when files of an older release must not be reused."""


class Tokenizer(StrEnum):
    """How text becomes numbers."""

    BPE = "bpe"
    """Byte-pair encoding trained on the corpus (the `tokenizers` library)."""
    BYTES = "bytes"
    """One token per byte: nothing to train, four times the tokens."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the token files are made from."""

    corpus: str = "reference"
    """A name of `workloads.data.corpus.CORPORA`, a text file, or a folder of text files."""
    tokenizer: Tokenizer = Tokenizer.BPE
    vocabulary: int = 1024
    """Of the byte-pair encoding; bytes have 257 tokens, rounded up."""
    tokenizer_file: str = ""
    """Use this tokenizer.json instead of training one: that of the model which is fine-tuned."""
    validation_share: float = 0.05
    """Share of the text that is kept apart."""

    @property
    def key(self) -> str:
        """Name of the folder: what it is made from, and a hash of all of it."""
        content = {**asdict(self), "origin": origin(self.corpus), "format": FORMAT}
        if self.tokenizer_file:
            content["tokenizer_file"] = hashlib.sha256(Path(self.tokenizer_file).read_bytes()).hexdigest()
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        return f"{Path(self.corpus).name}-{self.tokenizer}-{digest}"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Token files that are complete."""

    folder: Path
    vocabulary: int
    """Of the model: token numbers are below it."""
    item: str
    """Type of one number in the files."""
    train_tokens: int
    validation_tokens: int
    digest: str
    """SHA-256 of tokenizer and tokens: two runs with the same digest see the same text."""

    def train(self) -> np.ndarray:
        """The training tokens, mapped, not read."""
        return self._mapped("train.bin", self.train_tokens)

    def validation(self) -> np.ndarray:
        """The tokens that training never sees."""
        return self._mapped("validation.bin", self.validation_tokens)

    def copy_tokenizer(self, directory: Path) -> None:
        """Put the tokenizer beside the checkpoints in ``directory``: who fine-tunes the model needs both.

        The run itself does not need the copy, so a full disk ends nothing. Bytes have no tokenizer to copy.
        """
        draft = directory / f"{TOKENIZER}.partial"
        with suppress(OSError):
            shutil.copyfile(self.folder / TOKENIZER, draft)
            draft.replace(directory / TOKENIZER)

    def _mapped(self, name: str, tokens: int) -> np.ndarray:
        path, item = self.folder / name, np.dtype(self.item)
        if (size := path.stat().st_size) != tokens * item.itemsize:
            raise OSError(
                f"{path}: {size} bytes, but the manifest beside it tells of {tokens} tokens of {item.itemsize}: "
                f"remove the folder, and it is made again"
            )
        return np.memmap(path, dtype=item, mode="r", shape=(tokens,))


def prepare(directory: Path, recipe: Recipe) -> Prepared:
    """Token files of ``recipe`` below ``directory``: found, or made.

    Raises:
        CorpusError: no text.
        OSError: the directory cannot be written, or its files are not what they say.
    """
    folder = directory / recipe.key
    if found := _opened(folder):
        return found
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory / ".lock") as alone:
        if found := _opened(folder):
            return found
        if alone:
            # Whoever held the lock before us and published nothing has died; what it left would stay for ever.
            for left in directory.glob(f".{folder.name}.*"):
                shutil.rmtree(left, ignore_errors=True)
        return _make(folder, recipe)


def _opened(folder: Path) -> Prepared | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except FileNotFoundError:
        return None
    return Prepared(folder=folder, **manifest)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether the lock was had: Lustre mounted without `flock` refuses. Two may then work at once; one rename loses."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True


def _make(folder: Path, recipe: Recipe) -> Prepared:
    # Neither host name nor process id: a pod that is made again has both of the one that was killed.
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    draft.mkdir()
    try:
        train, validation = split(documents(recipe.corpus), recipe.validation_share)
        vocabulary, encode = _tokenizer(draft, recipe, [document.text for document in train])
        item = "<u2" if vocabulary <= np.iinfo(np.uint16).max + 1 else "<u4"
        counts = dict.fromkeys(("train", "validation"), 0)
        for part, texts in (("train", train), ("validation", validation)):
            counts[part] = _write(draft / f"{part}.bin", (encode(each.text) for each in texts), item)
        manifest = {
            "vocabulary": vocabulary,
            "item": item,
            "train_tokens": counts["train"],
            "validation_tokens": counts["validation"],
            "digest": _digest(sorted(draft.iterdir())),
        }
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=1))
        with suppress(OSError):  # lost the race of the unlocked: the winner's files are the same
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    prepared = _opened(folder)
    if prepared is None:
        raise OSError(f"{folder}: cannot be published; is something else of this name in the way?")
    return prepared


def split(texts: Sequence[Document], validation_share: float) -> tuple[list[Document], list[Document]]:
    """Training and validation documents: in the order of their digests, documents go to validation while they fit.

    A corpus whose documents are all larger than the share gives up the end of its last one.
    """
    room = validation_share * sum(len(document.text) for document in texts)
    train, validation = [], []
    for document in sorted(texts, key=lambda each: hashlib.sha256(each.text.encode()).digest()):
        if len(document.text) <= room:
            room -= len(document.text)
            validation.append(document)
        else:
            train.append(document)
    if not validation:
        last = train.pop()
        cut = len(last.text) - max(1, int(room))
        train.append(Document(last.name, last.text[:cut]))
        validation.append(Document(last.name, last.text[cut:]))
    return train, validation


def _tokenizer(draft: Path, recipe: Recipe, texts: Sequence[str]) -> tuple[int, Callable[[str], list[int]]]:
    if recipe.tokenizer is Tokenizer.BYTES:
        return _rounded(BYTES + 1), lambda text: [*text.encode(), BYTES]
    encoder = _read(recipe.tokenizer_file) if recipe.tokenizer_file else _trained(recipe, texts)
    encoder.save(str(draft / TOKENIZER))
    if (end := encoder.token_to_id(END)) is None:
        raise OSError(f"{recipe.tokenizer_file} has no token {END}: take the tokenizer.json of a run of this trainer")
    size = encoder.get_vocab_size() if recipe.tokenizer_file else recipe.vocabulary
    return _rounded(size), lambda text: [*encoder.encode(text).ids, end]


def _read(path: str) -> Any:
    from tokenizers import Tokenizer as Encoder  # noqa: PLC0415  (bytes need no library)

    try:
        return Encoder.from_file(path)
    except Exception as error:  # the library raises nothing narrower
        raise OSError(f"{path} is no tokenizer.json of the tokenizers library: {error}") from error


def _trained(recipe: Recipe, texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer as Encoder  # noqa: PLC0415  (as above)
    from tokenizers import decoders, models, pre_tokenizers, trainers  # noqa: PLC0415

    encoder = Encoder(models.BPE())
    encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoder.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    encoder.train_from_iterator(texts, trainer)
    return encoder


def _rounded(vocabulary: int) -> int:
    return -(-vocabulary // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def _write(path: Path, texts: Iterable[Sequence[int]], item: str) -> int:
    tokens = 0
    with path.open("wb") as file:
        for text in texts:
            file.write(np.asarray(text, dtype=item).tobytes())
            tokens += len(text)
        file.flush()
        os.fsync(file.fileno())
    return tokens


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
