"""``slipway train stop`` and ``resume``: end a run so that it can go on later, or take it away."""

import time
from dataclasses import dataclass
from typing import Final

from cli.errors import UserError
from cli.exits import Exit
from cli.kubernetes import ApiUnreachableError
from cli.train_access import WORKLOADS, Found, Platform, again
from cli.training import (
    FINISHED,
    ORIGIN_LABEL,
    STOPPED,
    SUBMITTED,
    first_pod,
    last_checkpoint,
    phase_of,
    pods_of,
    workload_of,
)
from workloads.manifests.pods import GRACE_SECONDS

_EVERY_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = GRACE_SECONDS + 30
"""For pods that were told to end."""
_LOG_LINES: Final = "200"


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """What is left of a run."""

    ended: bool
    """Whether all of its pods were gone when the patience ended."""
    checkpoints: str | None
    """Directory in the pods."""
    step: int | None
    """Of the last checkpoint that its log names."""


def refuse_finished(platform: Platform, run: Found) -> str:
    """Refuse to stop, or to let go on, what has ended; the phase of what has not.

    Raises:
        UserError: it has.
    """
    _, view = again(platform, run)
    phase = phase_of(run.export, run.item, view)
    if phase in FINISHED:
        raise UserError(
            f"the run has ended already: {phase}",
            value=run.export.run,
            fix=f"`slipway train stop {run.export.run} --delete` takes it away; changed in any way it is a new run, "
            "which goes on from the last checkpoint of its name",
            status=Exit.USAGE,
        )
    return phase


def stop(platform: Platform, run: Found) -> Stopped:
    """SIGTERM to every process, and no new attempt. The trainer saves a checkpoint; the run can be resumed.

    Kueue owns whether an admitted run is suspended, so there the Workload is deactivated: a run that was suspended
    behind Kueue's back would be started again.
    """
    _switch(platform, run, on=False)
    return _wait(platform, run)


def resume(platform: Platform, run: Found) -> None:
    """Let a stopped run queue and go on from its last checkpoint.

    Raises:
        UserError: it has ended, or nobody stopped it.
    """
    phase = refuse_finished(platform, run)
    if phase not in STOPPED:
        raise UserError(
            f"the run was not stopped: it is {phase}",
            value=run.export.run,
            fix=f"nothing has to be done; `slipway train logs {run.export.run} -f` follows it",
            status=Exit.USAGE,
        )
    _switch(platform, run, on=True)


def remove(platform: Platform, run: Found) -> Stopped:
    """Take the run's objects away.

    Raises:
        UserError: a stack made it.
    """
    if run.item["metadata"].get("labels", {}).get(ORIGIN_LABEL) != SUBMITTED:
        raise UserError(
            "this run belongs to the stack, which would believe that it is still there",
            value=run.export.run,
            fix=f"take it out of `training` in the settings and run `slipway up {platform.stack.name}`, or stop it "
            "without --delete",
            status=Exit.USAGE,
        )
    platform.api.delete(run.path)
    return _wait(platform, run)


def _switch(platform: Platform, run: Found, *, on: bool) -> None:
    _, view = again(platform, run)
    workload = workload_of(run.item, view)
    if workload is None:
        platform.api.merge(run.path, {"spec": {"suspend": not on}})
        return
    path = f"{WORKLOADS}/namespaces/{run.export.namespace}/workloads/{workload['metadata']['name']}"
    platform.api.merge(path, {"spec": {"active": on}})


def _wait(platform: Platform, run: Found) -> Stopped:
    """Until the pods are gone, reading meanwhile what the first of them says of checkpoints."""
    step, ended, until = None, False, time.monotonic() + PATIENCE_SECONDS
    while not ended and time.monotonic() < until:
        _, view = again(platform, run)
        pods = pods_of(run.export, view)
        pod = first_pod(pods)
        if pod is not None:
            try:
                path = f"/api/v1/namespaces/{run.export.namespace}/pods/{pod['metadata']['name']}/log"
                step = last_checkpoint(platform.api.text(path, tailLines=_LOG_LINES)) or step
            except ApiUnreachableError:
                pass  # its container has not started, or its node serves no logs: then there is no step to tell
        ended = all(one.get("status", {}).get("phase") in {"Succeeded", "Failed"} for one in pods)
        if not ended:
            time.sleep(_EVERY_SECONDS)
    return Stopped(ended=ended, checkpoints=run.export.checkpoints, step=step)
