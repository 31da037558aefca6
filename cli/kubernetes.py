"""A client of Kubernetes API servers for status and runs: on the standard library, so that real stacks need no more.

Kubeconfigs are those that stacks export: one cluster, one user with an exec credential, perhaps a proxy.
"""

import base64
import http.client
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from cli.errors import UserError
from cli.exits import Exit
from cli.kube_token import caller_credentials, presigned_token

Json = dict[str, Any]
_TIMEOUT_SECONDS: Final = 10.0
_FOLLOW_SECONDS: Final = 600.0
"""A followed log may be silent for so long: a large model's first step compiles."""
_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_PAGE: Final = 500


class ApiUnreachableError(UserError):
    """The API server does not answer, or not to us."""

    def __init__(self, what: str, *, where: str, value: str = "", fix: str) -> None:
        super().__init__(what, where=where, value=value, fix=fix, status=Exit.NOT_READY)


class ApiRefusedError(ApiUnreachableError):
    """The API server answered, and said no: ``code`` is HTTP's number of it, ``what`` its own words."""

    def __init__(self, code: int, message: str, *, where: str) -> None:
        denied = code in (_UNAUTHORIZED, _FORBIDDEN)
        super().__init__(
            f"the Kubernetes API refuses us: {code} {message}",
            where=where,
            fix="check that your principal is in `access.admins` of the settings"
            if denied
            else "correct what it says; it was not this command that said no",
        )
        self.code = code


class Kubernetes:
    """One API server. Every call is a fresh request; a token serves until the server refuses it."""

    def __init__(
        self, server: str, authority: str, token: Callable[[], str], proxy: str | None = None, own: str = ""
    ) -> None:
        self._server = server.rstrip("/")
        self._own = own
        self._token = token
        self._bearer: str | None = None
        # Strictly: what is no base64 would decode to nothing, and the machine's own authorities would be trusted.
        given = base64.b64decode("".join(authority.split()), validate=True).decode() if authority else None
        context = ssl.create_default_context(cadata=given)
        # Only the kubeconfig decides about a proxy: HTTPS_PROXY of the shell is for the internet.
        proxies = urllib.request.ProxyHandler({"https": proxy} if proxy else {})
        self._opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=context))

    @classmethod
    def of(cls, kubeconfig: str, environment: Mapping[str, str], *, own: str = "") -> "Kubernetes":
        """The server of a kubeconfig's current context.

        Args:
            kubeconfig: A JSON document.
            environment: What its credential command runs in.
            own: Where it lies, if it is a person's own and not the one that a stack exports: errors name it.
        """
        document = json.loads(kubeconfig)
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        return cls(
            server=cluster["server"],
            authority=str(cluster.get("certificate-authority-data") or ""),
            token=lambda: _token(user, environment, own or "the stack's kubeconfig"),
            proxy=cluster.get("proxy-url"),
            own=own,
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
        """Delete one object, and after it what it owns; no error when it is gone."""
        # The pods of a Job would stay by default: batch/v1 orphans what it owns (pkg/registry/batch/job, strategy.go).
        self._ask(f"{path}?propagationPolicy=Background", method="DELETE")

    def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        """Create one object in a collection; ``dry_run`` has it admitted and not stored.

        Raises:
            ApiRefusedError: the server, or a webhook, said no.
        """
        made = self._ask(path + ("?dryRun=All" if dry_run else ""), method="POST", body=body)
        if made is None:
            raise ApiRefusedError(_NOT_FOUND, "the server does not know such objects", where=self._server + path)
        return made

    def merge(self, path: str, body: Json) -> Json | None:
        """Change members of one object (JSON merge patch); None when there is none."""
        return self._ask(path, method="PATCH", body=body)

    def text(self, path: str, **parameters: str) -> str:
        """A text, such as the log of a container."""
        with self._open(f"{path}?{urllib.parse.urlencode(parameters)}", accept="*/*") as answer:
            return str(answer.read().decode("utf-8", "replace"))

    def lines(self, path: str, **parameters: str) -> Iterator[str]:
        """The lines of a text that may go on growing; ends with it."""
        query = f"{path}?{urllib.parse.urlencode(parameters)}"
        with self._open(query, accept="*/*", timeout=_FOLLOW_SECONDS) as answer:
            try:
                for line in answer:
                    yield line.decode("utf-8", "replace").rstrip("\n")
            except (OSError, ValueError):
                # The node or the API server went away in the middle: the caller looks where the pod is now.
                return

    def _ask(self, path: str, *, method: str = "GET", body: Json | None = None) -> Json | None:
        try:
            with self._open(path, method=method, body=body) as answer:
                document: Json = json.load(answer)
                return document
        except ApiRefusedError as error:
            if error.code == _NOT_FOUND:
                return None
            raise
        except (ValueError, OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _open(
        self,
        path: str,
        *,
        method: str = "GET",
        body: Json | None = None,
        accept: str = "application/json",
        timeout: float = _TIMEOUT_SECONDS,
    ) -> Any:
        fresh = self._bearer is None
        if self._bearer is None:
            self._bearer = self._token()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(  # noqa: S310 (the scheme is the kubeconfig's)
            self._server + path,
            headers={"Authorization": f"Bearer {self._bearer}", "Accept": accept, "Content-Type": kind},
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            return self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.code == _UNAUTHORIZED and not fresh:
                # Clouds' tokens live for a quarter of an hour, a followed log for days.
                self._bearer = None
                return self._open(path, method=method, body=body, accept=accept, timeout=timeout)
            raise ApiRefusedError(error.code, _message(error), where=self._server + path.partition("?")[0]) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> ApiUnreachableError:
        # What urllib wraps; a TLS error has a ``reason`` of its own.
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            what = f"the certificate of the Kubernetes API is not trusted: {reason.verify_message}"
            own = "set certificate-authority-data to the authority that signed the server's certificate"
            fix = (
                "see that no proxy answers in its place; `slipway drift` says whether the cluster is still the stack's"
            )
        else:
            what = f"the Kubernetes API does not answer: {_in_words(reason)}"
            own = "check its server and proxy-url, and that this machine may reach them"
            fix = "check `access` in the settings (allow-listed CIDRs, tunnel); simulated: `slipway local status`"
        if self._own:
            return ApiUnreachableError(
                what, where=f"{self._own}: the server of the current context", value=self._server, fix=own
            )
        return ApiUnreachableError(what, where=self._server, fix=fix)


def _message(error: urllib.error.HTTPError) -> str:
    """What the server said (a ``Status`` object), or HTTP's own word."""
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)


def _in_words(reason: object) -> str:
    """Why nothing came that we understand, without Python's own names for it."""
    if isinstance(reason, TimeoutError):
        return "it took too long"
    if isinstance(reason, ssl.SSLError):
        return f"TLS failed ({(reason.reason or 'no reason given').replace('_', ' ').lower()})"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    if isinstance(reason, ValueError | http.client.HTTPException):
        return "what answers there is no Kubernetes API"
    return str(reason)


def _named(items: Sequence[Json], name: str) -> Json:
    return next(item for item in items if item["name"] == name)


def _token(user: Json, environment: Mapping[str, str], kubeconfig: str) -> str:
    if user.get("token"):
        # A YAML block ends with a newline, which no header may hold.
        return str(user["token"]).strip()
    command = user["exec"]
    arguments = [str(argument) for argument in command.get("args") or []]
    extra = {item["name"]: item["value"] for item in command.get("env") or []}
    options = dict(zip(arguments[1::2], arguments[2::2], strict=False))
    if [command["command"], *arguments[:1]] == ["slipway", "kube-token"] and {
        "--cluster",
        "--region",
    } <= options.keys():
        # Our own command: a process less, and it need not be on PATH.
        return _own_token(options, {**environment, **extra})
    fix = "run the command by hand and correct what it says"
    try:
        done = subprocess.run(
            [command["command"], *arguments],
            env={**environment, **extra},
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(done.stdout)["status"]["token"])
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip() or f"it ended with {error.returncode} and said nothing"
    except FileNotFoundError:
        said, fix = "it is not installed", command.get("installHint") or "install it, or name another kubeconfig"
    except OSError as error:
        said = error.strerror or "the operating system refused"
    except (ValueError, LookupError, TypeError):
        said = "what it printed is no ExecCredential with a token"
    raise UserError(
        f"the kubeconfig's credential command failed: {said}",
        where=f"{kubeconfig}: the user's exec.command",
        value=command["command"],
        fix=fix,
    )


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
