"""Objects that take time: what a creation writes, and waiting until the supervisor has moved them on."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from local.cloud.failures import CancelledCallError, CloudError
from local.cloud.model import CloudObject, Context, Lifecycle
from local.cloud.paths import assign, lookup
from local.cloud.store import SqliteStore

POLL_SECONDS = 0.1
DEFAULT_TIMEOUT_SECONDS = 1800.0
"""The provider's default for most creations."""
UNSERVED_SECONDS = 10.0
"""How long a call waits without a supervisor: a new one, started meanwhile, goes on where the dead one was."""


class Effects(StrEnum):
    """Who makes declared things real."""

    INSTANT = "instant"
    """Nobody: they are ready at once (plans, unit tests)."""
    SUPERVISOR = "supervisor"
    """The environment's supervisor; calls wait for it."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """What ends a wait besides its object."""

    timeout: float
    """Seconds; 0 for the provider's default."""
    cancelled: threading.Event
    served: Callable[[], bool]
    """Whether a supervisor lives that could move the object on."""


class FailedStateError(CloudError):
    """The object reached its failed status; ``reasons`` are the service's."""

    def __init__(self, text: str, reasons: list[str]) -> None:
        super().__init__(text, code="FailedState")
        self.reasons = reasons


def begin(body: dict[str, object], lifecycle: Lifecycle, effects: Effects, context: Context) -> bool:
    """Set the first status of a new body; True when the supervisor has to move it on."""
    if lifecycle.effect and effects is Effects.SUPERVISOR:
        assign(body, lifecycle.path, lifecycle.creating)
        return True
    assign(body, lifecycle.path, lifecycle.ready)
    if lifecycle.complete is not None:
        lifecycle.complete(body, context)
    return False


def wait_until_ready(store: SqliteStore, item: CloudObject, lifecycle: Lifecycle, patience: Patience) -> CloudObject:
    """The object once it is ready.

    Raises:
        FailedStateError: it failed, with the service's reasons.
        CloudError: it vanished, time ran out, or nobody is there who would make it ready.
        CancelledCallError: the engine asked to stop.
    """
    clock = _Clock(patience)
    while True:
        current = store.get(item.kind, item.id)
        if current is None:
            raise CloudError(f"waiting for {item.kind} ({item.id}): couldn't find resource", code="NotFound")
        status = lookup(current.body, lifecycle.path)
        if status == lifecycle.ready:
            return current
        if status == lifecycle.failed:
            reasons = _reasons(current, lifecycle)
            raise FailedStateError(
                f"waiting for {item.kind} ({item.id}): unexpected state '{status}', wanted target "
                f"'{lifecycle.ready}'. last error: {'; '.join(reasons)}",
                reasons,
            )
        clock.pause(item, str(status), lifecycle.ready)


def wait_until_gone(store: SqliteStore, item: CloudObject, lifecycle: Lifecycle, patience: Patience) -> None:
    """Return once the supervisor has removed the object; errors as ``wait_until_ready``."""
    clock = _Clock(patience)
    while (current := store.get(item.kind, item.id)) is not None:
        status = lookup(current.body, lifecycle.path)
        if status == lifecycle.failed:
            reasons = _reasons(current, lifecycle)
            raise FailedStateError(f"deleting {item.kind} ({item.id}): {'; '.join(reasons)}", reasons)
        clock.pause(item, str(status), "")


class _Clock:
    """Real time: it is the supervisor that one waits for."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._limit = patience.timeout or DEFAULT_TIMEOUT_SECONDS
        self._deadline = time.monotonic() + self._limit
        self._unserved = 0.0
        """When the supervisor was first missed."""

    def pause(self, item: CloudObject, status: str, wanted: str) -> None:
        """Wait for one poll; raises when the engine cancels, time is up, or the supervisor stays away."""
        what = f"waiting for {item.kind} ({item.id})"
        if self._patience.cancelled.wait(POLL_SECONDS):
            raise CancelledCallError(f"cancelled while {what}, last state: '{status}'")
        now = time.monotonic()
        if now > self._deadline:
            raise CloudError(
                f"{what}: timeout while waiting for state to become '{wanted}' "
                f"(last state: '{status}', timeout: {self._limit:g}s)",
                code="Timeout",
            )
        if self._patience.served():
            self._unserved = 0.0
        elif not self._unserved:
            self._unserved = now
        elif now - self._unserved > UNSERVED_SECONDS:
            raise CloudError(
                f"{what}: the simulated environment's supervisor has died, and nobody else moves it on from "
                f"'{status}': `slipway up` starts a new one and goes on",
                code="SupervisorGone",
            )


def _reasons(item: CloudObject, lifecycle: Lifecycle) -> list[str]:
    found = lookup(item.body, lifecycle.failure_path) if lifecycle.failure_path else None
    if not found:
        return [f"status is {lookup(item.body, lifecycle.path)}, the service gave no reason"]
    items = found if isinstance(found, list) else [found]
    return [_sentence(issue) for issue in items]


def _sentence(issue: object) -> str:
    """``code: message`` of an issue as EKS and others report it."""
    if isinstance(issue, dict):
        lower = {str(key).lower(): value for key, value in issue.items()}
        if "message" in lower:
            code = lower.get("code")
            return f"{code}: {lower['message']}" if code else str(lower["message"])
    return issue if isinstance(issue, str) else json.dumps(issue)
