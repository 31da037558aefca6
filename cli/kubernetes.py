"""A reader of Kubernetes API servers: enough for status, on the standard library, so that real stacks need no more.

Kubeconfigs are those that stacks export: one cluster, one user with an exec credential, perhaps a proxy.
"""

import base64
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cli.errors import UserError
from cli.exits import Exit
from cli.kube_token import caller_credentials, presigned_token

Json = dict[str, Any]
_TIMEOUT_SECONDS: Final = 10.0
_NOT_FOUND: Final = 404
_PAGE: Final = 500


class ApiUnreachableError(UserError):
    """The API server does not answer, or not to us."""

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(what, where=where, fix=fix, status=Exit.NOT_READY)


class Kubernetes:
    """One API server. Every call is a fresh request; the token is made once."""

    def __init__(self, server: str, authority: str, token: Callable[[], str], proxy: str | None = None) -> None:
        self._server = server.rstrip("/")
        self._token = token
        self._bearer: str | None = None
        context = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
        # Only the kubeconfig decides about a proxy: HTTPS_PROXY of the shell is for the internet.
        proxies = urllib.request.ProxyHandler({"https": proxy} if proxy else {})
        self._opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=context))

    @classmethod
    def of(cls, kubeconfig: str, environment: Mapping[str, str]) -> "Kubernetes":
        """The server of a kubeconfig; ``environment`` is what its credential command runs in."""
        document = json.loads(kubeconfig)
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        return cls(
            server=cluster["server"],
            authority=cluster.get("certificate-authority-data", ""),
            token=lambda: _token(user, environment),
            proxy=cluster.get("proxy-url"),
        )

    def get(self, path: str) -> Json | None:
        """One object, or None when there is none."""
        return self._ask(path)

    def list(self, path: str, **parameters: str) -> "Sequence[Json]":
        """All objects of a collection; none when the server does not know the collection."""
        items: list[Json] = []
        more = ""
        while True:
            query = {"limit": str(_PAGE), **parameters} | ({"continue": more} if more else {})
            answer = self._ask(f"{path}?{urllib.parse.urlencode(query)}")
            if answer is None:
                return items
            items += answer.get("items", [])
            more = answer.get("metadata", {}).get("continue", "")
            if not more:
                return items

    def delete(self, path: str) -> None:
        """Delete one object; no error when it is gone."""
        self._ask(path, method="DELETE")

    def _ask(self, path: str, *, method: str = "GET") -> Json | None:
        if self._bearer is None:
            self._bearer = self._token()
        request = urllib.request.Request(  # noqa: S310 (the scheme is the kubeconfig's)
            self._server + path,
            headers={"Authorization": f"Bearer {self._bearer}", "Accept": "application/json"},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                document: Json = json.load(answer)
                return document
        except urllib.error.HTTPError as error:
            if error.code == _NOT_FOUND:
                return None
            raise ApiUnreachableError(
                f"the Kubernetes API refuses us: {error.code} {error.reason}",
                where=self._server + path.partition("?")[0],
                fix="check that your principal is in `access.admins` of the settings",
            ) from error
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ApiUnreachableError(
                f"the Kubernetes API does not answer: {reason}",
                where=self._server,
                fix="check `access` in the settings (allow-listed CIDRs, tunnel); simulated: `slipway local status`",
            ) from error


def _named(items: Sequence[Json], name: str) -> Json:
    return next(item for item in items if item["name"] == name)


def _token(user: Json, environment: Mapping[str, str]) -> str:
    if "token" in user:
        return str(user["token"])
    command = user["exec"]
    arguments = [str(argument) for argument in command.get("args", [])]
    extra = {item["name"]: item["value"] for item in command.get("env") or []}
    if command["command"] == "slipway" and arguments[:1] == ["kube-token"]:
        # Our own command: a process less, and it need not be on PATH.
        return _own_token(dict(zip(arguments[1::2], arguments[2::2], strict=False)), {**environment, **extra})
    done = subprocess.run(
        [command["command"], *arguments],
        env={**environment, **extra},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(
            f"the kubeconfig's credential command failed: {done.stderr.strip()}",
            where=command["command"],
            fix="run the command by hand and correct what it says",
        )
    return str(json.loads(done.stdout)["status"]["token"])


def _own_token(options: Mapping[str, str], environment: Mapping[str, str]) -> str:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        region, role = options["--region"], options.get("--role-arn")
        cluster = options["--cluster"]
        return presigned_token(cluster, region, caller_credentials(cluster, region, role))
    finally:
        os.environ.clear()
        os.environ.update(before)
