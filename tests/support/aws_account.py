"""Builds resources in a simulated account, in Pulumi's terms, without an engine and without a supervisor."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.cloud.aws.package import PACKAGE
from local.cloud.model import CloudPackage, Scenario
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore

_PLACEHOLDER = re.compile(r"\$\{([\w-]+)(?:\.([\w.\[\]]+))?\}")


@dataclass
class Made:
    """A resource of the scenario after its creation."""

    token: str
    id: str
    inputs: dict[str, Any]
    state: dict[str, Any]


@dataclass
class World:
    """An account with a simulator over it, and what was made in it so far."""

    package: CloudPackage = PACKAGE
    store: SqliteStore = field(default_factory=lambda: SqliteStore(":memory:"))
    made: dict[str, Made] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.simulator = Simulator(self.package, self.store)

    def close(self) -> None:
        """Give the account back."""
        self.store.close()

    @property
    def ids(self) -> dict[str, str]:
        """Pulumi's ids by the names of the resources."""
        return {name: made.id for name, made in self.made.items()}

    def resolve(self, value: Any) -> Any:
        """``value`` with ``${name.output}`` replaced by what the earlier resource gave."""
        if isinstance(value, dict):
            return {key: self.resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        found = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return value
        source = self.made[found.group(1)]
        current: Any = source.state if found.group(2) else source.id
        for part in (found.group(2) or "").split("."):
            index: Any = int(part) if isinstance(current, list) else part
            current = current[index] if part else current
        return current

    def create(self, token: str, name: str, inputs: Mapping[str, Any]) -> Made:
        """Check and create one resource; a failed check is an assertion, because scenarios are about the API."""
        checked = self.simulator.check(token, name, self.resolve(dict(inputs)))
        assert checked.failures == [], f"{name}: {checked.failures}"
        created = self.simulator.create(token, name, checked.inputs)
        self.made[name] = Made(token, created.id, checked.inputs, created.state)
        return self.made[name]

    def build(self, steps: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Create several resources in order."""
        for token, name, inputs in steps:
            self.create(token, name, inputs)

    def delete(self, name: str) -> None:
        """Delete a resource of the scenario."""
        made = self.made.pop(name)
        self.simulator.delete(made.token, made.id, inputs=made.inputs)

    def play(self, scenario: Scenario, token: str) -> None:
        """The scenario's account, then its request."""
        quotas = {name: value for name, value in scenario.settings.items() if name.startswith("quota:")}
        for name in scenario.settings.keys() - quotas.keys():
            self.store.set_setting(name, scenario.settings[name])
        self.build(scenario.given)
        for name, value in quotas.items():  # lowered quotas are for the request, not for what is there already
            self.store.set_setting(name, value)
        if scenario.delete is not None:
            self.delete(scenario.delete)
            return
        subject = self.create(token, "subject", scenario.inputs)
        if scenario.update_to is not None:
            checked = self.simulator.check(
                token, "subject", self.resolve(dict(scenario.update_to)), olds=subject.inputs
            )
            assert checked.failures == [], f"subject: {checked.failures}"
            self.simulator.update(token, subject.id, subject.inputs, checked.inputs, olds=subject.state)
