"""Refusals as the provider prints them: the API's code and message, the call, and the request id of the journal."""

import uuid
from dataclasses import dataclass

from local.cloud.model import ApiError, Binding, CloudPackage, Operation
from local.cloud.values import Json

_DOING = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "read": "reading",
}


class CloudError(Exception):
    """A call that failed, in the provider's words.

    Attributes:
        code: the API's error code, for example ``InvalidSubnet.Conflict``.
        request_id: the same as in the journal.
    """

    def __init__(self, text: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.request_id = request_id


class InitFailedError(CloudError):
    """The object was made, but is not what was asked for; the engine keeps it in its state and tries again.

    Attributes:
        id: Pulumi's id of the object.
        state: its outputs.
        inputs: the inputs to remember.
        reasons: what went wrong, in the API's words.
    """

    def __init__(
        self,
        text: str,
        *,
        id: str,  # noqa: A002 the engine's word
        state: dict[str, Json],
        inputs: dict[str, Json],
        reasons: list[str],
    ) -> None:
        super().__init__(text, code="InitFailed")
        self.id = id
        self.state = state
        self.inputs = inputs
        self.reasons = reasons


class EngineKilledError(Exception):
    """Raised in place of a killed engine where there is no engine to kill (plans, unit tests)."""


class CancelledCallError(CloudError):
    """The engine asked to stop while a call waited."""


@dataclass
class Call:
    """One call on its way: what errors and the journal say about it."""

    operation: str
    """create, read, update, delete or invoke."""
    api: str
    token: str
    kind: str
    modelled: bool
    label: str
    """What to call the object in an error: its name or id."""
    urn: str = ""
    id: str = ""
    request: Json = None
    request_id: str = ""

    def __post_init__(self) -> None:
        self.request_id = self.request_id or str(uuid.uuid4())


def call_for(binding: Binding, operation: str, label: str, *, modelled: bool, urn: str, identifier: str = "") -> Call:
    """The call that ``operation`` on a resource of ``binding`` makes."""
    shape = binding.kind.rpartition(":")[2]
    known = binding.operations.get(Operation(operation)) if operation in set(Operation) else None
    api = known or ("Describe" if operation == "read" else operation.capitalize()) + shape
    return Call(
        operation=operation,
        api=api,
        token=binding.token,
        kind=binding.kind,
        modelled=modelled,
        label=label,
        urn=urn,
        id=identifier,
    )


def error_text(package: CloudPackage, call: Call, error: ApiError) -> str:
    """``creating EC2 Subnet (subnet-…): operation error EC2: CreateSubnet, https response error StatusCode: …``."""
    service, _, shape = call.kind.partition(":")
    name = package.service_names.get(service, service.upper())
    # The SDK prints modelled exceptions by their class, all other errors as "api error".
    refusal = f"{error.code}: {error.message}"
    if not error.code.endswith("Exception"):
        refusal = f"api error {refusal}"
    doing = f"{_DOING[call.operation]} {name} {shape} ({call.label})" if call.operation in _DOING else call.token
    return (
        f"{doing}: operation error {name}: {call.api}, https response error StatusCode: {error.status}, "
        f"RequestID: {call.request_id}, {refusal}"
    )


def lost_response_text(package: CloudPackage, call: Call) -> str:
    """What a provider prints when the connection breaks after the request was sent."""
    service, _, shape = call.kind.partition(":")
    name = package.service_names.get(service, service.upper())
    return (
        f"{_DOING.get(call.operation, call.operation)} {name} {shape} ({call.label}): "
        f"operation error {name}: {call.api}, https response error StatusCode: 0, RequestID: , "
        "request send failed: read tcp: connection reset by peer"
    )
