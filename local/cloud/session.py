"""What one configured provider instance works with."""

import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from local.cloud.account_view import AccountView
from local.cloud.bound_types import BoundType, BoundTypes
from local.cloud.calls import CallRunner
from local.cloud.convert import REGION
from local.cloud.journal import Redactor, secret_texts
from local.cloud.lifecycle import Effects, Patience
from local.cloud.model import Binding, CloudObject, CloudPackage, Context, Operation, Rule
from local.cloud.paths import lookup
from local.cloud.store import SqliteStore
from local.cloud.values import Json, is_unknown, plain


@dataclass(kw_only=True)
class Session:
    """Package, account and configuration; shared by the simulator's parts."""

    package: CloudPackage
    store: SqliteStore
    types: BoundTypes
    runner: CallRunner
    effects: Effects
    region: str
    default_tags: Json = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the engine asks all calls to stop."""
    dependency_patience: float = 0.0
    """Real seconds for which a deletion is tried again while others still hold the object."""
    served: Callable[[], bool] = lambda: True
    """Whether a supervisor lives; waiting calls ask."""

    @cached_property
    def made_kinds(self) -> Collection[str]:
        """Kinds that programs make."""
        return {binding.kind for binding in self.package.bindings.values()}

    @cached_property
    def _rules(self) -> Mapping[tuple[str, Operation], list[Rule]]:
        rules: dict[tuple[str, Operation], list[Rule]] = {}
        for rule in self.package.rules:
            for token in rule.tokens:
                for operation in rule.operations:
                    rules.setdefault((token, operation), []).append(rule)
        return rules

    def rules(self, token: str, operation: Operation) -> list[Rule]:
        """The rules for one kind of request."""
        return self._rules.get((token, operation), [])

    def patience(self, timeout: float) -> Patience:
        """For a call that waits ``timeout`` seconds at most (0: the provider's default)."""
        return Patience(timeout=timeout, cancelled=self.cancelled, served=self.served)

    def context(self, name: str, inputs: Mapping[str, Json], *, preview: bool = False) -> Context:
        """What hooks get."""
        region = inputs.get(REGION)
        known = region if isinstance(region, str) else self.region
        account = AccountView(self.store, known, undecided=self.made_kinds if preview else None)
        return Context(account=account, name=name, inputs=plain(dict(inputs)))

    def redactor(self, bound: BoundType, *properties: Mapping[str, Json]) -> Redactor:
        """Hides what is secret in ``properties``, by wrapper or by schema."""
        texts: list[str] = []
        for values in properties:
            texts += secret_texts(dict(values))
            for name in bound.schema.secrets & values.keys():
                texts += secret_texts(values[name], secret=True)
        return Redactor(texts)

    def find(self, bound: BoundType, pulumi_id: str) -> CloudObject | None:
        """The object with that Pulumi id."""
        binding = bound.binding
        if not binding.pulumi_id or binding.pulumi_id == binding.identity:
            return self.store.get(binding.kind, pulumi_id)
        part = max(re.split(r"[^\w.-]+", pulumi_id), key=len)
        for item in self.store.mentioning(binding.kind, part):
            if render(binding.pulumi_id, item.body) == pulumi_id:
                return item
        return None

    def pulumi_id(self, binding: Binding, item: CloudObject) -> str:
        """Pulumi's id of an object."""
        return (render(binding.pulumi_id, item.body) if binding.pulumi_id else "") or item.id


def render(template: str, body: Mapping[str, Json]) -> str:
    """``{VpcId}`` filled in from a body; empty when a member is missing or unknown."""
    values = [lookup(dict(body), path) for path in re.findall(r"\{([^}]+)\}", template)]
    if any(value is None or is_unknown(value) for value in values):
        return ""
    found = iter(values)
    return re.sub(r"\{[^}]+\}", lambda _: str(next(found)), template)
