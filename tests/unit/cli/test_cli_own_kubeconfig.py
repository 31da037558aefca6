"""A kubeconfig of one's own: each thing that is wrong with it is one error, with its place and what to do."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.errors import UserError
from cli.exits import Exit
from cli.own_kubeconfig import own_api

GOOD: dict[str, Any] = {
    "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}, {"name": "there", "context": {}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}
CLUSTER = "clusters.0.cluster"
EXEC = ": users[u].user.exec"


def broken(path: str, value: object) -> str:
    """The good kubeconfig with one value changed; None takes it away."""
    document = copy.deepcopy(GOOD)
    target: Any = document
    *parents, last = path.split(".")
    for step in parents:
        target = target[int(step) if step.isdigit() else step]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return yaml.safe_dump(document)


def with_command(**members: object) -> str:
    """The good kubeconfig with an exec credential instead of a token."""
    return broken("users.0.user", {"exec": {"command": "aws", **members}})


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        own_api(path, {})
    found = caught.value
    assert found.status is Exit.USAGE
    assert found.fix
    told = f"{found.what} {found.where} {found.value} {found.allowed} {found.fix}"
    assert not [word for word in ("Error", "Errno", "NoneType", "object is not", "traceback") if word in told]
    return found


@pytest.mark.parametrize(
    ("text", "what", "where", "value", "allowed"),
    [
        ("", "the file holds no kubeconfig", "", "", "a mapping with clusters"),
        ("[]", "the file holds no kubeconfig", "", "", "a mapping with clusters"),
        ("a: 1\nb: {", "no YAML", ", line 2", "", "YAML or JSON"),
        ("\x00", "no YAML", "", "", "YAML or JSON"),
        (broken("current-context", None), "no current context", ": current-context", "", "here, there"),
        ("kind: Config", "no current context", ": current-context", "", "the name of one of its contexts, of which"),
        (broken("current-context", "hree"), "no such context", ": current-context", "hree", "here, there"),
        (broken("current-context", "there"), "no such cluster", ": cluster of the current context", "", "c"),
        (broken("contexts", None), "no such context", ": current-context", "here", "the name of one of its contexts"),
        (broken("contexts", {"here": {}}), "no such context", ": current-context", "here", "the name of one of"),
        (broken("contexts.0.context.user", "x"), "no such user", ": user of the current context", "x", "u"),
        (broken("clusters.0.cluster", "x"), "an empty cluster", ": cluster of the current context", "c", "c"),
        (broken(f"{CLUSTER}.server", None), "no server", ": clusters[c].cluster.server", "", "https://HOST"),
        (broken(f"{CLUSTER}.server", "http://a:1"), "no server", ": clusters[c].cluster.server", "http://a:1", "https"),
        (
            broken(f"{CLUSTER}.server", "https://a:x"),
            "no server",
            ": clusters[c].cluster.server",
            "https://a:x",
            "http",
        ),
        (
            broken(f"{CLUSTER}.proxy-url", "socks5://a:1"),
            "cannot use such a proxy",
            ": clusters[c].cluster.proxy-url",
            "socks5://a:1",
            "http://HOST:PORT",
        ),
        (
            broken(f"{CLUSTER}.proxy-url", "socks5://me:s3cret@a:1"),
            "cannot use such a proxy",
            ": clusters[c].cluster.proxy-url",
            "socks5://…@a:1",
            "http://HOST:PORT",
        ),
        (
            broken(f"{CLUSTER}.certificate-authority", "ca.crt"),
            "a file of its own",
            ": clusters[c].cluster.certificate-authority",
            "ca.crt",
            "certificate-authority-data",
        ),
        (
            broken(f"{CLUSTER}.certificate-authority-data", "%%%"),
            "the certificate authority of the cluster cannot be read",
            ": clusters[c].cluster.certificate-authority-data",
            "",
            "certificates in PEM",
        ),
        (
            broken(f"{CLUSTER}.certificate-authority-data", base64.b64encode(b"no certificate").decode()),
            "the certificate authority of the cluster cannot be read",
            ": clusters[c].cluster.certificate-authority-data",
            "",
            "certificates in PEM",
        ),
        (
            broken("users.0.user", {"client-certificate-data": "x", "client-key-data": "secret"}),
            "nothing that this client can log in with",
            ": users[u].user",
            "client-certificate-data, client-key-data",
            "an exec credential or a token",
        ),
        (
            broken(f"{CLUSTER}.certificate-authority-data", 1234),
            "the certificate authority of the cluster cannot be read",
            ": clusters[c].cluster.certificate-authority-data",
            "",
            "certificates in PEM",
        ),
        (
            broken("users.0.user", {"token": "secret\nsecret"}),
            "token of the kubeconfig cannot be sent",
            ": users[u].user.token",
            "",
            "one word",
        ),
        (with_command(command=["aws", "eks"]), "cannot be run", f"{EXEC}.command", "", "the path or the name"),
        (with_command(args="eks get-token"), "cannot be run", f"{EXEC}.args", "", "a list of words"),
        (with_command(env={"AWS_PROFILE": "a"}), "cannot be run", f"{EXEC}.env", "", "a list of {name"),
        (with_command(env=[{"value": "a"}]), "cannot be run", f"{EXEC}.env", "", "a list of {name"),
        (with_command(env=[{"name": "A", "value": 1}]), "cannot be run", f"{EXEC}.env", "", "a list of {name"),
        (broken("users.0.user", {}), "can log in with", ": users[u].user", "nothing", "an exec credential or a token"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, text: str, what: str, *, where: str, value: str, allowed: str
) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    found = refused(path)
    assert what in found.what
    assert (found.where, found.value) == (f"{path}{where}", value)
    assert found.allowed.startswith(allowed)


def test_a_file_that_is_not_there_or_not_a_file_is_told(tmp_path: Path) -> None:
    found = refused(tmp_path / "config")
    assert (found.what, found.where) == ("there is no such kubeconfig", str(tmp_path / "config"))
    assert "--kubeconfig" in found.fix
    assert refused(tmp_path).what == "the kubeconfig cannot be read: Is a directory"


def test_a_file_of_bytes_is_no_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"\xff\xfe\x00")
    assert refused(path).what == "the kubeconfig is no YAML"


def test_a_name_that_is_nearly_right_is_guessed(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(broken("current-context", "hree"))
    assert refused(path).fix == "did you mean here?"


@pytest.mark.parametrize(
    "text", [yaml.safe_dump(GOOD), json.dumps(GOOD), yaml.safe_dump({**GOOD, "when": "2026-01-01"})]
)
def test_a_good_one_is_taken_as_yaml_and_as_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    assert own_api(path, {})._server == "https://api.example:6443"


@pytest.mark.parametrize("stranger", ["text", {}, {"context": {}}, None])
def test_what_the_file_holds_for_other_contexts_need_not_be_whole(tmp_path: Path, stranger: object) -> None:
    path = tmp_path / "config"
    lists = {kind: [stranger, *GOOD[kind]] for kind in ("contexts", "clusters", "users")}
    path.write_text(yaml.safe_dump({**GOOD, **lists}))
    assert own_api(path, {})._server == "https://api.example:6443"


def test_a_token_in_a_block_of_yaml_is_sent_without_the_end_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(broken("users.0.user", {"token": "t0ken\n"}))
    assert own_api(path, {})._token() == "t0ken"
