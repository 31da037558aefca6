"""Protection goes last of all that comes before deleting: who says no keeps it, and no written state brings it back."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from cli import destroy
from cli.errors import UserError

URN = "urn:pulumi:live::slipway::"
CLUSTER = {
    "urn": f"{URN}aws:eks/cluster:Cluster::main-cluster",
    "type": "aws:eks/cluster:Cluster",
    "id": "main-cluster",
    "protect": True,
}
PROVIDER = {
    "urn": f"{URN}pulumi:providers:kubernetes::main",
    "type": "pulumi:providers:kubernetes",
    "inputs": {"kubeconfig": "{}"},
}


class Engine:
    """The engine's state, and what was asked of it."""

    environment: dict[str, str]

    def __init__(self) -> None:
        self.environment = {}
        self.resources: list[dict[str, Any]] = [PROVIDER, dict(CLUSTER)]
        self.asked: list[str] = []

    def capture(self, *words: str, stdin: str = "") -> str:
        self.asked.append(" ".join(words[:2]))
        if words[:2] == ("stack", "import"):
            self.resources = json.loads(stdin)["deployment"]["resources"]
        if words[:2] == ("state", "unprotect"):
            self.resources = [{**item, "protect": False} for item in self.resources]
        return json.dumps({"deployment": {"resources": self.resources}})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A real environment that is protected; its cloud notes nothing, and nothing is deleted."""
    found = Engine()
    stack = SimpleNamespace(
        name="live", simulated=False, settings=SimpleNamespace(environment="live", protect=True, place=None)
    )
    eks = SimpleNamespace(
        update_cluster_config=lambda **_: found.asked.append("cluster unprotected"),
        get_waiter=lambda _: SimpleNamespace(wait=lambda **_: None),
    )
    nothing: dict[str, Any] = {
        "in_order": [],
        "inventory_of": None,
        "_left": [],
        "_report": None,
        "_silence": "it took too long",
    }
    for name, answer in nothing.items():
        monkeypatch.setattr(destroy, name, lambda *_, _answer=answer, **__: _answer)
    monkeypatch.setattr(destroy, "open_stack", lambda _: stack)
    monkeypatch.setattr(destroy, "session", SimpleNamespace(started=lambda *_: found))
    monkeypatch.setattr(destroy, "real", lambda _: lambda _: eks)
    return found


def run(*, unprotect: bool) -> None:
    destroy.destroy("live", yes=False, confirm="live", unprotect=unprotect, delete_leftovers=False)


def test_what_lives_in_a_silent_cluster_is_forgotten_without_protecting_the_rest_again(engine: Engine) -> None:
    run(unprotect=True)
    assert engine.asked == ["stack export", "stack import", "state unprotect", "cluster unprotected"]
    assert [item["urn"] for item in engine.resources if item["protect"]] == [], "the engine would refuse to delete it"


def test_without_unprotect_nothing_is_touched(engine: Engine) -> None:
    with pytest.raises(UserError, match="1 resource of live are protected, and nothing was deleted"):
        run(unprotect=False)
    assert engine.asked == ["stack export"]


def test_who_keeps_the_submitted_runs_keeps_the_protection_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise typer.Exit

    monkeypatch.setattr(destroy, "_silence", lambda *_: "")
    monkeypatch.setattr(destroy, "Kubernetes", SimpleNamespace(of=lambda *_: None))
    monkeypatch.setattr(destroy, "_take_runs_away", refused)
    with pytest.raises(typer.Exit):
        run(unprotect=True)
    assert engine.asked == ["stack export"]
