"""How the pods of a failed run ended, in the words that one of its processes left behind."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from cli.kube_objects import Json, conditions
from workloads.manifests.launching import CONFIGURATION_EXIT_CODES

_ERROR: Final = re.compile(r"(?:error:|[\w.]*(?:Error|Exception):)")
"""A command's error or the last line of a traceback."""
_LAUNCHER: Final = re.compile(r"launch: |[IWEF]\d{4} ")
"""What launcher and torch say of processes that ended: every failure has such lines, and they name no cause."""


def first_failure(pods: Sequence[Json]) -> str | None:
    """The end of the container that took the run with it; None: none failed, or the pods are gone.

    That is one whose exit code no further attempt would change, else the first that failed: the others lost their peer.
    What the cluster took away cost no attempt, and tells only if nothing else failed: nodes under pressure leave such
    pods behind.
    """
    ends = [end for pod in pods for end in _ends(pod)]
    if not ends:
        return _taken_away(pods)
    disrupted = {str(pod["metadata"]["name"]) for pod in pods if "DisruptionTarget" in conditions(pod)}
    name, end = min(
        ends, key=lambda one: (one[0] in disrupted, _curable(one[1]), str(one[1].get("finishedAt", "")), one[0])
    )
    reason = end.get("reason", "Error")
    told = f"{name} ended with exit code {end['exitCode']}" + ("" if reason == "Error" else f" ({reason})")
    cause = cause_in(str(end.get("message", "")))
    return f"{told}: {cause}" if cause else told


def cause_in(message: str) -> str:
    """The line of a termination message, which may be the end of a log, that names the cause; empty: none does."""
    lines = [line.strip() for line in message.splitlines() if line.strip() and not _LAUNCHER.match(line)]
    return next((line for line in lines if _ERROR.match(line)), lines[-1] if lines else "")


def _ends(pod: Json) -> Iterator[tuple[str, dict[str, Any]]]:
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        end = container.get("state", {}).get("terminated")
        if end and end.get("exitCode"):
            yield str(pod["metadata"]["name"]), end


def _curable(end: dict[str, Any]) -> bool:
    return end["exitCode"] not in CONFIGURATION_EXIT_CODES


def _taken_away(pods: Sequence[Json]) -> str | None:
    """A pod that ended without its containers' doing, such as one that its node evicted."""
    for pod in pods:
        status = pod.get("status", {})
        if status.get("phase") == "Failed" and status.get("reason"):
            return f"{pod['metadata']['name']}: {status['reason']}: {status.get('message', '')}".rstrip(": ")
    return None
