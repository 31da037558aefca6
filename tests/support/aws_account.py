"""Builds resources in a simulated account, in Pulumi's terms, without an engine."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.cloud.simulator import Simulator

_PLACEHOLDER = re.compile(r"\$\{([\w-]+)(?:\.([\w.\[\]]+))?\}")


@dataclass
class Builder:
    """``${name}`` in inputs stands for an earlier resource's id, ``${name.output}`` for one of its outputs."""

    simulator: Simulator
    ids: dict[str, str] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)

    def create(self, token: str, name: str, inputs: Mapping[str, Any]) -> str:
        """Check and create one resource; returns its id."""
        checked = self.simulator.check(token, name, self._resolve(dict(inputs)))
        assert checked.failures == [], f"{name}: {checked.failures}"
        made = self.simulator.create(token, name, checked.inputs)
        self.ids[name], self.states[name] = made.id, made.state
        return made.id

    def build(self, steps: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Create several resources in order."""
        for token, name, inputs in steps:
            self.create(token, name, inputs)

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._resolve(item) for item in value]
        found = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return value
        current: Any = self.states[found.group(1)] if found.group(2) else self.ids[found.group(1)]
        for part in (found.group(2) or "").split("."):
            index: Any = int(part) if isinstance(current, list) else part
            current = current[index] if part else current
        return current
