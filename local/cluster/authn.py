"""Tokens of EKS: a presigned STS request, verified as STS and aws-iam-authenticator would, without any network.

Source of the rules: aws-iam-authenticator's token verifier (prefix, host, path, query parameters, signed cluster
header, 15 minutes) and AWS Signature Version 4 for query strings.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
_LIFETIME = dt.timedelta(minutes=15)
_SKEW = dt.timedelta(minutes=5)
_ALGORITHM = "AWS4-HMAC-SHA256"
_SCOPE_PARTS = 5
_MAX_LENGTH = 16384
_PARAMETERS = frozenset(
    {
        "action",
        "version",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
        "x-amz-user-agent",
    }
)
_EMPTY_BODY = hashlib.sha256(b"").hexdigest()


class TokenError(Exception):
    """The token is not accepted; the message says why and holds nothing of the token itself."""


@dataclass(frozen=True)
class Key:
    """An access key of the simulated account."""

    secret: str
    principal: str


@dataclass(frozen=True)
class Signed:
    """A presigned request, taken apart."""

    host: str
    query: dict[str, str]
    raw_query: list[tuple[str, str]]

    def parameter(self, name: str) -> str:
        """A query parameter, by its name in any spelling of upper and lower case."""
        value = next((value for key, value in self.query.items() if key.lower() == name.lower()), "")
        if not value:
            raise TokenError(f"the presigned request has no {name}")
        return value


def verify(token: str, cluster: str, region: str, key_of: Callable[[str], Key | None], now: dt.datetime) -> str:
    """The ARN of the principal that signed ``token`` for ``cluster``.

    Raises:
        TokenError: anything is wrong with it.
    """
    signed = _parse(token)
    _check_endpoint(signed, region)
    _check_time(signed, now)
    scope = signed.parameter("X-Amz-Credential").split("/")
    if len(scope) != _SCOPE_PARTS or scope[3:] != ["sts", "aws4_request"]:
        raise TokenError("the credential scope is not one of STS")
    key = key_of(scope[0])
    if key is None:
        raise TokenError("the access key is not one of the simulated account")
    if not hmac.compare_digest(_signature(signed, scope, key.secret, cluster), signed.parameter("X-Amz-Signature")):
        raise TokenError(f"the signature does not match: wrong secret key, or made for another cluster than {cluster}")
    return key.principal


def _parse(token: str) -> Signed:
    if not token.startswith(PREFIX):
        raise TokenError(f"tokens begin with {PREFIX}")
    if len(token) > _MAX_LENGTH:
        raise TokenError(f"longer than {_MAX_LENGTH} characters")
    payload = token.removeprefix(PREFIX)
    try:
        url = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    except (binascii.Error, ValueError) as error:
        raise TokenError("not a base64url-encoded URL") from error
    if parts.scheme != "https" or parts.path not in {"", "/"} or parts.fragment:
        raise TokenError("not a presigned https request to the root of STS")
    if len({name.lower() for name, _ in pairs}) != len(pairs):
        raise TokenError("a query parameter is given twice")
    return Signed(parts.netloc, dict(pairs), pairs)


def _check_endpoint(signed: Signed, region: str) -> None:
    if signed.host not in {"sts.amazonaws.com", f"sts.{region}.amazonaws.com"}:
        raise TokenError(f"{signed.host} is not the STS endpoint of {region}")
    unknown = sorted(name for name in signed.query if name.lower() not in _PARAMETERS)
    if unknown:
        raise TokenError(f"unexpected query parameters: {', '.join(unknown)}")
    if signed.parameter("Action") != "GetCallerIdentity":
        raise TokenError("the request is not GetCallerIdentity")
    if signed.parameter("X-Amz-Algorithm") != _ALGORITHM:
        raise TokenError(f"the algorithm is not {_ALGORITHM}")
    if not {"host", CLUSTER_HEADER} <= set(signed.parameter("X-Amz-SignedHeaders").split(";")):
        raise TokenError(f"the header {CLUSTER_HEADER} is not signed")


def _check_time(signed: Signed, now: dt.datetime) -> None:
    text = signed.parameter("X-Amz-Date")
    try:
        made = dt.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise TokenError("X-Amz-Date is not a date") from error
    if now > made + _LIFETIME:
        raise TokenError(f"expired: made at {made:%H:%M:%S} UTC, valid for {_LIFETIME.seconds // 60} minutes")
    if now < made - _SKEW:
        raise TokenError(f"made in the future, at {made:%H:%M:%S} UTC")


def _signature(signed: Signed, scope: list[str], secret: str, cluster: str) -> str:
    headers = {"host": signed.host, CLUSTER_HEADER: cluster}
    names = signed.parameter("X-Amz-SignedHeaders").split(";")
    if set(names) - set(headers):
        raise TokenError(f"signed headers other than host and {CLUSTER_HEADER}")
    pairs = sorted((_quote(name), _quote(value)) for name, value in signed.raw_query if name != "X-Amz-Signature")
    canonical = "\n".join(
        [
            "GET",
            "/",
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{headers[name]}" for name in names),
            "",
            ";".join(names),
            _EMPTY_BODY,
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join([_ALGORITHM, signed.parameter("X-Amz-Date"), "/".join(scope[1:]), digest])
    key = f"AWS4{secret}".encode()
    for part in scope[1:]:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest()


def _quote(text: str) -> str:
    return quote(text, safe="-_.~")
