"""Builds the images of what runs on a platform, with whatever builder the machine has.

    python -m workloads.images.build trainer
    python -m workloads.images.build trainer --base localhost/base@sha256:… --ca /etc/ssl/certs/ca-certificates.crt

Exit codes: 0 built; 1 the builder failed; 2 the arguments are wrong or there is no builder.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
IMAGES: Final = ("trainer",)
BUILDERS: Final = ("podman", "buildah", "docker")
"""In this order: the first two need no daemon."""
UV_VERSION: Final = "0.13.8"
"""The uv of the Makefile; a test holds the two together."""
_PINNED = re.compile(r".+@sha256:[0-9a-f]{64}")


class BuildError(Exception):
    """The image cannot be built; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """One image to build. ``base`` None takes the Dockerfile's own; ``ca`` is a PEM file of further authorities."""

    image: str
    version: str
    revision: str
    base: str | None = None
    ca: Path | None = None
    prefix: str = ""

    @property
    def name(self) -> str:
        """Repository and tag, below the registry's prefix."""
        return f"{self.prefix.rstrip('/')}/{self.tag}" if self.prefix else self.tag

    @property
    def tag(self) -> str:
        """As the stacks' settings name it."""
        return f"slipway/{self.image}:{self.version}"


def command(builder: str, build: Build) -> list[str]:
    """The builder's command line.

    Raises:
        BuildError: the base is not named by its digest.
    """
    if build.base is not None and not _PINNED.fullmatch(build.base):
        raise BuildError(
            f"base {build.base!r} has no digest: a tag is another image next week. "
            "Name it as repository@sha256:<64 hexadecimal digits>"
        )
    if build.ca is not None and not build.ca.is_file():
        raise BuildError(f"--ca {build.ca}: there is no such file. Name a PEM file of certificate authorities")
    arguments = {"UV_VERSION": UV_VERSION, "VERSION": build.version, "REVISION": build.revision}
    if build.base is not None:
        arguments["BASE"] = build.base
    return [
        builder,
        "build",
        f"--file=workloads/images/{build.image}.Dockerfile",
        f"--tag={build.name}",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *([f"--secret=id=ca,src={build.ca}"] if build.ca else []),
        ".",
    ]


def builder_on_path(wanted: str | None = None) -> str:
    """The builder to use.

    Raises:
        BuildError: there is none.
    """
    for name in [wanted] if wanted else BUILDERS:
        if shutil.which(name):
            return name
    raise BuildError(f"no image builder found: install one of {', '.join(BUILDERS)}, or name yours with --builder")


def project_version() -> str:
    """Version of this checkout, which is the images' tag."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    return str(version)


def _revision() -> str:
    if shutil.which("git") is None:
        return "unknown"
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workloads.images.build", description="Build the kit's images.")
    parser.add_argument("image", choices=IMAGES, help="which one")
    parser.add_argument("--base", help="base image by digest [the Dockerfile's]")
    parser.add_argument("--ca", type=Path, help="PEM file of further certificate authorities, used while building only")
    parser.add_argument("--prefix", default="", help="put before the name, as registry.prefix of the settings")
    parser.add_argument("--builder", choices=BUILDERS, help="which builder [the first found of these]")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Build one image; see the module's docstring."""
    given = _arguments(argv)
    build = Build(
        image=given.image,
        version=project_version(),
        revision=_revision(),
        base=given.base or None,
        ca=given.ca,
        prefix=given.prefix,
    )
    try:
        line = command(builder_on_path(given.builder), build)
    except BuildError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stderr.write(f"$ {' '.join(line)}\n")
    # Docker's older front end knows neither secrets nor digests of stages.
    done = subprocess.run(line, cwd=REPOSITORY, env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=False)
    if done.returncode:
        sys.stderr.write(f"error: {line[0]} ended with {done.returncode}; its last lines say why\n")
        return 1
    sys.stdout.write(f"{build.name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
