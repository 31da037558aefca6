"""Create, update and delete: what each does to the account, and when it waits."""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from local.cloud.bound_types import BoundType
from local.cloud.convert import overlay, update_body
from local.cloud.failures import Call, CancelledCallError, CloudError, InitFailedError, call_for, error_text
from local.cloud.faults import Fault, FaultType
from local.cloud.lifecycle import Effects, FailedStateError, begin, wait_until_gone, wait_until_ready
from local.cloud.model import ApiError, CloudObject, Context, Lifecycle, Maker, Operation, Request
from local.cloud.paths import assign, lookup
from local.cloud.references import check_holders, check_targets
from local.cloud.session import Session, render
from local.cloud.values import UNKNOWN, Json, UndecidedError, contains_unknown, plain

T = TypeVar("T")

_RETRY_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the engine says about one call besides its properties."""

    urn: str = ""
    timeout: float = 0.0
    """Seconds; 0 for the provider's default."""


@dataclass(frozen=True)
class Created:
    """Pulumi's id and the outputs; in a preview the id is empty and what only the service knows is unknown."""

    id: str
    state: dict[str, Json]


class Mutations:
    """The operations that change the account."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # --- create --------------------------------------------------------------------------------------------------

    def preview_create(self, bound: BoundType, name: str, inputs: Mapping[str, Json], urn: str) -> Created:
        """What a creation would return; rules that can be decided now run now."""
        call = call_for(bound.binding, "create", _label(bound, inputs, name), modelled=bound.modelled, urn=urn)
        self._rehearse(bound, call, Operation.CREATE, name, inputs)
        state = {key: value for key, value in inputs.items() if not key.startswith("__")}
        for computed in bound.schema.computed:
            state.setdefault(computed, UNKNOWN)
        if "tags" in inputs and "tagsAll" in state:
            state["tagsAll"] = inputs["tags"]
        return Created("", bound.converter.wrap_secrets(state))

    def create(self, bound: BoundType, name: str, inputs: Mapping[str, Json], options: Options) -> Created:
        """Make the object; never the same one twice, whatever the URN says.

        Raises:
            CloudError: refused, or the response was lost.
            InitFailedError: made, but not what was asked for.
        """
        session = self._session
        context = session.context(name, inputs)
        call = call_for(bound.binding, "create", _label(bound, inputs, name), modelled=bound.modelled, urn=options.urn)
        redactor = session.redactor(bound, inputs)
        (item, waits), faults = session.runner.run(
            call,
            lambda: self._make(bound, call, context, inputs),
            redactor=redactor,
            name=name,
            cancelled=session.cancelled,
        )
        lifecycle = bound.binding.lifecycle
        try:
            item = self._play_partial(faults, item, lifecycle) or item
            if waits and lifecycle is not None:
                item = wait_until_ready(session.store, item, lifecycle, session.patience(options.timeout))
        except CloudError as error:
            raise self._init_failed(bound, call, item, context, error, inputs=inputs) from None
        state = bound.converter.to_state(item, context.account, inputs)
        return Created(session.pulumi_id(bound.binding, item), state)

    def _make(
        self, bound: BoundType, call: Call, context: Context, inputs: Mapping[str, Json]
    ) -> tuple[CloudObject, bool]:
        binding, account = bound.binding, context.account
        request = bound.converter.to_body(inputs, context)
        call.request = request
        body = copy.deepcopy(overlay(binding.defaults, request))
        check_targets(binding, body, account)
        self._obey(bound, Operation.CREATE, body, None, context)
        if binding.compute is not None:
            binding.compute(body, context)
        waits = binding.lifecycle is not None and begin(body, binding.lifecycle, self._session.effects, context)
        identity = render(binding.identity, body) or account.new_id(_prefix(binding.kind))
        existing = account.get(binding.kind, identity)
        if existing is not None and not (binding.adopts or binding.overwrites):
            raise ApiError("ResourceAlreadyExistsException", f"{binding.kind} {identity} already exists", status=409)
        call.id = identity
        item = CloudObject(
            kind=binding.kind,
            id=identity,
            region=account.region,
            body=overlay(existing.body, body) if existing is not None and binding.adopts else body,
            maker=existing.maker if existing is not None and binding.adopts else Maker.PROGRAM,
            created_at=existing.created_at if existing is not None else account.now(),
            urn=call.urn,
        )
        self._put_with_hook(item, lambda: binding.after_create and binding.after_create(item, context))
        return self._stored(item), waits

    def _play_partial(self, faults: list[Fault], item: CloudObject, lifecycle: Lifecycle | None) -> CloudObject | None:
        for fault in faults:
            if fault.type is not FaultType.PARTIAL:
                continue
            reason = str(fault.parameters.get("message", "the service failed after it had made the object"))
            if lifecycle is not None:
                assign(item.body, lifecycle.path, lifecycle.failed)
                if lifecycle.failure_path:
                    assign(item.body, lifecycle.failure_path, [{"code": "InternalFailure", "message": reason}])
                self._session.store.put(item)
            raise FailedStateError(reason, [reason])
        return None

    def _init_failed(
        self,
        bound: BoundType,
        call: Call,
        item: CloudObject,
        context: Context,
        error: CloudError,
        *,
        inputs: Mapping[str, Json],
    ) -> CloudError:
        now = self._session.store.get(item.kind, item.id)
        if now is None:
            return error
        reasons = error.reasons if isinstance(error, FailedStateError) else [str(error)]
        verb = "creating" if call.operation == "create" else "updating"
        return InitFailedError(
            f"{verb} {item.kind} ({item.id}): {error}",
            id=self._session.pulumi_id(bound.binding, now),
            state=bound.converter.to_state(now, context.account, inputs),
            inputs=dict(inputs),
            reasons=reasons,
        )

    # --- update --------------------------------------------------------------------------------------------------

    def preview_update(
        self, bound: BoundType, pulumi_id: str, olds: Mapping[str, Json], news: Mapping[str, Json], urn: str
    ) -> dict[str, Json]:
        """The outputs that an update would return, as far as they are known."""
        call = call_for(bound.binding, "update", pulumi_id, modelled=bound.modelled, urn=urn, identifier=pulumi_id)
        prior = self._session.find(bound, pulumi_id)
        if prior is not None:
            self._rehearse(bound, call, Operation.UPDATE, pulumi_id, news, prior=prior)
        kept = {key: value for key, value in olds.items() if key in bound.schema.computed}
        new = {key: value for key, value in news.items() if not key.startswith("__")}
        if "tags" in new and "tagsAll" in kept:
            kept["tagsAll"] = new["tags"]
        return bound.converter.wrap_secrets({**kept, **new})

    def update(
        self,
        bound: BoundType,
        pulumi_id: str,
        old_inputs: Mapping[str, Json],
        news: Mapping[str, Json],
        options: Options,
    ) -> dict[str, Json]:
        """Change the object; returns the outputs. Errors as ``create``."""
        session, binding = self._session, bound.binding
        context = session.context(pulumi_id, news)
        self._finish_making(bound, pulumi_id, options)
        call = call_for(binding, "update", pulumi_id, modelled=bound.modelled, urn=options.urn, identifier=pulumi_id)
        item, faults = session.runner.run(
            call,
            lambda: self._change(bound, call, context, old_inputs, news),
            redactor=session.redactor(bound, news, old_inputs),
            cancelled=session.cancelled,
        )
        lifecycle = binding.lifecycle
        try:
            item = self._play_partial(faults, item, lifecycle) or item
            if lifecycle is not None and self._waits(lifecycle) and lifecycle.updating is not None:
                item = wait_until_ready(session.store, item, lifecycle, session.patience(options.timeout))
        except CloudError as error:
            raise self._init_failed(bound, call, item, context, error, inputs=news) from None
        return bound.converter.to_state(item, context.account, news)

    def _finish_making(self, bound: BoundType, pulumi_id: str, options: Options) -> None:
        """Wait for an object that an interrupted creation left in the making: the engine calls this to go on."""
        session, lifecycle = self._session, bound.binding.lifecycle
        if lifecycle is None or not self._waits(lifecycle):
            return
        item = session.find(bound, pulumi_id)
        if item is not None and lookup(item.body, lifecycle.path) == lifecycle.creating:
            wait_until_ready(session.store, item, lifecycle, session.patience(options.timeout))

    def _change(
        self,
        bound: BoundType,
        call: Call,
        context: Context,
        old_inputs: Mapping[str, Json],
        news: Mapping[str, Json],
    ) -> CloudObject:
        binding, account = bound.binding, context.account
        prior = self._session.find(bound, call.id)
        if prior is None:
            raise ApiError("ResourceNotFoundException", f"{binding.kind} {call.id} does not exist", status=404)
        old_request = bound.converter.to_body(old_inputs, context)
        request = bound.converter.to_body(news, context)
        call.request = request
        body = copy.deepcopy(update_body(prior.body, old_request, request, binding.defaults))
        check_targets(binding, body, account)
        self._obey(bound, Operation.UPDATE, body, prior, context)
        lifecycle = binding.lifecycle
        if lifecycle is not None and self._waits(lifecycle) and lifecycle.updating is not None:
            assign(body, lifecycle.path, lifecycle.updating)
        item = CloudObject(
            kind=prior.kind,
            id=prior.id,
            region=prior.region,
            body=body,
            maker=prior.maker,
            created_at=prior.created_at,
            urn=call.urn or prior.urn,
        )
        self._put_with_hook(item, lambda: binding.after_update and binding.after_update(prior, item, context))
        return self._stored(item)

    # --- delete --------------------------------------------------------------------------------------------------

    def delete(self, bound: BoundType, pulumi_id: str, inputs: Mapping[str, Json], options: Options) -> None:
        """Remove the object; one that is gone already is no error.

        Raises:
            CloudError: refused, for example because other objects still need it.
        """
        session, binding = self._session, bound.binding
        context = session.context(pulumi_id, inputs)
        in_use = {ref.in_use_code for other in session.package.bindings.values() for ref in other.references}
        deadline = time.monotonic() + session.dependency_patience
        while True:
            call = call_for(
                binding, "delete", pulumi_id, modelled=bound.modelled, urn=options.urn, identifier=pulumi_id
            )
            try:
                item, _ = session.runner.run(
                    call,
                    lambda call=call: self._remove(bound, call, context),  # type: ignore[misc] # bound per round
                    redactor=session.redactor(bound, inputs),
                    cancelled=session.cancelled,
                )
                break
            except CloudError as error:
                # The provider waits for what the service is still tearing down (network interfaces of nodes).
                if error.code not in in_use or time.monotonic() >= deadline:
                    raise
            if session.cancelled.wait(_RETRY_SECONDS):
                raise CancelledCallError(f"cancelled while deleting {binding.kind} ({pulumi_id})")
        lifecycle = binding.lifecycle
        if item is not None and lifecycle is not None and self._waits(lifecycle):
            wait_until_gone(session.store, item, lifecycle, session.patience(options.timeout))

    def _remove(self, bound: BoundType, call: Call, context: Context) -> CloudObject | None:
        binding, store = bound.binding, self._session.store
        item = self._session.find(bound, call.id)
        if item is None:
            return None
        if binding.adopts:  # the service's own object stays, as it is
            item.urn = ""
            store.put(item)
            return None
        if binding.before_delete is not None:
            binding.before_delete(item, context)
        check_holders(item, self._session.package.bindings, store, label=call.id)
        self._obey(bound, Operation.DELETE, item.body, item, context)
        if binding.lifecycle is not None and self._waits(binding.lifecycle):
            assign(item.body, binding.lifecycle.path, binding.lifecycle.deleting)
            store.put(item)
        else:
            store.remove(item.kind, item.id)
        return item

    # --- shared --------------------------------------------------------------------------------------------------

    def _waits(self, lifecycle: Lifecycle) -> bool:
        return lifecycle.effect and self._session.effects is Effects.SUPERVISOR

    def _obey(
        self,
        bound: BoundType,
        operation: Operation,
        body: dict[str, Json],
        prior: CloudObject | None,
        context: Context,
    ) -> None:
        request = Request(
            operation=operation, token=bound.binding.token, body=body, prior=prior, account=context.account
        )
        for rule in self._session.rules(bound.binding.token, operation):
            rule.check(request)

    def _rehearse(
        self,
        bound: BoundType,
        call: Call,
        operation: Operation,
        name: str,
        inputs: Mapping[str, Json],
        *,
        prior: CloudObject | None = None,
    ) -> None:
        """Run the rules of a preview; no call reaches the API, so nothing is journalled."""
        context = self._session.context(name, inputs, preview=True)
        requested = _decided(lambda: bound.converter.to_body(inputs, context), inputs)
        if requested is None:
            return
        body = overlay(prior.body if prior is not None else bound.binding.defaults, requested)
        request = Request(
            operation=operation, token=bound.binding.token, body=body, prior=prior, account=context.account
        )
        for rule in self._session.rules(bound.binding.token, operation):
            try:
                _decided(partial(rule.check, request), inputs)
            except ApiError as error:
                text = error_text(self._session.package, call, error)
                raise CloudError(self._session.redactor(bound, inputs).text(text), code=error.code) from None

    def _put_with_hook(self, item: CloudObject, hook: Callable[[], object]) -> None:
        """A hook may change the object in place, or put a version of its own."""
        store = self._session.store
        store.put(item)
        before = copy.deepcopy(item.body)
        hook()
        if item.body != before:
            store.put(item)

    def _stored(self, item: CloudObject) -> CloudObject:
        return self._session.store.get(item.kind, item.id) or item


def _decided(work: Callable[[], T], inputs: Mapping[str, Json]) -> T | None:
    """The result of ``work``; None when it needs a value that is not known yet.

    An unknown does not always say so: ``json.loads`` of one is a TypeError. Without unknowns an error is a bug.
    """
    try:
        return work()
    except UndecidedError:
        return None
    except (AttributeError, LookupError, TypeError, ValueError):
        if contains_unknown(dict(inputs)):
            return None
        raise


def _label(bound: BoundType, inputs: Mapping[str, Json], name: str) -> str:
    rule = bound.binding.autoname
    given = plain(inputs.get(rule.property)) if rule is not None else None
    return given if isinstance(given, str) else name


def _prefix(kind: str) -> str:
    return kind.rpartition(":")[2].lower() + "-"
