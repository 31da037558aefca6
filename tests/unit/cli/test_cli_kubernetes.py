"""The client of API servers: whose credentials it takes, and what it says when there are none."""

import http.client
import io
import json
import socket
import ssl
import sys
import urllib.error
from email.message import Message
from typing import Any

import pytest

from cli.errors import UserError
from cli.kubernetes import ApiRefusedError, ApiUnreachableError, Kubernetes


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
        self.urls: list[str] = []

    def open(self, request: Any, timeout: float) -> Any:
        del timeout
        self.urls.append(request.full_url)
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


def test_what_an_object_owns_is_deleted_with_it() -> None:
    server = Server("only")
    client(server, ["only"]).delete("/apis/batch/v1/namespaces/team/jobs/run")
    assert server.urls == ["https://api.example/apis/batch/v1/namespaces/team/jobs/run?propagationPolicy=Background"], (
        "a Job's pods would stay by default"
    )


def test_a_fresh_token_that_is_refused_is_told_and_not_made_for_ever() -> None:
    server = Server("other")
    with pytest.raises(ApiRefusedError, match="401"):
        client(server, ["first"]).get("/api/v1/pods/a")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/command"], "it is not installed"),
        (["/etc"], "Permission denied"),
        ([sys.executable, "-c", "import sys; sys.exit('not logged in')"], "not logged in"),
        ([sys.executable, "-c", "import sys; sys.exit(7)"], "it ended with 7 and said nothing"),
        ([sys.executable, "-c", "print('hello')"], "no ExecCredential"),
    ],
)
def test_a_credential_command_that_gives_no_token_is_one_error(command: list[str], words: str) -> None:
    user = {"exec": {"command": command[0], "args": command[1:] or None}}
    with pytest.raises(UserError, match=words) as caught:
        Kubernetes.of(kubeconfig(user), {}).get("/version")
    assert (caught.value.where, caught.value.value) == ("the stack's kubeconfig: the user's exec.command", command[0])


def test_a_credential_command_that_is_not_there_is_told_with_the_hint_of_its_makers() -> None:
    user = {"exec": {"command": "no-such-plugin", "installHint": "brew install no-such-plugin"}}
    with pytest.raises(UserError) as caught:
        Kubernetes.of(kubeconfig(user), {}).get("/version")
    assert caught.value.fix == "brew install no-such-plugin"


class Silence:
    """An opener behind which nobody answers."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def open(self, request: Any, timeout: float) -> Any:
        del request, timeout
        raise self.error


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:992)")
    error.verify_message = "self-signed certificate"
    return error


def cut_off() -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:992)")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


@pytest.mark.parametrize(
    ("error", "what", "fix"),
    [
        (
            urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")),
            "answer: Connection refused",
            "reach",
        ),
        (urllib.error.URLError(socket.gaierror(-2, "Name or service not known")), "answer: Name or service", "reach"),
        (urllib.error.URLError(TimeoutError("timed out")), "answer: it took too long", "reach"),
        (urllib.error.URLError(untrusted()), "is not trusted: self-signed certificate$", "certificate-authority-data"),
        (urllib.error.URLError(cut_off()), r"answer: TLS failed \(wrong version number\)$", "reach"),
        (http.client.BadStatusLine("SSH-2.0"), "what answers there is no Kubernetes API", "reach"),
        (OSError("Tunnel connection failed: 403 Forbidden"), "answer: Tunnel connection failed: 403", "reach"),
    ],
)
def test_a_server_that_does_not_answer_is_told_without_pythons_words(error: Exception, what: str, fix: str) -> None:
    own = Kubernetes.of(kubeconfig({"token": "t"}), {}, own="mine.yaml")
    exported = Kubernetes.of(kubeconfig({"token": "t"}), {})
    opener: Any = Silence(error)
    own._opener = exported._opener = opener
    with pytest.raises(ApiUnreachableError, match=what) as caught:
        own.get("/version")
    found = caught.value
    assert (found.where, found.value) == ("mine.yaml: the server of the current context", "https://api.example")
    assert fix in found.fix
    assert not [word for word in ("Errno", "Error", "_ssl.c") if word in found.what]
    with pytest.raises(ApiUnreachableError, match=what) as caught:
        exported.get("/version")
    assert caught.value.where == "https://api.example"
    assert "`slipway " in caught.value.fix


def test_an_answer_that_is_no_json_is_told() -> None:
    class Page:
        def open(self, request: Any, timeout: float) -> Any:
            del request, timeout
            return io.StringIO("<html>")

    asked = Kubernetes.of(kubeconfig({"token": "t"}), {})
    opener: Any = Page()
    asked._opener = opener
    with pytest.raises(ApiUnreachableError, match="what answers there is no Kubernetes API"):
        asked.get("/version")
