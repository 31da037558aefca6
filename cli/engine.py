"""The Pulumi engine as a subprocess: the exact command is shown, its events are followed, Ctrl-C reaches it once."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, Self

from cli.errors import UserError
from cli.events import Diagnostic, Picture
from cli.locks import refuse_second
from local.engine.child import tethered

_TICK_SECONDS: Final = 0.2
_LOCKED: Final = b"the stack is currently locked"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A ``pulumi`` executable with the environment and the stack that it works on."""

    executable: str
    environment: Mapping[str, str]
    directory: Path
    stack: str
    logs: Path
    simulated: bool

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``pulumi <arguments>`` for this stack."""
        return [self.executable, *arguments, "--stack", self.stack]

    def spoken(self, command: Sequence[str]) -> str:
        """The command as a user would type it."""
        return shlex.join([Path(command[0]).name, *command[1:]])

    def capture(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output of a short command.

        Raises:
            UserError: it failed; with what it said.
        """
        command = [*self.command(*arguments), "--non-interactive", "--color", "never"]
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=dict(self.environment),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UserError(
                _error_lines(done.stderr) or f"the engine ended with status {done.returncode}",
                where=f"`{self.spoken(command)}`",
                fix="correct what it says and run the command again",
            )
        return done.stdout

    def follow(self, arguments: Sequence[str], on_tick: Callable[[Picture], None]) -> "Outcome":
        """Run an update to its end, calling ``on_tick`` a few times a second with what has happened so far.

        Raises:
            UserError: somebody else holds the lock of the stack.
        """
        self._alone(arguments)
        self.logs.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        log = self.logs / f"{arguments[0]}-{stamp}.log"
        events = log.with_suffix(".events.jsonl")
        events.unlink(missing_ok=True)
        command = [*self.command(*arguments), "--non-interactive", "--color", "never", "--event-log", str(events)]
        picture = Picture()
        # The flag for the event log exists only with this variable (`env.DebugCommands` in the engine).
        environment = {**self.environment, "PULUMI_DEBUG_COMMANDS": "true"}
        with log.open("wb") as output, _Follower(events) as follower:
            child = subprocess.Popen(
                # A killed slipway must not leave an engine that nobody watches: it is asked to stop, as with Ctrl-C.
                tethered(command, on_parent_death=signal.SIGINT),
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # The terminal's Ctrl-C goes to us alone; we pass it on once.
                start_new_session=True,
            )
            interrupted = _wait(child, follower, picture, on_tick)
        if child.returncode != 0 and _LOCKED in log.read_bytes():
            # Somebody took the lock between our look and the engine's.
            self._alone(arguments)
        return Outcome(status=child.returncode, picture=picture, log=log, interrupted=interrupted, command=command)

    def attach(self, arguments: Sequence[str]) -> int:
        """Run an update with the terminal as its own: real stacks want Pulumi's display and its questions.

        Raises:
            UserError: somebody else holds the lock of the stack.
        """
        self._alone(arguments)
        child = subprocess.Popen(
            self.command(*arguments), cwd=self.directory, env=dict(self.environment), stdin=sys.stdin
        )
        with _deaf_to_interrupts():
            return child.wait()

    def _alone(self, arguments: Sequence[str]) -> None:
        """Only a preview takes no lock."""
        if arguments[0] != "preview":
            refuse_second(self.environment, self.stack)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an update ended."""

    status: int
    picture: Picture
    log: Path
    interrupted: bool
    command: Sequence[str]

    @property
    def errors(self) -> list[Diagnostic]:
        """The errors as events; those that came before any event (a lock, a missing stack) from the log."""
        if self.picture.errors or self.status == 0:
            return self.picture.errors
        said = _error_lines(self.log.read_text(errors="replace"))
        if self.status < 0 and not said:
            return [Diagnostic("error", f"the engine was killed ({signal.Signals(-self.status).name})")]
        return [Diagnostic("error", said or f"the engine ended with status {self.status} and said nothing")]


class _Follower:
    """New complete lines of a file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._rest = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def lines(self) -> Iterator[str]:
        if self._file is None:
            if not self._path.exists():
                return
            self._file = self._path.open()
        *complete, self._rest = (self._rest + self._file.read()).split("\n")
        yield from complete


def _wait(
    child: "subprocess.Popen[bytes]", follower: _Follower, picture: Picture, on_tick: Callable[[Picture], None]
) -> bool:
    """Wait for ``child``; returns whether it was interrupted."""
    with _counted_interrupts() as asked:
        forwarded = 0
        while True:
            ended = _ended(child)
            for line in follower.lines():
                picture.feed(line)
            if asked and forwarded == 0:
                # Once: the engine finishes what is in flight. A second one would make it drop everything.
                child.send_signal(signal.SIGINT)
                forwarded = 1
            on_tick(picture)
            if ended:
                return bool(asked)


def _ended(child: "subprocess.Popen[bytes]") -> bool:
    try:
        child.wait(_TICK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


@contextmanager
def _counted_interrupts() -> Iterator[list[int]]:
    """Interrupts are collected instead of raised."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before: dict[int, Any] = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """The child shares our terminal and gets Ctrl-C by itself."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _error_lines(text: str) -> str:
    """What follows the first ``error:``, without the engine's prefix."""
    _, found, rest = text.partition("error: ")
    return rest.strip() if found else ""
