"""The line about money at the end of a preview: what the stack costs, and how that differs from what there is."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from policies.cost.budgets import Spending
from policies.cost.catalogue import Catalogue
from policies.cost.diff import compare
from policies.cost.estimate import estimate
from policies.cost.model import Estimate
from policies.cost.summary import money
from policies.graph import ResourceGraph
from policies.sources import export
from policies.sources.errors import SourceError

_FILE_BACKEND: Final = "organization"
"""The organization of every stack on a backend that has none."""
_EXPORT_SECONDS: Final = 30
_WAIT_SECONDS: Final = 5.0
"""How long the end of a preview waits for a state that is not there yet."""

Exporter = Callable[[str], Mapping[str, Any] | None]
"""The state of the stack of that name, or None when it cannot be had."""


def exported(stack: str) -> Mapping[str, Any] | None:
    """The state as the engine's own command gives it: without a lock, with secrets still encrypted."""
    try:
        found = subprocess.run(
            ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_EXPORT_SECONDS,
            check=True,
        )
        document = json.loads(found.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return document if isinstance(document, dict) else None


class CostOfUpdate:
    """Prices a stack as it will be, and as it was when the engine began.

    The state is read while the program runs, so that nobody waits for it.
    """

    def __init__(self, exporter: Exporter = exported) -> None:
        self._exporter = exporter
        self._state: Mapping[str, Any] | None = None
        self._reading: threading.Thread | None = None

    def begin(self, *, stack: str, project: str, organization: str) -> None:
        """Start to read the state."""
        name = f"{organization or _FILE_BACKEND}/{project}/{stack}"

        def read() -> None:
            self._state = self._exporter(name)

        self._state = None
        self._reading = threading.Thread(target=read, daemon=True)
        self._reading.start()

    def sentence(self, graph: ResourceGraph, spending: Spending) -> str:
        """What the update adds or saves; what the stack costs when nobody knows what there was."""
        catalogue = Catalogue.load()

        def price(one: ResourceGraph) -> Estimate:
            return estimate(one, catalogue=catalogue, usage=spending.usage, blocks=spending.blocks)

        after, earlier = price(graph), self._earlier()
        if earlier is not None:
            return compare(price(earlier), after).sentence()
        gaps = f"; {len(after.unpriced)} without a price" if after.unpriced else ""
        return f"this stack costs {money(after.total.hourly.expected)}/h, {money(after.total.expected)} a month{gaps}"

    def _earlier(self) -> ResourceGraph | None:
        if self._reading is not None:
            self._reading.join(_WAIT_SECONDS)
        if self._state is None:
            return None
        try:
            return export.read(self._state)
        except SourceError:
            # A stack that was never updated has no resources to list.
            return ResourceGraph(resources=())
