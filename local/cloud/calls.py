"""How one API call runs: faults, provider-side retries, one transaction, the journal, the error in the end."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from local.cloud.failures import Call, CancelledCallError, CloudError, EngineKilledError, error_text, lost_response_text
from local.cloud.faults import Fault, FaultType, Target
from local.cloud.journal import Call as Entry
from local.cloud.journal import Redactor
from local.cloud.model import ApiError, CloudPackage
from local.cloud.store import SqliteStore

T = TypeVar("T")

MAX_ATTEMPTS = 25
"""The provider's default ``maxRetries``."""
_LONGEST_BACKOFF_SECONDS = 20.0
_LONGEST_HOLD_SECONDS = 60.0
_HOLD_POLL_SECONDS = 0.02
_THROTTLED = ("ThrottlingException", "Rate exceeded")
_NO_CAPACITY = (
    "InsufficientInstanceCapacity",
    "We currently do not have sufficient capacity in the Availability Zone you requested.",
)
_HTTP_TOO_MANY = 429
_HTTP_UNAVAILABLE = 503


def kill_parent() -> None:
    """SIGKILL for the engine that started this plugin."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(5)  # the response must not get out before the engine is gone


def no_engine() -> None:
    """Stands for the kill where the program itself runs in this process."""
    raise EngineKilledError("a planted fault killed the engine here")


class CallRunner:
    """Runs calls against the account on behalf of one provider instance."""

    def __init__(self, package: CloudPackage, store: SqliteStore, *, kill: Callable[[], None] = no_engine) -> None:
        self._package = package
        self._store = store
        self._kill = kill

    def run(
        self,
        call: Call,
        act: Callable[[], T],
        *,
        redactor: Redactor,
        name: str = "",
        cancelled: threading.Event | None = None,
    ) -> tuple[T, list[Fault]]:
        """Do ``act`` in one transaction; returns its result and the faults that the caller has to play out.

        Raises:
            CloudError: the service refused, or the response was lost.
        """
        cancelled = cancelled or threading.Event()
        faults = self._meet_faults(call, redactor, name, cancelled)
        try:
            with self._store.transaction():
                result = act()
                self._store.record(self._entry(call, redactor))
        except ApiError as error:
            raise self.refuse(call, error, redactor) from None
        for fault in faults:
            if fault.type is FaultType.KILL_ENGINE:
                self._kill()
            if fault.type is FaultType.HOLD:
                self._hold(fault, cancelled)
            if fault.type is FaultType.LOST_RESPONSE:
                text = lost_response_text(self._package, call)
                raise CloudError(redactor.text(text), code="RequestSendFailed", request_id=call.request_id)
        return result, faults

    def refuse(self, call: Call, error: ApiError, redactor: Redactor, *, planted: bool = False) -> CloudError:
        """Journal a refusal; returns the error to raise."""
        outcome = "fault" if planted else "error"
        self._store.record(
            self._entry(call, redactor, outcome=outcome, code=error.code, message=redactor.text(error.message))
        )
        text = redactor.text(error_text(self._package, call, error))
        return CloudError(text, code=error.code, request_id=call.request_id)

    def _meet_faults(self, call: Call, redactor: Redactor, name: str, cancelled: threading.Event) -> list[Fault]:
        """Faults that act before the service does anything; returns those that act afterwards."""
        target = Target(
            operation=call.operation, api=call.api, kind=call.kind, token=call.token, identifier=call.id, name=name
        )
        later: list[Fault] = []
        for attempt in range(MAX_ATTEMPTS):
            throttled = False
            for fault in self._store.take_faults(target):
                if fault.type is FaultType.THROTTLE:
                    throttled = True
                    refusal = self.refuse(call, self._throttling(call, fault), redactor, planted=True)
                    if attempt == MAX_ATTEMPTS - 1:
                        raise refusal
                elif self._acts_now(call, fault, redactor, cancelled):
                    later.append(fault)
            if not throttled:
                break
            # The provider waits on the account's clock: nobody needs to watch it.
            self._store.advance(min(2**attempt * 0.5, _LONGEST_BACKOFF_SECONDS))
            if cancelled.is_set():
                raise CancelledCallError("cancelled while waiting to retry a throttled call")
        return later

    def _acts_now(self, call: Call, fault: Fault, redactor: Redactor, cancelled: threading.Event) -> bool:
        """Plays ``fault`` when it comes before the call acts; True when it is for later."""
        parameters = fault.parameters
        if fault.type in {FaultType.ERROR, FaultType.CAPACITY}:
            code, message = _NO_CAPACITY if fault.type is FaultType.CAPACITY else ("InternalFailure", "Internal error")
            raise self.refuse(
                call,
                ApiError(
                    str(parameters.get("code", code)),
                    str(parameters.get("message", message)),
                    status=int(parameters.get("status", 500)),
                ),
                redactor,
                planted=True,
            )
        if fault.type is FaultType.SLOW:
            self._store.advance(float(parameters.get("seconds", 0)))
            cancelled.wait(float(parameters.get("realSeconds", 0)))
            return False
        if fault.type in {FaultType.KILL_ENGINE, FaultType.HOLD} and parameters.get("when") == "before":
            if fault.type is FaultType.HOLD:
                self._hold(fault, cancelled)
            else:
                self._kill()
            return False
        return True

    def _hold(self, fault: Fault, cancelled: threading.Event) -> None:
        """Wait until somebody clears ``fault``: the middle of a step lasts as long as the test needs."""
        self._store.hold(fault.id)
        deadline = time.monotonic() + float(fault.parameters.get("realSeconds", _LONGEST_HOLD_SECONDS))
        while any(left.id == fault.id for left in self._store.faults()) and time.monotonic() < deadline:
            if cancelled.wait(_HOLD_POLL_SECONDS):
                return

    def _throttling(self, call: Call, fault: Fault) -> ApiError:
        code, message = self._package.throttling.get(call.kind.partition(":")[0], _THROTTLED)
        status = _HTTP_UNAVAILABLE if code == "RequestLimitExceeded" else _HTTP_TOO_MANY
        return ApiError(
            str(fault.parameters.get("code", code)), str(fault.parameters.get("message", message)), status=status
        )

    def _entry(
        self, call: Call, redactor: Redactor, *, outcome: str = "ok", code: str = "", message: str = ""
    ) -> Entry:
        return Entry(
            operation=call.api,
            token=call.token,
            kind=call.kind,
            id=call.id,
            urn=call.urn,
            outcome=outcome,
            code=code,
            message=message,
            request_id=call.request_id,
            request=redactor.json(call.request),
            modelled=call.modelled,
        )
