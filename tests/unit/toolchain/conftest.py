"""A machine of its own for every test: an empty cache, a PATH with nothing but a `go` that does what the test says."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from local.toolchain import layout

Alive = Callable[[int], bool]
ROOT = Path(__file__).resolve().parents[3]

# A go that answers what the toolchain asks of it. `build` first writes half a file, as a linker does.
FAKE_GO = """#!/bin/sh
here="$(dirname "$0")"
state="$here/../state"
case "$1" in
env) cat "$state/env.json" ;;
list) [ -f "$state/list.txt" ] && { cat "$state/list.txt" >&2; exit 1; }; exit 0 ;;
mod) printf '{"Dir": "%s"}' "$state/sdk" ;;
build)
  while [ "$1" != "-o" ]; do shift; done
  half="$2"; package="$3"
  echo "$package" >> "$state/builds.txt"
  printf half > "$half"
  echo "some/package" >&2
  if [ -f "$state/hang" ]; then
    sleep 300 & echo $! > "$state/compiler.pid"
    echo $$ > "$state/go.pid"
    echo started > "$state/started"
    while [ -f "$state/hang" ]; do sleep 0.05; done
    kill "$(cat "$state/compiler.pid")"
  fi
  [ -f "$state/fail.txt" ] && grep -q "^$package$" "$state/fails.txt" && { cat "$state/fail.txt" >&2; exit 1; }
  printf '#!/bin/sh\\necho whole\\n' > "$half" ;;
esac
"""

# A uv that makes an environment of one file, or fails with the words that the test gave it.
FAKE_UV = """#!/bin/sh
state="$(dirname "$0")/../state"
[ "$1" = cache ] && { echo "$state/uv-cache"; exit 0; }
echo "$UV_PROJECT_ENVIRONMENT $*" >> "$state/uv.txt"
[ -f "$state/uv-fail.txt" ] && { cat "$state/uv-fail.txt" >&2; exit 2; }
mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"
printf '#!/bin/sh\\n' > "$UV_PROJECT_ENVIRONMENT/bin/python"
chmod +x "$UV_PROJECT_ENVIRONMENT/bin/python"
"""


@dataclass
class Machine:
    """What the toolchain sees in a test."""

    root: Path
    output: Console = field(default_factory=lambda: Console(record=True, width=200, force_terminal=False))

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def cache(self) -> Path:
        return self.root / "cache" / "toolchain"

    @property
    def builds(self) -> list[str]:
        """The packages that were compiled, in order."""
        file = self.state / "builds.txt"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def files(self) -> list[str]:
        """The names of all that lies where executables are kept."""
        return sorted(path.name for folder in ("bin", "plugins") for path in self.cache.glob(f"*/{folder}/*"))

    def put(self, name: str, script: str) -> Path:
        """An executable on PATH."""
        path = self.bin / name
        path.write_text(script)
        path.chmod(0o755)
        return path

    def go(self, version: str = "go1.26.8") -> None:
        """Installs Go."""
        answer = {"GOVERSION": version, "GOMODCACHE": str(self.root / "mod"), "GOCACHE": str(self.root / "build")}
        (self.state / "env.json").write_text(json.dumps(answer))
        self.put("go", FAKE_GO)

    def refuse(self, answer: str) -> None:
        """Makes go's module loading fail with these words."""
        (self.state / "list.txt").write_text(answer)

    def fail(self, package: str, answer: str) -> None:
        """Makes the build of one package fail with these words."""
        (self.state / "fails.txt").write_text(f"{package}\n")
        (self.state / "fail.txt").write_text(answer)

    def refuse_packages(self, answer: str) -> None:
        """Makes uv fail with these words."""
        (self.state / "uv-fail.txt").write_text(answer)

    @property
    def synced(self) -> list[str]:
        """What uv was asked for: the environment and the arguments."""
        file = self.state / "uv.txt"
        return file.read_text().splitlines() if file.exists() else []

    def mend(self) -> None:
        (self.state / "fail.txt").unlink()

    def start(self) -> "subprocess.Popen[str]":
        """`make toolchain` as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "local.toolchain"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait(self, happened: Callable[[], bool]) -> None:
        """Waits for something another process does; a test that never sees it fails."""
        deadline = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < deadline, "waited 20 s in vain"
            time.sleep(0.02)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without Go, without tools, and without a network."""
    for name in ("bin", "state", "state/sdk/python/cmd", "state/sdk/python/dist"):
        (tmp_path / name).mkdir(parents=True)
    for command in ("cat", "chmod", "dirname", "grep", "mkdir", "sleep"):
        found = shutil.which(command)
        assert found, f"{command} is needed by the fake go"
        (tmp_path / "bin" / command).symlink_to(found)
    (tmp_path / "state/sdk/python/cmd/pulumi-language-python-exec").write_text("exec script")
    (tmp_path / "state/sdk/python/dist/pulumi-analyzer-policy-python").write_text("analyzer script")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("SLIPWAY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SLIPWAY_PULUMI_DOWNLOADS", "off")
    monkeypatch.setenv("COLUMNS", "200")
    layout.module_key.cache_clear()
    made = Machine(tmp_path)
    made.put("uv", FAKE_UV)
    return made


@pytest.fixture
def alive() -> Alive:
    """Whether a process runs (a zombie does not)."""

    def ask(pid: int) -> bool:
        try:
            return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            return False

    return ask
