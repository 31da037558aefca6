"""Text to tokens once, and tokens in one order for the whole run."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from workloads.data import corpus, tokens
from workloads.data.corpus import CorpusError, Document
from workloads.data.tokens import Recipe, Tokenizer, prepare, split
from workloads.trainer.data import Reader, shuffled

BYTES = Recipe(tokenizer=Tokenizer.BYTES)


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    return np.arange(10 * 8 + 1, dtype=np.uint16)


def test_any_number_of_processes_reads_the_same_batches(numbers: np.ndarray) -> None:
    alone = Reader(numbers, context=8, seed=3)
    expected = [alone.next(12).inputs for _ in range(4)]
    for ranks in (2, 3, 4):
        readers = [Reader(numbers, context=8, seed=3) for _ in range(ranks)]
        for whole in expected:
            shares = [reader.next(12, rank=rank, ranks=ranks).inputs for rank, reader in enumerate(readers)]
            assert torch.equal(torch.cat(shares), whole), f"{ranks} processes see other data than one"


def test_a_reader_goes_on_where_another_stopped_whatever_their_numbers(numbers: np.ndarray) -> None:
    first, undisturbed = Reader(numbers, context=8, seed=3), Reader(numbers, context=8, seed=3)
    for _ in range(3):
        first.next(12, rank=0, ranks=4)
        undisturbed.next(12)
    resumed = [Reader(numbers, context=8, seed=3) for _ in range(2)]
    for reader in resumed:
        reader.load_state_dict(first.state_dict())
    shares = [reader.next(12, rank=rank, ranks=2).inputs for rank, reader in enumerate(resumed)]
    assert torch.equal(torch.cat(shares), undisturbed.next(12).inputs), "sequences 36 to 47 of the run"


def test_an_epoch_has_every_sequence_once_and_the_next_another_order(numbers: np.ndarray) -> None:
    reader = Reader(numbers, context=8, seed=3)
    epochs = [[int(reader.next(1).inputs[0, 0]) // 8 for _ in range(10)] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10)), "each of 10 sequences once per epoch"
    assert epochs[0] != epochs[1], "another order, or the model learns the order"


def test_targets_are_the_next_tokens(numbers: np.ndarray) -> None:
    batch = Reader(numbers, context=8, seed=3).next(4)
    assert torch.equal(batch.targets, batch.inputs + 1), "the numbers count up"


def test_the_order_is_fixed_for_all_releases() -> None:
    assert shuffled(8, seed=1, epoch=0).tolist() == EXPECTED_ORDER, "a resumed run would see other data"


EXPECTED_ORDER = [1, 5, 4, 2, 7, 0, 6, 3]


def test_a_checkpoint_of_another_order_is_refused(numbers: np.ndarray) -> None:
    with pytest.raises(ValueError, match="order of --seed 4, not 3"):
        Reader(numbers, context=8, seed=3).load_state_dict({"sample": 5, "seed": 4})


def test_a_text_shorter_than_a_sequence_is_refused(numbers: np.ndarray) -> None:
    with pytest.raises(ValueError, match="81 tokens are less than one sequence of 128"):
        Reader(numbers, context=128, seed=3)


def test_token_files_are_made_once_and_found_again(tmp_path: Path) -> None:
    made = prepare(tmp_path, BYTES)
    written = (made.folder / "train.bin").stat().st_mtime_ns
    assert prepare(tmp_path, BYTES) == made, "found, with the same digest"
    assert (made.folder / "train.bin").stat().st_mtime_ns == written, "not made again"
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [made.folder.name], "no draft is left"


def test_the_same_text_makes_the_same_tokens(tmp_path: Path) -> None:
    digests = {prepare(tmp_path / place, Recipe()).digest for place in ("here", "there")}
    assert len(digests) == 1, "the tokenizer is trained the same way on every node"


def test_text_goes_through_the_tokenizer_and_back(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Encoder

    made = prepare(tmp_path, Recipe())
    words = Encoder.from_file(str(made.folder / "tokenizer.json")).decode(made.train()[:2000].tolist())
    assert "expression" in words or "statement" in words or "object" in words, "the language reference, readable"
    assert int(made.train().max()) < made.vocabulary, "the model has a row for every token"


def test_several_processes_at_once_make_one_folder(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        made = pool.starmap(prepare, [(tmp_path, BYTES)] * 3)
    assert len({each.digest for each in made}) == 1, "all found the same files"
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1, "one of them made it"


def test_a_writer_that_died_leaves_nothing_that_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "_digest", lambda _paths: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            prepare(tmp_path, BYTES)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"], "no folder of half-written files"
    assert prepare(tmp_path, BYTES).train_tokens > 100_000, "and the next one makes it"


def test_a_truncated_token_file_is_told(tmp_path: Path) -> None:
    made = prepare(tmp_path, BYTES)
    with (made.folder / "train.bin").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(OSError, match=r"1000 bytes, but the manifest .* remove the folder"):
        made.train()


def test_validation_text_is_apart_from_training_text(tmp_path: Path) -> None:
    texts = [Document(f"text {number}", f"{number} " * 100) for number in range(40)]
    train, validation = split(texts, 0.1)
    assert {each.name for each in train}.isdisjoint(each.name for each in validation), "no document in both"
    share = sum(len(each.text) for each in validation) / sum(len(each.text) for each in texts)
    assert 0.05 < share <= 0.1, "as much as was asked for"


def test_one_long_text_gives_up_its_end() -> None:
    train, validation = split([Document("book", "word " * 1000)], 0.1)
    assert len(train[0].text) == 4500, "nine tenths"
    assert validation[0].text == "word " * 100, "the last tenth"


def test_a_folder_of_your_own_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text("A text of its own. " * 20)
    (tmp_path / "copy.txt").write_text("A text of its own. " * 20)
    (tmp_path / "code.py").write_text("print('not prose')" * 20)
    assert [Path(each.name).name for each in corpus.documents(str(tmp_path))] == ["copy.txt"], "duplicates once"


def test_another_text_is_another_folder(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("first " * 200)
    first = Recipe(corpus=str(text)).key
    text.write_text("second " * 200)
    assert Recipe(corpus=str(text)).key != first, "token files of the old text must not be reused"


@pytest.mark.parametrize("name", ["no-such-corpus", "empty"])
def test_a_corpus_without_text_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"no such file or folder|no text of at least"):
        corpus.documents(str(tmp_path / name))


def test_the_standard_library_documents_itself() -> None:
    document = next(each for each in corpus.library_documentation() if each.name == "abc.py")
    assert "Abstract Base Classes" in document.text, "its docstring, without importing it"


def test_what_a_killed_writer_left_is_taken_away_and_in_nobodys_way(tmp_path: Path) -> None:
    left = tmp_path / f".{BYTES.key}.0123abcd"
    left.mkdir()
    (left / "train.bin").write_bytes(b"half")
    made = prepare(tmp_path, BYTES)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [made.folder.name]


def test_a_tokenizer_file_that_is_none_is_told_by_name(tmp_path: Path) -> None:
    wrong = tmp_path / "tokenizer.json"
    wrong.write_text("{}")
    with pytest.raises(OSError, match=r"tokenizer.json is no tokenizer.json of the tokenizers library"):
        prepare(tmp_path, Recipe(tokenizer_file=str(wrong)))


def test_a_tokenizer_is_copied_beside_the_checkpoints_and_bytes_have_none(tmp_path: Path) -> None:
    made = prepare(tmp_path / "data", Recipe())
    made.copy_tokenizer(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (made.folder / "tokenizer.json").read_bytes()
    other = tmp_path / "bytes"
    prepare(other / "data", BYTES).copy_tokenizer(other)
    assert [path.name for path in other.iterdir()] == ["data"], "nothing half-copied either"
