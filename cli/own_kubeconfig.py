"""A person's own kubeconfig: found usable, or told what in it is not, before its server is asked anything."""

import json
import re
import ssl
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cli.errors import UserError
from cli.exits import Exit
from cli.kubernetes import Kubernetes
from stacks.problems import near

Json = dict[str, Any]


def own_api(path: Path, environment: Mapping[str, str]) -> Kubernetes:
    """The API server that a kubeconfig of one's own leads to.

    Args:
        path: The kubeconfig.
        environment: What its credential command runs in.

    Raises:
        UserError: it is no kubeconfig, or its current context has something that this client cannot use.
    """
    document = _document(path)
    context = _context(path, document)
    cluster = _part(path, document, "cluster", context.get("cluster"))
    user = _part(path, document, "user", context.get("user"))
    _check_cluster(path, str(context["cluster"]), cluster)
    _check_user(path, str(context["user"]), user)
    chosen = {
        "current-context": document["current-context"],
        "contexts": [{"name": document["current-context"], "context": context}],
        "clusters": [{"name": context["cluster"], "cluster": cluster}],
        "users": [{"name": context["user"], "user": user}],
    }
    try:
        # Only what was looked at: what else the file holds, whole or not, is for other contexts.
        return Kubernetes.of(json.dumps(chosen, default=str), environment, own=str(path))
    except (ValueError, ssl.SSLError) as error:
        # Everything else has been looked at: only OpenSSL can say whether a certificate is one.
        raise _refused(
            "the certificate authority of the cluster cannot be read",
            f"{path}: clusters[{context['cluster']}].cluster.certificate-authority-data",
            allowed="certificates in PEM, encoded in base64",
            fix="take it from where the kubeconfig comes from",
        ) from error


def _document(path: Path) -> Json:
    fix = "name a kubeconfig with --kubeconfig, or leave it out for the one that the stack exports"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _refused("there is no such kubeconfig", str(path), fix=fix) from error
    except OSError as error:
        raise _refused(f"the kubeconfig cannot be read: {error.strerror}", str(path), fix=fix) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise _refused("the kubeconfig is no YAML", f"{path}{line}", allowed="YAML or JSON", fix=fix) from error
    if not isinstance(document, dict):
        raise _refused(
            "the file holds no kubeconfig",
            str(path),
            allowed="a mapping with clusters, users, contexts and current-context",
            fix=fix,
        )
    return document


def _context(path: Path, document: Json) -> Json:
    name = document.get("current-context")
    if not name:
        known = ", ".join(map(str, _names(document, "context")))
        raise _refused(
            "the kubeconfig has no current context",
            f"{path}: current-context",
            allowed=known or "the name of one of its contexts, of which it has none",
            fix=f"choose one: `kubectl config use-context NAME --kubeconfig {path}`",
        )
    return _part(path, document, "context", name)


def _part(path: Path, document: Json, kind: str, name: object) -> Json:
    """What the kubeconfig holds of this ``kind`` under ``name``."""
    known = _names(document, kind)
    found = next((item.get(kind) for item in _items(document, kind) if item["name"] == name), None)
    if isinstance(found, dict):
        return found
    guess = near(name, map(str, known))
    raise _refused(
        f"the kubeconfig has an empty {kind} of this name" if name in known else f"the kubeconfig has no such {kind}",
        f"{path}: {'current-context' if kind == 'context' else f'{kind} of the current context'}",
        value=str(name or ""),
        allowed=", ".join(map(str, known)) or f"the name of one of its {kind}s, of which it has none",
        fix=f"did you mean {guess}?" if guess and name not in known else f"correct it, or add the {kind}",
    )


def _items(document: Json, kind: str) -> list[Json]:
    found = document.get(f"{kind}s")
    return [item for item in found if isinstance(item, dict) and "name" in item] if isinstance(found, list) else []


def _names(document: Json, kind: str) -> list[object]:
    return [item["name"] for item in _items(document, kind)]


def _check_cluster(path: Path, name: str, cluster: Json) -> None:
    where = f"{path}: clusters[{name}].cluster"
    if not _is_address(cluster.get("server"), "https"):
        raise _refused(
            "the cluster has no server that a token may be sent to",
            f"{where}.server",
            value=_without_login(cluster.get("server")),
            allowed="https://HOST or https://HOST:PORT",
            fix="correct the address of the API server",
        )
    proxy = cluster.get("proxy-url")
    if proxy and not _is_address(proxy, "http", "https"):
        raise _refused(
            "this client cannot use such a proxy",
            f"{where}.proxy-url",
            value=_without_login(proxy),
            allowed="http://HOST:PORT or https://HOST:PORT",
            fix="name an HTTP proxy, or leave it out",
        )
    if "certificate-authority" in cluster and "certificate-authority-data" not in cluster:
        raise _refused(
            "the certificate authority lies in a file of its own, which is not read",
            f"{where}.certificate-authority",
            value=str(cluster["certificate-authority"]),
            allowed="certificate-authority-data",
            fix=f"make a kubeconfig that holds it: `kubectl config view --raw --flatten --kubeconfig {path}`",
        )


def _check_user(path: Path, name: str, user: Json) -> None:
    where, command = f"{path}: users[{name}].user", user.get("exec")
    if user.get("token"):
        _check_token(f"{where}.token", str(user["token"]).strip())
        return
    if isinstance(command, dict) and command.get("command"):
        _check_command(f"{where}.exec", command)
        return
    raise _refused(
        "the user of the kubeconfig has nothing that this client can log in with",
        where,
        value=", ".join(map(str, user)) or "nothing",
        allowed="an exec credential or a token; no client certificate, password or auth provider",
        fix=f"make a token: `kubectl create token ACCOUNT --kubeconfig {path}`",
    )


def _check_token(where: str, token: str) -> None:
    if token.isascii() and token.isprintable() and " " not in token:
        return
    raise _refused(
        "the token of the kubeconfig cannot be sent",
        where,
        allowed="one word of ASCII characters",
        fix="take it once more from where it comes from: it may have been broken over several lines",
    )


def _check_command(where: str, command: Json) -> None:
    words, variables = command.get("args") or [], command.get("env") or []
    checked = {
        "command": (isinstance(command["command"], str), "the path or the name of a program"),
        "args": (isinstance(words, list), "a list of words"),
        "env": (
            isinstance(variables, list) and all(map(_is_variable, variables)),
            "a list of {name: TEXT, value: TEXT}",
        ),
    }
    for member, (right, allowed) in checked.items():
        if not right:
            raise _refused(
                "the credential command of the kubeconfig cannot be run",
                f"{where}.{member}",
                allowed=allowed,
                fix="correct it, or make the kubeconfig again",
            )


def _is_variable(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("value"), str)


def _without_login(address: object) -> str:
    """Fit to be shown: an address may hold a password."""
    return re.sub(r"//.*@", "//…@", str(address or ""))


def _is_address(text: object, *schemes: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(str(text or ""))
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _refused(what: str, where: str, *, value: str = "", allowed: str = "", fix: str) -> UserError:
    return UserError(what, where=where, value=value, allowed=allowed, fix=fix, status=Exit.USAGE)
