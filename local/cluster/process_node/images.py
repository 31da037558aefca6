"""From image to process: what this kit's own images are on a process node. Nothing is pulled, nothing else runs."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.cluster.process_node.seams import NodeError

WORKING_DIRECTORY = "/opt/slipway"
"""Where the kit's images carry the ``workloads`` package."""
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SIMULATED = "slipway.invalid/simulated/"
_STORAGE_INITIALIZER = """
import os, sys
from kserve_storage import Storage
sources, targets = sys.argv[1::2], sys.argv[2::2]
for target in targets:
    os.makedirs(target, exist_ok=True)
Storage.download_files(sources, targets)
"""
"""What the image's own entry point does with its arguments, a source and a directory in turns, without decryption
(kserve v0.20.0, python/storage-initializer/scripts/initializer-entrypoint)."""


class ImageError(NodeError):
    """No process stands for the image."""


@dataclass(frozen=True, kw_only=True)
class ImageProgram:
    """What an image brings: the defaults of its configuration, and what of the machine its processes see."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": _SYSTEM_PATH})
    working_directory: str = "/"
    user: int = 0
    python: bool = False
    """Its processes see the workloads' Python environment and the checkout's ``workloads`` package."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Executables of the local toolchain, by where the image has them."""
    simulated: bool = False
    """Shown as running, without a process: a stand-in for software that is not here."""


_PYTHON = ImageProgram(
    command=("python3",),
    environment={"PYTHONUNBUFFERED": "1", "PYTHONPATH": WORKING_DIRECTORY},
    working_directory=WORKING_DIRECTORY,
    user=1000,
    python=True,
)
_PROGRAMS: Mapping[str, ImageProgram] = {
    "slipway/trainer": _PYTHON,
    "slipway/server": _PYTHON,
    "pytorch/pytorch": ImageProgram(
        command=("bash",), environment=_PYTHON.environment, working_directory=WORKING_DIRECTORY, python=True
    ),
    "kserve/storage-initializer": ImageProgram(
        entrypoint=("python3", "-c", _STORAGE_INITIALIZER),
        environment=_PYTHON.environment,
        working_directory="/work",
        user=1000,
        python=True,
    ),
    "kserve/agent": ImageProgram(
        entrypoint=("/ko-app/agent",), working_directory="/ko-app", user=65532, tools={"/ko-app/agent": "kserve-agent"}
    ),
    "busybox": ImageProgram(command=("sh",)),
}
"""By the last words of a repository, whatever registry it is pulled from."""


def repository(image: str) -> str:
    """The image without tag and digest: ``registry:5000/team/name:tag@sha256:…`` -> ``registry:5000/team/name``."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def program(image: str) -> ImageProgram:
    """What ``image`` is here.

    Raises:
        ImageError: nothing; the message says what there is.
    """
    name = repository(image)
    if name.startswith(_SIMULATED):
        return ImageProgram(simulated=True)
    for words, found in _PROGRAMS.items():
        if name == words or name.endswith(f"/{words}"):
            return found
    known = ", ".join(sorted(_PROGRAMS))
    raise ImageError(
        f"no process stands for {image}: process nodes of a simulated environment run this kit's own images only "
        f"({known}); let the pod run on another pool, or use one of these images"
    )


def image_id(image: str) -> str:
    """What a runtime would call the image; the word in it says that nothing was pulled."""
    return f"{repository(image)}@process"


def base_directories(environment: Path) -> list[Path]:
    """The Python environment's own directory, and the interpreter's that it is made from.

    Raises:
        ImageError: ``environment`` is no Python environment.
    """
    configuration = environment / "pyvenv.cfg"
    try:
        lines = configuration.read_text().splitlines()
    except OSError as error:
        raise ImageError(f"the workloads' Python environment cannot be read: {error}; run `make toolchain`") from error
    settings = dict(line.replace(" ", "").split("=", 1) for line in lines if "=" in line)
    interpreter = Path(settings.get("home", sys.base_prefix + "/bin")).parent
    found = {environment, interpreter, Path(environment / "bin" / "python3").resolve().parent.parent}
    return sorted(found)
