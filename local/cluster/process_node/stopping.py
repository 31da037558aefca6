"""Ends one container: preStop, SIGTERM, patience, SIGKILL; and what is known of it when its process has ended."""

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from local.cluster.process_node import hooks
from local.cluster.process_node.context import PodContext, utc_now
from local.cluster.process_node.process import Exit, PodProcess
from local.cluster.process_node.records import Record, Running, Terminated

_LOG = logging.getLogger(__name__)
_LEAST_GRACE_SECONDS = 1.0
"""A kubelet never kills without a moment (``calculateEffectiveGracePeriod``); after preStop there are 2 s."""
_AFTER_HOOK_SECONDS = 2.0
_MESSAGE_BYTES = 4096
_LOG_TAIL_BYTES = 2048
_LOG_TAIL_LINES = 80
"""Source: kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure."""


async def stop(context: PodContext, record: Record, grace_seconds: float, message: str = "") -> None:
    """End the container's process and all below it within ``grace_seconds``; returns once it has ended.

    A second call, while a first is under way, can only make the time shorter, as with a kubelet
    (``calculateEffectiveGracePeriod``).
    """
    process = record.process
    if process is None or process.exit.done():
        return
    if record.stopping:
        await _kill_after(process, grace_seconds)
        return
    record.stopping = True
    try:
        context.event(record, "Killing", message or f"Stopping container {record.name}")
        left = await _pre_stop(context, record, grace_seconds)
        process.signal(_stop_signal(record))
        await _kill_after(process, left)
    finally:
        record.stopping = False


async def _kill_after(process: PodProcess, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        # Not wait_for, see `waits`.
        async with asyncio.timeout(max(_LEAST_GRACE_SECONDS, seconds)):
            await asyncio.shield(process.exit)
    process.kill()
    await asyncio.shield(process.exit)


async def _pre_stop(context: PodContext, record: Record, grace_seconds: float) -> float:
    hook = (record.spec.get("lifecycle") or {}).get("preStop")
    if not hook or grace_seconds <= 0:
        return grace_seconds
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(grace_seconds):
            await hooks.run(context, record, hook)
    except TimeoutError:
        _LOG.info("%s: preStop of %s did not end within %g s", context.words, record.name, grace_seconds)
    except (hooks.HookError, OSError) as error:
        _LOG.info("%s: preStop of %s: %s", context.words, record.name, error)
        context.event(record, "FailedPreStopHook", "PreStopHook failed", warning=True)
    return max(grace_seconds - (loop.time() - began), _AFTER_HOOK_SECONDS)


def _stop_signal(record: Record) -> int:
    wanted = (record.spec.get("lifecycle") or {}).get("stopSignal") or "SIGTERM"
    found = getattr(signal, wanted, signal.SIGTERM)
    return int(found)


def ended(context: PodContext, record: Record, exit_: Exit) -> None:
    """Write down how a container's process ended."""
    group = context.groups.pop(record.name, None)
    reason = record.killed_for
    if group is not None:
        if not reason and group.out_of_memory():
            reason = "OOMKilled"
        group.remove()
    since = record.state.since if isinstance(record.state, Running) else None
    record.process = None
    record.ready = record.started = False
    record.state = Terminated(
        exit_code=exit_.code,
        signal=exit_.signal,
        reason=reason or ("Completed" if exit_.code == 0 else "Error"),
        message=_message(context, record, failed=exit_.code != 0),
        started=since,
        finished=utc_now(),
        container_id=record.container_id,
    )


def _message(context: PodContext, record: Record, *, failed: bool) -> str:
    directory = context.directory / "containers" / record.name / str(record.restart_count)
    text = _head(directory / "termination-log")
    if text or not failed or record.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return text
    log = context.log_path(record.name, record.restart_count)
    try:
        lines = log.read_bytes()[-4 * _LOG_TAIL_BYTES :].splitlines()[-_LOG_TAIL_LINES:]
    except OSError:
        return ""
    # Time, stream and tag come before the text; a line cut by the read has none of them.
    texts = [line.split(b" ", 3)[3] for line in lines if line.count(b" ") >= 3]  # noqa: PLR2004 - the log's format
    return b"\n".join(texts)[-_LOG_TAIL_BYTES:].decode(errors="replace") + ("\n" if texts else "")


def _head(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        return ""
