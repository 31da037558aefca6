"""AWS's wire protocols by botocore's service models: which operation a request is, its parameters, its reply.

Parsers and serialisers are moto's, which read the same models; CBOR and errors are ours.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from local.cloud.endpoint import cbor
from local.cloud.endpoint.messages import HttpReply, HttpRequest
from local.cloud.endpoint.shapes import conform
from local.cloud.endpoint.signature import service_of
from local.cloud.model import ApiError
from local.cloud.values import Json

_MODELS: Final = {"tagging": "resourcegroupstaggingapi"}
_BALANCING: Final = "elasticloadbalancing"
_BALANCING_2: Final = "2015-12-01"
SERVICES: Final = (
    "autoscaling",
    "budgets",
    "ce",
    "ec2",
    "eks",
    "elb",
    "elbv2",
    "fsx",
    "iam",
    "kms",
    "logs",
    "s3",
    "sts",
    "tagging",
)
"""What is served: signing names, and the two APIs that share the one of Elastic Load Balancing."""
_CBOR: Final = re.compile(r"/service/[^/]+/operation/(\w+)\Z")


@dataclass(frozen=True)
class Parsed:
    """A request taken apart."""

    service: str
    operation: Any
    """botocore's model of it."""
    parameters: dict[str, Json]
    protocol: str


def api_of(request: HttpRequest) -> str:
    """The service of a request: its signing name, told apart by API version where two share one."""
    name = service_of(request)
    if name != _BALANCING:
        return name
    return "elbv2" if dict(_pairs(request.body.decode(errors="replace"))).get("Version") == _BALANCING_2 else "elb"


@cache
def model(service: str) -> Any:
    """The service model by signing name."""
    import botocore.session
    from moto.core.model import ServiceModel

    name = _MODELS.get(service, service)
    data = botocore.session.get_session().get_component("data_loader").load_service_model(name, "service-2")
    return ServiceModel(data, name)


def parse(service: str, request: HttpRequest) -> Parsed:
    """Operation and parameters, validated against the model.

    Raises:
        ApiError: no such operation, or parameters that the model refuses.
    """
    path, _, query = request.target.partition("?")
    protocol = _protocol(service, path)
    values = _pairs(query) + (_pairs(request.body.decode()) if protocol in ("ec2", "query") else [])
    operation, labels = _operation(service, protocol, request, path, values)
    parameters = _parameters(protocol, operation, request, values, labels)
    _validate(parameters, operation)
    return Parsed(service, operation, parameters, protocol)


def reply(parsed: Parsed, result: Mapping[str, Json], request_id: str) -> HttpReply:
    """The reply to a request.

    Raises:
        ShapeError: ``result`` is not what the model says.
    """
    operation = parsed.operation
    checked = conform(dict(result), operation.output_shape, operation.name)
    if parsed.protocol == "cbor":
        return _cbor_reply(200, checked)
    from moto.core.serialize import SerializationContext, get_serializer_class

    serializer = get_serializer_class(parsed.service, parsed.protocol)(
        operation, context=SerializationContext(request_id), value_picker=_pick
    )
    made = serializer.serialize(checked)
    body = made["body"]
    headers = {"x-amzn-requestid": request_id, **{key: str(value) for key, value in made["headers"].items()}}
    return HttpReply(made["status_code"], body.encode() if isinstance(body, str) else body, headers)


def refusal(service: str, request: HttpRequest, error: ApiError, request_id: str) -> HttpReply:
    """An error in the service's protocol."""
    protocol = _protocol(service, request.target.partition("?")[0]) if service in SERVICES else "query"
    code, message, status = error.code, error.message, error.status
    headers = {"x-amzn-requestid": request_id}
    if protocol == "cbor":
        return _cbor_reply(status, {"__type": code, "message": message})
    if protocol in ("json", "rest-json"):
        text = json.dumps({"__type": code, "message": message})
        return HttpReply(
            status, text.encode(), {**headers, "x-amzn-errortype": code, "Content-Type": "application/json"}
        )
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    elif protocol == "rest-xml":
        text = f"<Error>{inner}<RequestId>{request_id}</RequestId></Error>"
    else:
        wrapped = f"<Error><Type>Sender</Type>{inner}</Error><RequestId>{request_id}</RequestId>"
        text = f"<ErrorResponse>{wrapped}</ErrorResponse>"
    return HttpReply(status, text.encode(), {**headers, "Content-Type": "text/xml"})


def _cbor_reply(status: int, value: Json) -> HttpReply:
    headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
    return HttpReply(status, cbor.encode(value), headers)


def _pick(context: Any) -> Json:
    return context.obj.get(context.key)


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


def _protocol(service: str, path: str) -> str:
    if _CBOR.match(path):
        return "cbor"
    known: str = model(service).metadata["protocol"]
    return "json" if known == "smithy-rpc-v2-cbor" else known


def _operation(
    service: str, protocol: str, request: HttpRequest, path: str, values: list[tuple[str, str]]
) -> tuple[Any, dict[str, str]]:
    name = ""
    labels: dict[str, str] = {}
    if protocol == "cbor":
        found = _CBOR.match(path)
        name = found.group(1) if found else ""
    elif protocol == "json":
        name = request.headers.get("x-amz-target", "").rpartition(".")[2]
    elif protocol in ("ec2", "query"):
        name = dict(values).get("Action", "")
    else:
        name, labels = _routed(service, request.method, path, {key for key, _ in values})
    if name not in model(service).operation_names:
        raise ApiError("InvalidAction", f"{service} has no operation for {name or request.method + ' ' + path}")
    return model(service).operation_model(name), labels


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], frozenset[str], str]]:
    routes = []
    for name in model(service).operation_names:
        http = model(service).operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        pattern = re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", re.escape(path))
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern)
        keys = frozenset(part.partition("=")[0] for part in query.split("&") if part)
        routes.append((http["method"], re.compile(pattern.rstrip("/") + "/?"), keys, name))
    return sorted(routes, key=lambda route: -len(route[2]))


def _routed(service: str, method: str, path: str, keys: set[str]) -> tuple[str, dict[str, str]]:
    """The route with the most fixed query keys wins: ``?tagging`` before a plain listing."""
    for wanted, pattern, fixed, name in _routes(service):
        found = pattern.fullmatch(path)
        if found and method == wanted and fixed <= keys and not (service == "s3" and _other(service, keys, fixed)):
            return name, {label: unquote(text) for label, text in found.groupdict().items()}
    return "", {}


def _other(service: str, keys: set[str], fixed: frozenset[str]) -> set[str]:
    """Sub-resources in the query that a route does not name: ``?acl`` must not become a listing."""
    subresources = {key for _, _, known, _ in _routes(service) for key in known}
    return (keys & subresources) - fixed - {"x-id"}


def _parameters(
    protocol: str,
    operation: Any,
    request: HttpRequest,
    values: list[tuple[str, str]],
    labels: Mapping[str, str],
) -> dict[str, Json]:
    from moto.core.parse import PROTOCOL_PARSERS
    from werkzeug.datastructures import Headers, MultiDict

    try:
        if protocol == "cbor":
            return dict(cbor.decode(request.body))
        parser = PROTOCOL_PARSERS[protocol](operation)
        found = parser.parse(
            {
                "body": request.body,
                "headers": Headers(list(request.headers.items())),
                "method": request.method,
                "url_params": dict(labels),
                "url_path": request.target.partition("?")[0],
                "values": MultiDict(values),
            }
        )
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise ApiError("SerializationException", f"{operation.name}: the request cannot be read: {error}") from error
    return {key: value for key, value in found.items() if value is not None}


def _validate(parameters: Mapping[str, Json], operation: Any) -> None:
    from botocore.validate import ParamValidator

    if operation.input_shape is None:
        return
    unknown = parameters.keys() - operation.input_shape.members.keys()
    report = ParamValidator().validate(dict(parameters), operation.input_shape)
    if unknown or report.has_errors():
        more = f"unknown parameters {sorted(unknown)} " if unknown else ""
        raise ApiError("ValidationException", f"{operation.name}: {more}{report.generate_report()}")
