"""Real text without a network: the documentation that Python and its installed packages carry.

Everything here is deterministic: the same interpreter and packages give the same documents in the same order.
"""

import ast
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

TEXT_SUFFIXES = frozenset({".md", ".rst", ".txt"})
MAX_FILE_BYTES = 4 * 1024**2
"""Larger text files are tables, not prose."""
MIN_CHARACTERS = 80
"""Shorter documents say nothing that a model could learn."""


class CorpusError(Exception):
    """The text that was asked for is not there."""


@dataclass(frozen=True)
class Document:
    """One text and where it came from."""

    name: str
    text: str


def language_reference() -> Iterator[Document]:
    """The language reference that CPython ships for ``help()``: half a million characters, read at once."""
    from pydoc_data import topics  # noqa: PLC0415  (half a megabyte that most readers of this module never need)

    for name, text in sorted(topics.topics.items()):
        yield Document(f"topics/{name}", text)


def library_documentation() -> Iterator[Document]:
    """Docstrings of the standard library, module by module, read without importing anything (seconds)."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if not _SKIPPED_FOLDERS.intersection(inside.parts):
            yield from _docstrings(inside.as_posix(), path)


_SKIPPED_FOLDERS = frozenset({"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"})


def package_documentation() -> Iterator[Document]:
    """Docstrings and text files of the installed packages, by package name."""
    distributions = {found.metadata["Name"]: found for found in metadata.distributions() if found.files}
    for name, distribution in sorted(distributions.items()):
        for file in sorted(distribution.files or (), key=str):
            path = Path(str(file.locate()))
            if file.suffix == ".py" and not _SKIPPED_FOLDERS.intersection(file.parts):
                yield from _docstrings(f"{name}/{file}", path)
            elif file.suffix in TEXT_SUFFIXES and "licenses" not in file.parts:
                yield from _text_file(f"{name}/{file}", path)


def python() -> Iterator[Document]:
    """The language reference, then the standard library's docstrings: some 2 million characters, always there."""
    yield from language_reference()
    yield from library_documentation()


def packages() -> Iterator[Document]:
    """`python`, then the documentation of the installed packages: how much depends on the environment."""
    yield from python()
    yield from package_documentation()


CORPORA: Mapping[str, Callable[[], Iterator[Document]]] = {
    "reference": language_reference,
    "python": python,
    "packages": packages,
}


def documents(corpus: str) -> list[Document]:
    """The documents of a named corpus, or of a text file or folder of text files of your own; duplicates once.

    Raises:
        CorpusError: no such corpus or file, or no text in it.
    """
    source = CORPORA.get(corpus)
    found = source() if source else _own(Path(corpus))
    unique: dict[str, Document] = {}
    for document in found:
        text = document.text.strip()
        if len(text) >= MIN_CHARACTERS:
            unique.setdefault(text, Document(document.name, text))
    if not unique:
        raise CorpusError(f"corpus {corpus}: no text of at least {MIN_CHARACTERS} characters in it")
    return list(unique.values())


def origin(corpus: str) -> str:
    """What the text depends on besides its name: the interpreter, or the names and sizes of your own files."""
    if corpus in CORPORA:
        return f"Python {'.'.join(map(str, sys.version_info[:3]))}"
    return " ".join(f"{file}:{file.stat().st_size}" for file in _files(Path(corpus)))


def _own(path: Path) -> Iterator[Document]:
    for file in _files(path):
        yield Document(str(file), file.read_text(encoding="utf-8", errors="replace"))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.suffix in TEXT_SUFFIXES)
    if path.is_file():
        return [path]
    raise CorpusError(
        f"corpus {path}: no such file or folder, and no corpus of this name. "
        f"Name one of {', '.join(sorted(CORPORA))}, a text file, or a folder of {', '.join(sorted(TEXT_SUFFIXES))}"
    )


def _text_file(name: str, path: Path) -> Iterator[Document]:
    # A package's record may name files that its image left out to be smaller.
    if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
        yield Document(name, path.read_text(encoding="utf-8", errors="replace"))


def _docstrings(name: str, path: Path) -> Iterator[Document]:
    """All docstrings of one module as one document; nothing when it cannot be parsed (templates, other Pythons)."""
    if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [
        f"{getattr(node, 'name', '')}\n{text}".strip()
        for node in ast.walk(tree)
        if isinstance(node, documented) and (text := ast.get_docstring(node))
    ]
    if texts:
        yield Document(name, "\n\n".join(texts))
