"""AWS Signature Version 4 in the Authorization header, checked with the account's own keys.

Source: AWS IAM User Guide, "Create a signed AWS API request"; error codes: "Common Errors" of each service's reference.
"""

import datetime as dt
import hashlib
import hmac
import posixpath
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from local.cloud.endpoint.messages import HttpRequest
from local.cloud.model import ApiError
from local.cloud.store import Credentials

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SKEW: Final = dt.timedelta(minutes=15)
_HEADER: Final = re.compile(
    rf"{_ALGORITHM} Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{{64}})\Z"
)
_SCOPE_PARTS: Final = 5
_JSON: Final = frozenset({"eks", "fsx", "logs", "kms", "tagging"})
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
_FORBIDDEN: Final = 403


def service_of(request: HttpRequest) -> str:
    """The signing name in the credential scope (``ec2``, ``tagging``), or empty: how one port serves all services."""
    found = _HEADER.match(request.headers.get("authorization", ""))
    scope = found.group(1).split("/") if found else []
    return scope[3] if len(scope) == _SCOPE_PARTS else ""


def verify(request: HttpRequest, key_of: Callable[[str], Credentials | None], now: dt.datetime) -> Credentials:
    """Who signed ``request``.

    Raises:
        ApiError: not signed, signed with a key that this account never issued, wrongly signed, or long ago.
    """
    service = service_of(request)
    found = _HEADER.match(request.headers.get("authorization", ""))
    if found is None:
        raise ApiError("MissingAuthenticationToken", "Request is missing Authentication Token", status=_FORBIDDEN)
    credential, names, given = found.groups()
    key, _, scope = credential.partition("/")
    credentials = key_of(key)
    if credentials is None:
        raise _unknown_key(service)
    stamp = request.headers.get("x-amz-date", "")
    _check_time(stamp, scope, now)
    _check_payload(request)
    digest = hashlib.sha256(_canonical(request, service, names).encode()).hexdigest()
    signing = f"AWS4{credentials.secret_access_key}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    made = hmac.new(signing, f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hexdigest()
    if not hmac.compare_digest(made, given):
        raise _mismatch(service)
    return credentials


def _canonical(request: HttpRequest, service: str, names: str) -> str:
    path, _, query = request.target.partition("?")
    if service != "s3":  # S3 alone signs the path as it is sent
        tidy = posixpath.normpath(path or "/").replace("//", "/")
        path = quote(tidy + ("/" if path.endswith("/") and tidy != "/" else ""), safe="/~")
    pairs = sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part)
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names.split(";")]
    return "\n".join([request.method, path, "&".join(pairs), *headers, "", names, _payload(request)])


def _payload(request: HttpRequest) -> str:
    return request.headers.get("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()


def _check_payload(request: HttpRequest) -> None:
    declared = _payload(request)
    if declared != _UNSIGNED and declared != hashlib.sha256(request.body).hexdigest():
        message = "The provided 'x-amz-content-sha256' header does not match what was computed"
        raise ApiError("XAmzContentSHA256Mismatch", message)


def _check_time(stamp: str, scope: str, now: dt.datetime) -> None:
    try:
        made = dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        raise ApiError("IncompleteSignature", "Date must be in ISO-8601 'basic format'", status=_FORBIDDEN) from None
    if not scope.startswith(stamp[:8] + "/") or abs(now - made) > _SKEW:
        raise ApiError("RequestExpired", "Request has expired: its date is not now", status=_FORBIDDEN)


def _unknown_key(service: str) -> ApiError:
    message = "The security token included in the request is invalid: the key is not one of the simulated account"
    if service == "s3":
        return ApiError(
            "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records", status=403
        )
    code = "UnrecognizedClientException" if service in _JSON else "InvalidClientTokenId"
    return ApiError("AuthFailure" if service == "ec2" else code, message, status=401 if service == "ec2" else 403)


def _mismatch(service: str) -> ApiError:
    code = "InvalidSignatureException" if service in _JSON else "SignatureDoesNotMatch"
    message = "The request signature we calculated does not match the signature you provided"
    return ApiError(code, message, status=_FORBIDDEN)
