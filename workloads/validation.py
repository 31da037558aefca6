"""What is wrong with a run before anybody submits it: pure checks of a spec against the place that it is to take.

Settings and ``slipway train submit`` tell the same problems, with the keys of the settings as paths. What each says is
what would otherwise happen hours later: a pod that is never made, a rendezvous that never completes, a webhook's no.
"""

import re
from collections.abc import Callable
from typing import Final

from workloads.manifests.pods import environment
from workloads.manifests.runtimes import NODE
from workloads.manifests.trainjob import launcher_arguments
from workloads.placement_checks import CHECKS
from workloads.spec_problems import Found, Place, SpecProblem, problem
from workloads.specs import Launcher, Runner, TrainingSpec

__all__ = ["Place", "SpecProblem", "problems"]

LONGEST_NAME: Final = 63
"""Of a pod, since its name is a host name (RFC 1035)."""
POD_SUFFIX: Final = 6
"""A hyphen and five characters that the Job controller adds."""
MOST_ITEMS: Final = 128
"""Of a TrainJob's arguments, the launcher's and the script among them, and of its variables (Trainer v2.3 CRD,
``spec.trainer.args`` and ``spec.trainer.env``, maxItems). A Job's lists have no such limit."""
LONGEST_LIMIT_SECONDS: Final = 90 * 24 * 3600
_LABEL: Final = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._-]+)+")
_OWN_VARIABLES: Final = re.compile(
    r"PET_.*|OMPI_.*|RANK|LOCAL_RANK|GROUP_RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|MASTER_ADDR|MASTER_PORT|POD_IP|SLIPWAY_.*"
)
"""Set by the launcher or the kit; Trainer's webhook refuses some, and torch would believe all of them."""
_OWN_PATHS: Final = ("/tmp", "/dev", "/proc", "/sys", "/etc", "/opt", "/usr", "/bin", "/lib", "/home")  # noqa: S108


def problems(spec: TrainingSpec, place: Place) -> list[SpecProblem]:
    """Everything that is wrong with ``spec`` at ``place``, in the order of its fields; empty when nothing is."""
    return [found for check in _CHECKS for found in check(spec, place)]


def _names(spec: TrainingSpec, _place: Place) -> Found:
    longest = LONGEST_NAME - POD_SUFFIX - len(f"-{NODE}-0-{spec.nodes}") - len(spec.run) + len(spec.name)
    if not _LABEL.fullmatch(spec.name) or len(spec.name) > longest:
        yield problem(
            "training-name",
            "name",
            value=spec.name,
            what="pods of the run get host names that begin with it",
            allowed=f"a lower-case letter, then letters, digits and hyphens, {longest} characters at most",
            fix="choose a shorter or simpler name",
        )


def _program(spec: TrainingSpec, _place: Place) -> Found:
    tag = spec.image.rpartition("/")[2].partition("@")
    if not spec.image or (not tag[2] and tag[0].partition(":")[2] in ("", "latest")):
        yield problem(
            "image-pinned",
            "image",
            value=spec.image,
            what="another image may lie under this name tomorrow, and a restarted run would change in the middle",
            allowed="repository:version or repository@sha256:…, never :latest",
            fix="pin the image to a version or a digest",
        )
    if not spec.script.endswith(".py") or spec.script.startswith("-"):
        yield problem(
            "training-script",
            "script",
            value=spec.script,
            what="the launcher starts a Python file with it",
            allowed="the path of a .py file in the image",
            fix="name the file; its arguments go into args",
        )


def _items(spec: TrainingSpec, place: Place) -> Found:
    if spec.runner is not Runner.TRAINER:
        return
    launcher = len(launcher_arguments(spec, place.fabric_variables)) + 1
    variables = len(environment(spec, place.fabric_variables))
    mpirun = spec.launcher is Launcher.MPIRUN
    if launcher + len(spec.arguments) > MOST_ITEMS:
        taken = "the script and what mpirun takes, two for each variable" if mpirun else "the script and the launcher's"
        yield problem(
            "training-arguments",
            "args",
            value=f"{len(spec.arguments)} arguments",
            what=f"a TrainJob holds {MOST_ITEMS}, and {launcher} are {taken}",
            allowed=f"{max(0, MOST_ITEMS - launcher)} at most",
            fix=f"put them{', or variables,' if mpirun else ''} into a file on the shared file system",
        )
    elif variables > MOST_ITEMS:
        yield problem(
            "training-variable",
            "environment",
            value=f"{len(spec.environment)} variables",
            what=f"a TrainJob holds {MOST_ITEMS}, the kit's and the fabric's among them",
            allowed=f"{len(spec.environment) - (variables - MOST_ITEMS)} at most",
            fix="put them into a file on the shared file system",
        )


def _variables(spec: TrainingSpec, _place: Place) -> Found:
    for name in spec.environment:
        if not _VARIABLE.fullmatch(name):
            what, allowed, fix = "no process can read it", "letters, digits, underscores", "rename it"
        elif _OWN_VARIABLES.fullmatch(name):
            what = "the launcher or the kit sets it, each rank's own"
            allowed, fix = "names of your own: not PET_…, RANK, WORLD_SIZE, MASTER_…, OMPI_…, SLIPWAY_…", "leave it out"
        else:
            continue
        yield problem(
            "training-variable",
            "environment",
            name,
            value=spec.environment[name],
            what=what,
            allowed=allowed,
            fix=fix,
        )


def _storage(spec: TrainingSpec, place: Place) -> Found:
    if spec.mount is None:
        return
    if spec.mount.claim not in place.claims:
        yield problem(
            "training-storage",
            "storage",
            value=spec.mount.claim,
            what=f"the team {place.team} has no claim on this file system",
            allowed=", ".join(place.claims) or "none",
            fix="add it to the team's storage",
        )
    path = spec.mount.path
    if not _PATH.fullmatch(path) or any(path == own or path.startswith(f"{own}/") for own in _OWN_PATHS):
        yield problem(
            "training-mount",
            "mountPath",
            value=path,
            what="the image's own files lie there, or it is no absolute path",
            allowed="an absolute path of its own, such as /shared",
            fix="mount it somewhere else",
        )


def _limits(spec: TrainingSpec, _place: Place) -> Found:
    if not 1 <= spec.time_limit_seconds <= LONGEST_LIMIT_SECONDS:
        yield problem(
            "training-time",
            "maxHours",
            value=spec.time_limit_seconds / 3600,
            what="every run ends by itself, after 90 days at the latest",
            allowed="1 to 2160",
            fix="choose how long it may take",
        )
    if spec.max_restarts < 0:
        yield problem(
            "training-restarts",
            "maxRestarts",
            value=spec.max_restarts,
            what="a number of restarts",
            allowed="0 or more",
            fix="0 ends the run with its first failure",
        )


_CHECKS: Final[tuple[Callable[[TrainingSpec, Place], Found], ...]] = (
    _names,
    *CHECKS,
    _program,
    _items,
    _variables,
    _storage,
    _limits,
)
