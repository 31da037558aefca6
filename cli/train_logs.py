"""``slipway train logs``: the right pod's log, through queueing, restarts and the run's end."""

import sys
import time
from collections.abc import Callable
from typing import Final

from rich.console import Console

from cli.errors import UserError
from cli.exits import Exit
from cli.kube_objects import Json
from cli.train_access import Found, Platform, again
from cli.training import FINISHED, STOPPED, TrainingState, first_pod, pods_of, training_state

_EVERY_SECONDS: Final = 1.0
_BAD_REQUEST: Final = 400


def write_log(platform: Platform, run: Found, *, node: int, previous: bool, tail: int | None) -> None:
    """What the pod has written until now.

    Raises:
        UserError: there is no such pod, or no such log.
    """
    now, view = again(platform, run)
    pod = first_pod(pods_of(run.export, view), node)
    if now is None or pod is None:
        state = training_state(run.export, view)
        raise UserError(
            f"the run has no pod for node {node} now: it is {state.phase}",
            where="; ".join(state.reasons) or f"{run.export.namespace}/{run.export.run}",
            fix="wait for it with --follow",
            status=Exit.NOT_READY,
        )
    try:
        parameters = {"previous": "true"} if previous else {}
        sys.stdout.write(platform.api.text(_path(pod), **parameters, **({"tailLines": str(tail)} if tail else {})))
    except UserError as error:
        if previous and getattr(error, "code", 0) == _BAD_REQUEST:
            raise UserError(
                "the container of this pod has not been started before",
                where=pod["metadata"]["name"],
                fix="a run's pods are replaced and not restarted: what earlier attempts did is in metrics.jsonl beside "
                "the checkpoints",
                status=Exit.NOT_READY,
            ) from error
        raise


def follow(platform: Platform, run: Found, console: Console, *, node: int, tail: int | None) -> TrainingState:
    """Write the log as it grows until the run has ended; says why it waits, and when another attempt begins.

    Returns:
        The run at its end.

    Raises:
        UserError: the run is gone.
    """
    written: dict[str, int] = {}
    say, say_attempt = _once(console), _once(console)
    while True:
        now, view = again(platform, run)
        if now is None:
            raise UserError(
                "the run is gone",
                where=f"{run.export.namespace}/{run.export.run}",
                fix="somebody deleted it: `slipway train list`",
                status=Exit.NOT_READY,
            )
        state = training_state(run.export, view)
        pod = first_pod(pods_of(run.export, view), node)
        started = pod is not None and pod.get("status", {}).get("phase") in {"Running", "Succeeded", "Failed"}
        ended = state.phase in FINISHED | STOPPED
        if pod is not None and started:
            uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
            new = uid not in written
            # A stream also ends where a connection does (an API server that is replaced, a proxy's patience).
            if new or (not ended and pod["status"]["phase"] == "Running"):
                say_attempt(f"another attempt: {name}", quiet=not written.keys() - {uid})
                if _stream(platform, pod, tail, written) and new:
                    continue
            if ended and uid not in written:
                console.print(f"the log of {name} cannot be had any more", soft_wrap=True)
        if ended:
            return state
        say(f"{state.phase}: {'; '.join(state.reasons)}" if state.reasons else state.phase, quiet=started)
        time.sleep(_EVERY_SECONDS)


def _stream(platform: Platform, pod: Json, tail: int | None, written: dict[str, int]) -> bool:
    """Write a pod's log until it ends, from where it was left; False when its container is not there yet.

    ``written`` counts the lines of each pod. With ``tail`` they do not say where that was: it goes on with what is new.
    """
    uid = pod["metadata"]["uid"]
    before = written.get(uid)
    limit = {"tailLines": str(tail if before is None else 0)} if tail else {}
    skipped = 0 if tail else before or 0
    try:
        for number, line in enumerate(platform.api.lines(_path(pod), follow="true", **limit), 1):
            if number > skipped:
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
                written[uid] = written.get(uid, 0) + 1
        written.setdefault(uid, 0)
    except UserError:
        time.sleep(_EVERY_SECONDS)
        return False
    return True


def _once(console: Console) -> Callable[..., None]:
    """Says a thing when it differs from what was said last."""
    said: list[str] = [""]

    def say(text: str, *, quiet: bool) -> None:
        if text != said[0] and not quiet:
            console.print(text, style="dim", soft_wrap=True)
        said[0] = text

    return say


def _path(pod: Json) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/log"
