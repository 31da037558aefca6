"""The client of API servers: whose credentials it takes, and what it says when there are none."""

import io
import json
import sys
import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from cli.errors import UserError
from cli.kubernetes import ApiRefusedError, Kubernetes
from cli.train_access import own_api


def kubeconfig(user: dict[str, Any]) -> str:
    return json.dumps(
        {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://api.example"}}],
            "users": [{"name": "u", "user": user}],
        }
    )


class Server:
    """An opener that knows one valid token."""

    def __init__(self, valid: str) -> None:
        self.valid = valid
        self.seen: list[str] = []

    def open(self, request: Any, timeout: float) -> Any:
        del timeout
        self.seen.append(request.get_header("Authorization"))
        if self.seen[-1] != f"Bearer {self.valid}":
            raise urllib.error.HTTPError(request.full_url, 401, "Unauthorized", Message(), io.BytesIO(b"{}"))
        return io.StringIO(json.dumps({"kind": "Pod"}))


def client(server: Server, tokens: list[str]) -> Kubernetes:
    made = Kubernetes("https://api.example", "", lambda: tokens.pop(0))
    opener: Any = server
    made._opener = opener
    return made


def test_a_token_that_has_expired_is_made_again() -> None:
    server = Server("first")
    asked = client(server, ["first", "second"])
    assert asked.get("/api/v1/pods/a") == {"kind": "Pod"}
    server.valid = "second"
    assert asked.get("/api/v1/pods/a") == {"kind": "Pod"}, "a followed run outlives an EKS token"
    assert server.seen == ["Bearer first", "Bearer first", "Bearer second"]


def test_a_fresh_token_that_is_refused_is_told_and_not_made_for_ever() -> None:
    server = Server("other")
    with pytest.raises(ApiRefusedError, match="401"):
        client(server, ["first"]).get("/api/v1/pods/a")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/command"], "No such file"),
        ([sys.executable, "-c", "import sys; sys.exit('not logged in')"], "not logged in"),
        ([sys.executable, "-c", "print('hello')"], "no ExecCredential"),
    ],
)
def test_a_credential_command_that_gives_no_token_is_one_error(command: list[str], words: str) -> None:
    user = {"exec": {"command": command[0], "args": command[1:]}}
    with pytest.raises(UserError, match=words) as caught:
        Kubernetes.of(kubeconfig(user), {}).get("/version")
    assert caught.value.where == command[0]


def test_a_user_with_a_certificate_only_is_told_what_is_taken() -> None:
    with pytest.raises(UserError) as caught:
        Kubernetes.of(kubeconfig({"client-certificate-data": "…"}), {}).get("/version")
    assert caught.value.allowed == "an exec credential or a token"


@pytest.mark.parametrize("text", ["", "[]", "current-context: here", "{", "contexts: []\ncurrent-context: a\n"])
def test_a_file_that_is_no_kubeconfig_is_one_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(UserError, match="this kubeconfig cannot be used") as caught:
        own_api(path, {})
    assert (caught.value.where, int(caught.value.status)) == (str(path), 2)
