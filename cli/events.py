"""What an engine says about an update in its event log (``--event-log``), folded into one picture.

Format: ``apitype.EngineEvent`` of the engine's SDK (``sdk/v3/go/common/apitype/events.go``), one JSON object per line.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

_DONE: Final = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "create-replacement": "created",
    "delete-replaced": "deleted",
    "import": "imported",
    "import-replacement": "imported",
    "read": "read",
    "refresh": "refreshed",
    "same": "unchanged",
}
_QUIET: Final = frozenset({"same", "read", "read-replacement", "refresh", "discard-replaced", "remove-pending-replace"})
_STACK_TYPE: Final = "pulumi:pulumi:Stack"
_REPEATS: Final = ("update failed", "preview failed", "refresh failed", "destroy failed")
"""The engine's last word on a failure whose reason it gave before."""


@dataclass(kw_only=True)
class Step:
    """One operation on one resource."""

    urn: str
    operation: str
    began: float
    ended: float | None = None
    failed: bool = False

    @property
    def type(self) -> str:
        """The resource's type token, without the types of its parents."""
        return urn_type(self.urn)

    @property
    def name(self) -> str:
        """The resource's logical name."""
        return urn_name(self.urn)


@dataclass(frozen=True)
class Diagnostic:
    """An error or a warning of the engine, of a provider or of the program."""

    severity: str
    message: str
    urn: str = ""


@dataclass(frozen=True)
class PolicyNote:
    """What a rule of a policy pack said."""

    rule: str
    level: str
    """``advisory`` or ``mandatory``."""
    message: str
    urn: str = ""


@dataclass
class Picture:
    """An update as far as it has come."""

    steps: dict[str, Step] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metadata of the last step of each resource that the program changed (in a preview: would change), by URN."""
    drifted: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metadata of each resource that a refresh found otherwise than the state has it, by URN."""
    summary: dict[str, Any] | None = None
    policies: list[PolicyNote] = field(default_factory=list)

    def feed(self, line: str) -> None:
        """Take in one line of the log; half a line of a killed engine is passed over."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        when = float(event.get("timestamp", 0))
        for name, handle in (
            ("resourcePreEvent", self._begin),
            ("resOutputsEvent", self._end),
            ("resOpFailedEvent", self._fail),
        ):
            if name in event:
                handle(event[name]["metadata"], when)
        if "diagnosticEvent" in event:
            self._diagnose(event["diagnosticEvent"])
        if "policyEvent" in event:
            self._note(event["policyEvent"])
        if "summaryEvent" in event:
            self.summary = event["summaryEvent"]

    @property
    def errors(self) -> list[Diagnostic]:
        """Each error once, without the engine's repetition at the end."""
        return [item for item in self.diagnostics if item.severity == "error"]

    @property
    def running(self) -> list[Step]:
        """Operations that have begun and not ended, oldest first; components only wait for their children."""
        return [step for step in self.steps.values() if step.ended is None and not is_component(step.type)]

    def counts(self) -> dict[str, int]:
        """How many resources were created, updated and so on."""
        counted: dict[str, int] = {}
        for step in self.steps.values():
            if step.ended is not None and not step.failed and step.type != _STACK_TYPE:
                word = _DONE.get(step.operation, step.operation)
                counted[word] = counted.get(word, 0) + 1
        return counted

    def _begin(self, metadata: dict[str, Any], when: float) -> None:
        urn, operation = str(metadata["urn"]), str(metadata["op"])
        # A replacement is announced as `replace` besides the creation that does it.
        if operation not in {"replace", "discard-replaced", "remove-pending-replace"}:
            self.steps[urn] = Step(urn=urn, operation=operation, began=when)

    def _end(self, metadata: dict[str, Any], when: float) -> None:
        urn, operation = str(metadata["urn"]), str(metadata["op"])
        step = self.steps.get(urn)
        if step is None:
            return
        refreshed = step.operation == "refresh"
        if refreshed and operation == "refresh":
            operation = _found_by_refresh(metadata)
        step.operation, step.ended = operation, when
        if operation not in _QUIET:
            (self.drifted if refreshed else self.changes)[urn] = {**metadata, "op": operation}

    def _fail(self, metadata: dict[str, Any], when: float) -> None:
        step = self.steps.get(str(metadata["urn"]))
        if step is not None:
            step.ended, step.failed = when, True

    def _note(self, event: dict[str, Any]) -> None:
        told = PolicyNote(
            rule=str(event.get("policyName", "")),
            level=str(event.get("enforcementLevel", "")),
            message=str(event.get("message", "")).strip(),
            urn=str(event.get("resourceUrn", "")),
        )
        if told not in self.policies:
            self.policies.append(told)

    def _diagnose(self, event: dict[str, Any]) -> None:
        severity, message = str(event.get("severity", "")), str(event.get("message", "")).strip()
        if severity not in {"error", "warning"} or event.get("ephemeral") or not message:
            return
        if message in _REPEATS or message.startswith("using pulumi-language-python from $PATH"):
            return
        told = Diagnostic(severity, message, str(event.get("urn", "")))
        if told not in self.diagnostics:
            self.diagnostics.append(told)


def _found_by_refresh(metadata: dict[str, Any]) -> str:
    """What a refresh found: `pulumi refresh` says it itself, the refresh within a preview only shows the two states."""
    if metadata.get("new") is None:
        return "delete"
    return "update" if metadata.get("diffs") or metadata.get("detailedDiff") else "same"


def urn_type(urn: str) -> str:
    """``aws:ec2/vpc:Vpc`` of ``urn:pulumi:local::slipway::slipway:aws:Network$aws:ec2/vpc:Vpc::main``."""
    parts = urn.split("::")
    return parts[2].rsplit("$", 1)[-1] if len(parts) > 3 else ""  # noqa: PLR2004 (urn, project, types, name)


def urn_name(urn: str) -> str:
    """The logical name at the end of a URN; names may hold ``::`` themselves."""
    parts = urn.split("::", 3)
    return parts[3] if len(parts) > 3 else urn  # noqa: PLR2004 (urn, project, types, name)


def short_type(token: str) -> str:
    """``ec2:Vpc`` of ``aws:ec2/vpc:Vpc``; components keep their whole token."""
    package, _, rest = token.partition(":")
    module, _, name = rest.partition(":")
    if package in {"aws", "kubernetes"} and name:
        return f"{module.split('/')[0]}:{name}" if package == "aws" else name
    return token


def is_component(token: str) -> bool:
    """Whether the type is one of ours (or the stack), which no provider makes."""
    return token.startswith("slipway:") or token == _STACK_TYPE
