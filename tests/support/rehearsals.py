"""A rehearsal of a checked-in environment with every scenario: what must hold of its report, whichever it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.sandbox import Sandbox

SECONDS = 1500.0
"""How long one may take before it counts as hung: several times what it takes on two idle cores."""
ALWAYS = ("up", "second up", "refresh", "names, tags, retention", "kill: second up", "residue")
HIT = (
    "control-plane-restart",
    "node-loss",
    "drift",
    "throttle + capacity: up",
    "kill: up",
    "kill: update",
    "kill: refresh",
    "kill: destroy",
)


@contextmanager
def rehearsed(root: Path, environment: str) -> Iterator[tuple[Sandbox, Any]]:
    """The sandbox and the report of ``slipway rehearse <environment> --scenario all``."""
    sandbox = Sandbox.copy(root)
    try:
        yield sandbox, sandbox.expect("rehearse", environment, "--json", "-s", "all", timeout=SECONDS).json
    finally:
        sandbox.slipway("local", "down", "--discard", "--env", f"{environment}-rehearsal", timeout=60)


def check(told: Any, *, hit: Sequence[str] = (), ok: Sequence[str] = (), skipped: Sequence[str] = ()) -> None:
    """Passed, every stage was played, everything that was hit recovered, nothing that holds data was replaced.

    Args:
        told: The report.
        hit: Stages besides ``HIT`` in which something goes wrong.
        ok: Stages besides ``ALWAYS`` in which nothing does.
        skipped: Scenarios that say nothing about this stack.
    """
    assert (told["passed"], told["findings"]) == (True, [])
    results = {stage["title"]: stage["result"] for stage in told["stages"]}
    assert {title: results.get(title) for title in (*ALWAYS, *ok)} == dict.fromkeys((*ALWAYS, *ok), "ok")
    assert {title: results.get(title) for title in (*HIT, *hit)} == dict.fromkeys((*HIT, *hit), "recovered")
    assert [item["urn"] for item in told["replacements"] if item["stateful"]] == []
    assert sorted(told["skipped"]) == sorted(skipped)
    kills = [line for stage in told["stages"] for line in stage["wentWrong"] if line.startswith("SIGKILL")]
    assert len(kills) == 4, "the engine was killed while it created, updated, refreshed and deleted"
