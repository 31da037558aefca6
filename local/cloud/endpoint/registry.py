"""Which calls are served, and what they work with."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from local.cloud.aws.package import PACKAGE
from local.cloud.calls import CallRunner
from local.cloud.endpoint.shapes import project
from local.cloud.failures import Call, CancelledCallError, CloudError
from local.cloud.journal import Redactor
from local.cloud.lifecycle import Effects
from local.cloud.model import ApiError, CloudObject, Operation
from local.cloud.paths import lookup
from local.cloud.references import check_holders
from local.cloud.simulator import Simulator
from local.cloud.store import Credentials, SqliteStore
from local.cloud.values import Json

_LOST = "RequestSendFailed"
T = TypeVar("T")


class LostResponseError(Exception):
    """A planted fault: the call was done and its response does not arrive."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request on its way through a handler."""

    store: SqliteStore
    caller: Credentials
    operation: Any
    parameters: Mapping[str, Json]
    effects: Effects

    def items(self, member: str) -> Any:
        """The shape of an item of a list member of the output."""
        return self.operation.output_shape.members[member].member

    def shaped(self, member: str, item: CloudObject) -> dict[str, Json]:
        """A stored object as an item of that list."""
        return project(item.body, self.items(member))

    def delete(self, kind: str, identifier: str, *, api: str = "") -> None:
        """Delete through the simulator: rules, references, journal and faults as for Pulumi's plugin.

        ``api`` chooses among types that share a kind.

        Returns as soon as the deletion has begun; what takes time goes on in the supervisor.

        Raises:
            ApiError: refused.
            LostResponseError: planted.
        """
        binding = next(
            found
            for found in PACKAGE.bindings.values()
            if found.kind == kind and api in ("", found.operations[Operation.DELETE])
        )
        simulator = Simulator(PACKAGE, self.store, self.effects, dependency_patience=0.0)
        simulator.cancel()  # nothing waits here: boto3's callers poll
        try:
            simulator.delete(binding.token, identifier)
        except CancelledCallError:
            now = self.store.get(kind, identifier)
            status = lookup(now.body, binding.lifecycle.path) if now and binding.lifecycle else None
            if now is not None and (binding.lifecycle is None or status != binding.lifecycle.deleting):
                raise _throttled(kind) from None
        except CloudError as error:
            if error.code == _LOST:
                raise LostResponseError from None
            raise ApiError(error.code, str(error).rpartition(f"{error.code}: ")[2], status=_status(error)) from None

    def remove(self, item: CloudObject, api: str) -> None:
        """Delete what no resource type of the program makes (network interfaces): references, journal and faults.

        Raises:
            ApiError: something still names it, or a planted fault.
        """

        def act() -> None:
            check_holders(item, PACKAGE.bindings, self.store, label=item.id)
            self.store.remove(item.kind, item.id)

        self.write(item, api, act)

    def write(self, item: CloudObject, api: str, act: Callable[[], None]) -> None:
        """Do ``act`` as one journalled call on ``item``; errors as ``delete``."""
        operation = "delete" if api.startswith("Delete") else "update"
        self._run(Call(operation, api, "", item.kind, modelled=True, label=item.id, id=item.id), act)

    def read(self, service: str, handler: "Handler") -> Mapping[str, Json]:
        """What ``handler`` answers to a call that changes nothing: journalled, and met by planted faults.

        Raises:
            ApiError: refused.
            LostResponseError: planted.
        """
        api = self.operation.name
        kind = READ_KINDS.get((service, api), f"{service}:{api}")
        call = Call("read", api, "", kind, modelled=True, label=api, request=dict(self.parameters))
        return self._run(call, lambda: handler(self))

    def _run(self, call: Call, act: Callable[[], T]) -> T:
        cancelled = threading.Event()
        cancelled.set()  # a throttled call is refused at once: boto3's callers try again themselves
        runner = CallRunner(PACKAGE, self.store)
        try:
            return runner.run(call, act, redactor=Redactor(), cancelled=cancelled)[0]
        except CancelledCallError:
            raise _throttled(call.kind) from None
        except CloudError as error:
            if error.code == _LOST:
                raise LostResponseError from None
            raise ApiError(error.code, str(error).rpartition(f"{error.code}: ")[2], status=_status(error)) from None


Handler = Callable[[Asked], Mapping[str, Json]]
CALLS: dict[tuple[str, str], Handler] = {}
"""Handlers by service and operation."""
READ_KINDS: dict[tuple[str, str], str] = {}
"""The kind that a reading operation is about, for the journal and for faults that name a kind."""
_READS = ("Describe", "Get", "Head", "List")


def is_read(operation: str) -> bool:
    """Whether an operation changes nothing."""
    return operation.startswith(_READS)


def serves(service: str, *operations: str) -> Callable[[Handler], Handler]:
    """Register a handler."""

    def register(handler: Handler) -> Handler:
        for operation in operations:
            CALLS[service, operation] = handler
        return handler

    return register


def listed() -> dict[str, list[str]]:
    """All served operations by service, for the documentation."""
    found: dict[str, list[str]] = {}
    for service, operation in sorted(CALLS):
        found.setdefault(service, []).append(operation)
    return found


def _throttled(kind: str) -> ApiError:
    code, message = PACKAGE.throttling.get(kind.partition(":")[0], ("ThrottlingException", "Rate exceeded"))
    return ApiError(code, message, status=503 if code == "RequestLimitExceeded" else 429)


def _status(error: CloudError) -> int:
    found = str(error).partition("StatusCode: ")[2].partition(",")[0]
    return int(found) if found.isdigit() and int(found) else 400
