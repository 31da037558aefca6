"""A file that somebody names: what it is, is told by what stands in it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from policies.graph import ResourceGraph
from policies.sources import export, manifests, preview, values
from policies.sources.errors import SourceError

MAX_BYTES: Final = 512 << 20
"""An export of 10,000 large resources is a tenth of that."""


def read(path: Path) -> ResourceGraph:
    """The graph of a preview, an export, a checkpoint or rendered manifests.

    Raises:
        SourceError: it is none of these, or only a part of one.
        OSError: it cannot be read.
    """
    if path.stat().st_size > MAX_BYTES:
        raise SourceError(f"{path} is larger than {MAX_BYTES >> 20} MiB", hint="give one stack's preview or export")
    data = path.read_bytes()
    try:
        text, broken = data.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        # A name that is no UTF-8 spoils that name, not the report.
        text, broken = data.decode("utf-8-sig", "replace"), True
    if not text.strip():
        raise SourceError(f"{path} is empty", hint="write it again: the command that made it failed")
    with values.collector_paused():
        graph = _graph(text, path)
    note = "some bytes of the file are no UTF-8 and are shown as \N{REPLACEMENT CHARACTER}"
    return replace(graph, notes=(*graph.notes, note)) if broken else graph


def _graph(text: str, path: Path) -> ResourceGraph:
    stem = "".join(letter if letter.isalnum() else "-" for letter in values.printable(path.stem))
    if text.lstrip()[0] not in "{[":
        return manifests.read(text, origin=str(path), name=stem)
    document = values.load(text)
    if isinstance(document, Mapping):
        if "steps" in document:
            return preview.read(document, origin=str(path))
        if "deployment" in document or "checkpoint" in document:
            return export.read(document, origin=str(path))
    if isinstance(document, list) or "kind" in document:
        return manifests.read(text, origin=str(path), name=stem)
    raise SourceError(
        f"{path} is neither a preview nor an export nor a manifest",
        hint="give what `pulumi preview --json --show-sames`, `pulumi stack export` or `helm template` print",
    )
