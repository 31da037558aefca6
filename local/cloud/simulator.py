"""The simulator: check, diff, create, read, update, delete and invoke over a simulated account.

A plain library that knows no cloud (the package does), no gRPC (``plugin``) and no Pulumi program (``monitor``).
Values are those of ``values.py``; everything may be called from several threads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from local.cloud.bound_types import SHAPE_ONLY, BoundType, BoundTypes, Schemas
from local.cloud.calls import CallRunner, no_engine
from local.cloud.check import AutonameOptions, Checked
from local.cloud.convert import REGION
from local.cloud.diff import DEFAULTS, Change, ChangeKind, Difference, difference, same
from local.cloud.failures import Call, CloudError, call_for
from local.cloud.journal import Redactor, secret_texts
from local.cloud.lifecycle import Effects
from local.cloud.model import ApiError, CloudObject, CloudPackage
from local.cloud.mutations import Created, Mutations, Options
from local.cloud.paths import lookup
from local.cloud.session import Session
from local.cloud.store import SqliteStore
from local.cloud.values import Json, plain

DEPENDENCY_PATIENCE_SECONDS = 10.0
"""How long deletions wait for what the supervisor is still tearing down."""


@dataclass(frozen=True)
class Found:
    """An object as ``read`` found it."""

    id: str
    inputs: dict[str, Json]
    state: dict[str, Json]


class Simulator:
    """One provider instance of ``package`` over the account in ``store``.

    Args:
        package: bindings, rules and invokes of one cloud.
        store: the account; seeded by the package when it is new.
        effects: whether calls wait for the supervisor.
        kill: what a planted kill of the engine does; raises ``EngineKilledError`` by default.
        schemas: where schemas come from; by default the package's SDK wheel.
        dependency_patience: real seconds for which a deletion is tried again while others hold the object; by default
            what the provider waits for a supervisor.
        served: whether a supervisor lives; calls that wait for one give up without it.
    """

    def __init__(
        self,
        package: CloudPackage,
        store: SqliteStore,
        effects: Effects = Effects.INSTANT,
        *,
        kill: Callable[[], None] = no_engine,
        schemas: Schemas | None = None,
        dependency_patience: float | None = None,
        served: Callable[[], bool] = lambda: True,
    ) -> None:
        self.package = package
        self.store = store
        types = BoundTypes(package, schemas)
        patience = DEPENDENCY_PATIENCE_SECONDS if effects is Effects.SUPERVISOR else 0.0
        self._session = Session(
            package=package,
            store=store,
            types=types,
            runner=CallRunner(package, store, kill=kill),
            effects=effects,
            region=store.region,
            dependency_patience=patience if dependency_patience is None else dependency_patience,
            served=served,
        )
        self._mutations = Mutations(self._session)
        if package.seed is not None:
            with store.transaction():
                if store.once(f"seed:{package.name}"):
                    package.seed(store)

    # --- configuration -------------------------------------------------------------------------------------------

    def configure(self, config: Mapping[str, Json], *, refuse_real: bool = True) -> None:
        """Take the provider's configuration: region and default tags.

        Args:
            config: the provider resource's inputs.
            refuse_real: whether the package may refuse a configuration that is not the simulation's own. Only a
                plan, which calls nothing and says that it simulates, passes False.

        Raises:
            CloudError: the configuration is not marked as a simulation's.
        """
        values: dict[str, Json] = plain(dict(config))
        if refuse_real and self.package.configure is not None:
            try:
                self.package.configure(values)
            except ApiError as error:
                raise CloudError(error.message, code=error.code) from None
        region = values.get(REGION)
        if isinstance(region, str) and region:
            self._session.region = region
        self._session.default_tags = lookup(values, self.package.default_tags_path)

    def cancel(self) -> None:
        """Make waiting calls stop; they report what they made."""
        self._session.cancelled.set()

    def modelled(self, token: str) -> bool:
        """Whether the type has a binding; the others are "shape only, replacement unknown"."""
        return token in self.package.bindings

    def marker(self, token: str) -> str:
        """How reports mark the type; empty when it is modelled."""
        return "" if self.modelled(token) else SHAPE_ONLY

    # --- resources -----------------------------------------------------------------------------------------------

    def check(
        self,
        token: str,
        name: str,
        news: Mapping[str, Json],
        *,
        olds: Mapping[str, Json] | None = None,
        seed: bytes = b"",
        autoname: AutonameOptions | None = None,
    ) -> Checked:
        """Inputs as they will be used, and what is wrong with them.

        Raises:
            UnknownTokenError: the SDK has no such type.
        """
        return self._type(token).checker.check(
            name, news, olds=olds, seed=seed, autoname=autoname, default_tags=self._session.default_tags
        )

    def diff(
        self,
        token: str,
        identifier: str,
        old_inputs: Mapping[str, Json],
        news: Mapping[str, Json],
        *,
        ignore_changes: Sequence[str] = (),
    ) -> Difference:
        """What an update would change; both sides are checked inputs."""
        bound = self._type(token)
        found = difference(
            old_inputs, news, create_only=[*bound.binding.create_only, REGION], ignore_changes=ignore_changes
        )
        changes = dict(found.changes)
        failed = self._failed(bound, identifier)
        if failed:
            changes[failed] = Change(ChangeKind.UPDATE, replace=True, output=True)
        replaces = any(change.replace for change in changes.values())
        first = bool(failed) or bound.binding.delete_before_replace or _keeps_its_name(bound, old_inputs, news)
        return Difference(changes=changes, delete_before_replace=replaces and first)

    def create(
        self,
        token: str,
        name: str,
        inputs: Mapping[str, Json],
        *,
        urn: str = "",
        preview: bool = False,
        timeout: float = 0.0,
    ) -> Created:
        """Make an object of checked ``inputs``.

        Raises:
            CloudError: refused in the service's words, or the response was lost.
            InitFailedError: made, but not what was asked for.
        """
        bound = self._type(token)
        if preview:
            return self._mutations.preview_create(bound, name, inputs, urn)
        return self._mutations.create(bound, name, inputs, Options(urn=urn, timeout=timeout))

    def read(
        self,
        token: str,
        identifier: str,
        *,
        name: str = "",
        inputs: Mapping[str, Json] | None = None,
        state: Mapping[str, Json] | None = None,
        urn: str = "",
    ) -> Found | None:
        """The object as it is now, or None. Without ``inputs`` (import, ``.get``) they come from the object alone.

        Raises:
            CloudError: a planted fault.
        """
        bound, session = self._type(token), self._session
        before, old_state = inputs or {}, state or {}
        call = call_for(bound.binding, "read", identifier, modelled=bound.modelled, urn=urn, identifier=identifier)
        item, _ = session.runner.run(
            call,
            lambda: session.find(bound, identifier),
            redactor=session.redactor(bound, before, old_state),
            cancelled=session.cancelled,
        )
        if item is None:
            return None
        context = session.context(name, before)
        found = bound.converter.inputs_from(item, context, before, old_state)
        result = bound.converter.to_state(item, context.account, found)
        return Found(session.pulumi_id(bound.binding, item), found, result)

    def update(
        self,
        token: str,
        identifier: str,
        old_inputs: Mapping[str, Json],
        news: Mapping[str, Json],
        *,
        olds: Mapping[str, Json] | None = None,
        urn: str = "",
        preview: bool = False,
        timeout: float = 0.0,
    ) -> dict[str, Json]:
        """Change the object to ``news``; returns its outputs. ``olds`` are the present outputs, for previews."""
        bound = self._type(token)
        if preview:
            return self._mutations.preview_update(bound, identifier, olds or {}, news, urn)
        return self._mutations.update(bound, identifier, old_inputs, news, Options(urn=urn, timeout=timeout))

    def delete(
        self,
        token: str,
        identifier: str,
        *,
        inputs: Mapping[str, Json] | None = None,
        urn: str = "",
        timeout: float = 0.0,
    ) -> None:
        """Remove the object; gone already is fine.

        Raises:
            CloudError: refused, for example with ``DependencyViolation``.
        """
        self._mutations.delete(self._type(token), identifier, inputs or {}, Options(urn=urn, timeout=timeout))

    # --- data sources --------------------------------------------------------------------------------------------

    def invoke(self, token: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """Answer a data source.

        Raises:
            CloudError: it is not modelled (nothing is ever made up), does not exist, or refused.
        """
        known = self.package.invokes.get(token)
        if known is None:
            exists = self._session.types.schemas.has_function(token)
            why = "is not modelled by the simulator" if exists else f"does not exist in {self.package.sdk}"
            modelled = ", ".join(sorted(self.package.invokes)) or "none"
            raise CloudError(f"invoke {token} {why}; modelled are: {modelled}", code="NotModelled")
        call = Call("invoke", _function(token), token, "", modelled=True, label=token)
        redactor = Redactor(secret_texts(dict(arguments)))
        account = self._session.context("", arguments).account
        result, _ = self._session.runner.run(
            call, lambda: known.call(plain(dict(arguments)), account), redactor=redactor
        )
        return result

    # --- shared --------------------------------------------------------------------------------------------------

    def _type(self, token: str) -> BoundType:
        return self._session.types.get(token)

    def _failed(self, bound: BoundType, identifier: str) -> str:
        """The property that shows the failed status of an object that must be made anew; empty for all others."""
        lifecycle = bound.binding.lifecycle
        if lifecycle is None or not identifier:
            return ""
        item: CloudObject | None = self._session.find(bound, identifier)
        if item is None or lookup(item.body, lifecycle.path) != lifecycle.failed:
            return ""
        last = lifecycle.path.rpartition(".")[2]
        return last[:1].lower() + last[1:]


def _keeps_its_name(bound: BoundType, old_inputs: Mapping[str, Json], news: Mapping[str, Json]) -> bool:
    """A name that the program chose and keeps: two objects cannot have it at once."""
    rule = bound.binding.autoname
    if rule is None or rule.property in (plain(news.get(DEFAULTS)) or []):
        return False
    name = news.get(rule.property)
    return name is not None and same(old_inputs.get(rule.property), name)


def _function(token: str) -> str:
    last = token.rpartition(":")[2]
    return last[:1].upper() + last[1:]
