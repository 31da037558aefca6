"""What a rehearsal found, as plain data: written by the stages, rendered by the terminal, JSON and HTML."""

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from cli.events import short_type, urn_name, urn_type

STATEFUL: Final = frozenset(
    {
        "aws:eks/cluster:Cluster",
        "aws:fsx/lustreFileSystem:LustreFileSystem",
        "aws:kms/key:Key",
        "aws:s3/bucket:Bucket",
        "kubernetes:core/v1:PersistentVolume",
        "kubernetes:core/v1:PersistentVolumeClaim",
    }
)
"""Types whose replacement loses what is in it."""
_NAMED: Final = 3
"""Properties that a replacement names: a failed creation differs in all."""


class Reason(StrEnum):
    """Why a rehearsal does not pass."""

    FAILED = "failed"
    """An update failed, or did not converge."""
    NOT_READY = "not-ready"
    CHANGED = "changed"
    """A second update still found something to do, or a refresh found drift."""
    REPLACED = "replaced"
    """Something that holds data would be, or was, replaced without leave."""
    LOST = "lost"
    UNPROTECTED = "unprotected"
    CLASH = "clash"
    """A name that a second stack in the account would want too."""
    UNTAGGED = "untagged"
    """It lacks the tags by which it would be found after a crash."""
    ENDLESS = "endless"
    """It is kept, and paid for, for ever."""
    LEFT = "left"
    """It outlived the stack."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One reason, with its object."""

    reason: Reason
    what: str
    stage: str


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A resource that an update replaced."""

    urn: str
    stage: str
    because: tuple[str, ...] = ()
    """Properties that differ."""

    @property
    def stateful(self) -> bool:
        """Whether data goes with it."""
        return urn_type(self.urn) in STATEFUL

    @property
    def label(self) -> str:
        """Short type and logical name."""
        return f"{short_type(urn_type(self.urn))} {urn_name(self.urn)}"

    @property
    def reason(self) -> str:
        """The first properties that differ, in brackets; empty when none is known."""
        more = len(self.because) - _NAMED
        listed = ", ".join(self.because[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f" ({listed})" if listed else ""


@dataclass(kw_only=True)
class Stage:
    """One act of the rehearsal."""

    title: str
    began_seconds: float
    """Since the rehearsal began."""
    seconds: float = 0.0
    result: str = "ok"
    """ok, recovered, or failed."""
    notes: list[str] = field(default_factory=list)
    went_wrong: list[str] = field(default_factory=list)
    """What a scenario did to it."""
    recovery: list[str] = field(default_factory=list)
    """How it got over that."""

    def note(self, text: str) -> None:
        """Add a line to what happened."""
        self.notes.append(text)

    def hit(self, text: str) -> None:
        """Something went wrong, as planned."""
        self.went_wrong.append(text)

    def recovered(self, text: str) -> None:
        """What went wrong was put right."""
        self.recovery.append(text)
        if self.result == "ok":
            self.result = "recovered"


@dataclass(kw_only=True)
class Report:
    """A rehearsal, as far as it has come."""

    environment: str
    place: str
    revision: str = ""
    """What was deployed first, with ``--from``."""
    changed_in_copy: Sequence[str] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Scenarios that say nothing about this stack, with the reason."""
    stages: list[Stage] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    replacements: list[Replacement] = field(default_factory=list)
    began: str = field(default_factory=lambda: dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))
    _clock: float = field(default_factory=time.monotonic, repr=False)

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def seconds(self) -> float:
        """From the first stage's beginning to the last one's end."""
        return max((stage.began_seconds + stage.seconds for stage in self.stages), default=0.0)

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        """Time one act; what it finds makes it a failed one."""
        stage = Stage(title=title, began_seconds=time.monotonic() - self._clock)
        self.stages.append(stage)
        before = len(self.findings)
        try:
            yield stage
        except BaseException:
            stage.result = "failed"
            raise
        finally:
            stage.seconds = time.monotonic() - self._clock - stage.began_seconds
            if len(self.findings) > before:
                stage.result = "failed"

    def find(self, reason: Reason, what: str, stage: Stage) -> None:
        """Note a reason not to pass."""
        self.findings.append(Finding(reason=reason, what=what, stage=stage.title))

    def to_json(self) -> dict[str, Any]:
        """The whole report as JSON members."""
        return {
            "environment": self.environment,
            "simulated": True,
            "place": self.place,
            "from": self.revision or None,
            "passed": self.passed,
            "began": self.began,
            "seconds": round(self.seconds, 1),
            "findings": [asdict(item) for item in self.findings],
            "replacements": [
                {"urn": item.urn, "stateful": item.stateful, "stage": item.stage, "because": list(item.because)}
                for item in self.replacements
            ],
            "skipped": dict(self.skipped),
            "changedInCopy": list(self.changed_in_copy),
            "stages": [
                {
                    "title": stage.title,
                    "beganSeconds": round(stage.began_seconds, 1),
                    "seconds": round(stage.seconds, 1),
                    "result": stage.result,
                    "wentWrong": stage.went_wrong,
                    "recovery": stage.recovery,
                    "notes": stage.notes,
                }
                for stage in self.stages
            ],
        }
