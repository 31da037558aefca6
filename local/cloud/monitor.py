"""A resource monitor that runs a Pulumi program in this process, against the simulator.

Resources of simulated packages are checked and created in an account in memory; those of all other packages
(``kubernetes:``) are recorded with their inputs as outputs. Used by ``slipway plan`` and by every unit test.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.proto import resource_pb2

from local.cloud.failures import CloudError
from local.cloud.journal import secret_texts
from local.cloud.model import CloudPackage
from local.cloud.recording import RecordedInvoke, RecordedResource, Recording
from local.cloud.schema import UnknownTokenError
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.cloud.values import Json, Secret, plain
from local.cloud.wire import decoded, from_struct, to_struct

STACK_TYPE = "pulumi:pulumi:Stack"
STACK_REFERENCE_TYPE = "pulumi:pulumi:StackReference"
_PROVIDER_PREFIX = "pulumi:providers:"
_MADE_UP_LENGTH = 8


class ResourceFailure(Exception):  # noqa: N818 a finding about the program, not an error of this one
    """One resource that cannot be; the message names it and says why."""

    def __init__(self, type_: str, name: str, reason: str) -> None:
        super().__init__(f"{type_} {name!r}: {reason}" if name else reason)
        self.type = type_
        self.name = name
        self.reason = reason


class _NeverAsked(Mocks):
    """``MockMonitor`` wants mocks; this monitor answers before they would be asked."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        raise NotImplementedError(args.typ)

    def call(self, args: Any) -> Any:
        raise NotImplementedError(args.token)


class SimulatorMonitor(MockMonitor):
    """Records what a program registers, and simulates it.

    Args:
        recording: where everything is written.
        packages: simulated packages by name (``aws``).
        store: the account.
        config: the stack's configuration, for default providers.
        stack_references: outputs of other stacks by the full name that the program asks for.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        packages: Mapping[str, CloudPackage],
        store: SqliteStore,
        config: Mapping[str, str],
        stack_references: Mapping[str, Mapping[str, Json]],
    ) -> None:
        super().__init__(_NeverAsked())
        self.recording = recording
        self.failures: list[ResourceFailure] = []
        self._packages = packages
        self._store = store
        self._config = config
        self._stack_references = stack_references
        self._simulators: dict[str, Simulator] = {}
        self._by_urn: dict[str, RecordedResource] = {}
        self._lock = threading.RLock()

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """As the engine makes it (pulumi/sdk, go/common/resource/urn): the mocks keep only the parent's own type."""
        chain = parent.split("::")[2] if parent else ""
        qualified = f"{chain}${type_}" if chain and chain != STACK_TYPE else type_
        return f"urn:pulumi:{self.recording.stack}::{self.recording.project}::{qualified}::{name}"

    # --- what the SDK calls --------------------------------------------------------------------------------------

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        """Register one resource: record it, and create it when its package is simulated."""
        with self._lock, self._blaming(request):
            item, inputs = self._recorded(request)
            if item.type == STACK_TYPE:
                return resource_pb2.RegisterResourceResponse(urn=item.urn)
            if not item.custom:
                return resource_pb2.RegisterResourceResponse(urn=item.urn, object=request.object)
            state = self._make(item, inputs, request.importId)
            self._remember(item, state, request.additionalSecretOutputs)
            return resource_pb2.RegisterResourceResponse(urn=item.urn, id=item.id, object=to_struct(state))

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        """Look an existing resource up: ``.get`` and stack references."""
        with self._lock, self._blaming(request):
            item, inputs = self._recorded(request, read=True)
            item.id = request.id
            if item.type == STACK_REFERENCE_TYPE:
                state = self._stack_reference(request.id)
            elif self._package(item.type) is not None:
                state = self._read(item, inputs, request.id)
            else:
                state = inputs
            self._remember(item, state, ())
            return resource_pb2.ReadResourceResponse(urn=item.urn, properties=to_struct(state))

    def Invoke(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        """Answer a data source, of simulated packages only: nothing is made up."""
        if request.tok == "pulumi:pulumi:getResource":
            return super().Invoke(request)  # type: ignore[no-untyped-call] # the SDK's mocks have no types
        arguments = from_struct(request.args)
        with self._lock:
            self.recording.invokes.append(RecordedInvoke(request.tok, plain(arguments)))
            name = request.tok.partition(":")[0]
            if name not in self._packages:
                raise self._failed(request.tok, "", f"data sources of {name!r} are not simulated")
            try:
                result = self._simulator(name, request.provider).invoke(request.tok, arguments)
            except CloudError as error:
                raise self._failed(request.tok, "", str(error)) from None
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(result))
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        """Keep a component's outputs, and the stack's exports."""
        outputs = from_struct(request.outputs)
        with self._lock:
            item = self._by_urn.get(request.urn)
            if item is not None:
                item.outputs = plain(outputs)
                item.secrets |= _secret_names(outputs)
                item.registered_outputs = True
            if item is not None and item.type == STACK_TYPE:
                self.recording.exports = item.outputs
                self.recording.secret_exports = _secret_names(outputs)
        return empty_pb2.Empty()

    # --- making --------------------------------------------------------------------------------------------------

    def _make(self, item: RecordedResource, inputs: dict[str, Json], import_id: str) -> dict[str, Json]:
        if item.type.startswith(_PROVIDER_PREFIX):
            return self._make_provider(item, inputs)
        package = self._package(item.type)
        if package is None:
            item.id = import_id or _made_up_id(item)
            return self._echo(item, inputs)
        simulator = self._simulator(package, item.provider)
        item.marker = simulator.marker(item.type)
        if import_id:
            return self._read(item, inputs, import_id)
        checked = simulator.check(item.type, item.name, inputs, seed=_digest(item.urn))
        if checked.failures:
            raise CloudError("; ".join(f"{problem.property} {problem.reason}" for problem in checked.failures))
        created = simulator.create(item.type, item.name, checked.inputs, urn=item.urn)
        item.id = created.id
        item.inputs = _public(checked.inputs)
        return created.state

    def _make_provider(self, item: RecordedResource, inputs: dict[str, Json]) -> dict[str, Json]:
        item.id = _digest(item.urn).hex()[:_MADE_UP_LENGTH]
        package = item.type.removeprefix(_PROVIDER_PREFIX)
        if package in self._packages:
            simulator = Simulator(self._packages[package], self._store)
            # A plan of a real stack calls nothing, so it needs no mark.
            simulator.configure(decoded(inputs), refuse_real=False)
            self._simulators[f"{item.urn}::{item.id}"] = simulator
        return inputs

    def _echo(self, item: RecordedResource, inputs: dict[str, Json]) -> dict[str, Json]:
        """Inputs as outputs; Kubernetes objects get the name that its provider would make up."""
        if item.type.startswith("kubernetes:") and isinstance(inputs.get("metadata"), dict):
            metadata = dict(inputs["metadata"])
            metadata.setdefault("name", f"{item.name}-{_digest(item.urn).hex()[:_MADE_UP_LENGTH]}")
            return {**inputs, "metadata": metadata}
        return inputs

    def _read(self, item: RecordedResource, inputs: dict[str, Json], identifier: str) -> dict[str, Json]:
        package = self._package(item.type) or ""
        found = self._simulator(package, item.provider).read(item.type, identifier, inputs=None, urn=item.urn)
        if found is None:
            raise CloudError(f"{identifier!r} does not exist in the simulated account")
        item.id = found.id
        item.inputs = _public({**found.inputs, **inputs})
        return found.state

    def _stack_reference(self, name: str) -> dict[str, Json]:
        if name not in self._stack_references:
            known = ", ".join(sorted(self._stack_references)) or "none"
            raise CloudError(f"no outputs were given for the stack {name!r}; known stacks: {known}")
        outputs = dict(self._stack_references[name])
        return {"name": name, "outputs": outputs, "secretOutputNames": sorted(_secret_names(outputs))}

    def _simulator(self, package: str, provider: str) -> Simulator:
        """That of the resource's own provider, or the default one, which the stack's configuration describes."""
        if provider in self._simulators:
            return self._simulators[provider]
        simulator = Simulator(self._packages[package], self._store)
        prefix = f"{package}:"
        given = {key.removeprefix(prefix): value for key, value in self._config.items() if key.startswith(prefix)}
        simulator.configure(decoded(given), refuse_real=False)
        self._simulators[provider] = simulator
        return simulator

    def _package(self, type_: str) -> str | None:
        name = type_.partition(":")[0]
        return name if name in self._packages else None

    # --- recording -----------------------------------------------------------------------------------------------

    def _recorded(self, request: Any, *, read: bool = False) -> tuple[RecordedResource, dict[str, Json]]:
        urn = self.make_urn(request.parent, request.type, request.name)
        if urn in self._by_urn:
            raise CloudError(f"duplicate resource URN {urn}; try giving it a unique name")
        inputs = from_struct(request.properties if read else request.object)
        item = RecordedResource(
            urn=urn,
            type=request.type,
            name=request.name,
            custom=read or request.custom,
            parent=request.parent,
            provider=request.provider,
            inputs=plain(inputs),
            secrets=_secret_names(inputs),
            dependencies=tuple(request.dependencies),
            read=read,
        )
        if not read:
            item.protect = request.protect
            item.property_dependencies = {key: tuple(value.urns) for key, value in request.propertyDependencies.items()}
            item.options = _options(request)
        self._by_urn[urn] = item
        self.recording.resources.append(item)
        return item, inputs

    def _remember(self, item: RecordedResource, state: dict[str, Json], secret: Sequence[str]) -> None:
        for name in secret:
            if name in state and not isinstance(state[name], Secret):
                state[name] = Secret(state[name])
        item.outputs = plain(state)
        item.secrets |= _secret_names(state)
        self.resources[item.urn] = MockMonitor.ResourceRegistration(item.urn, item.id, dict(item.outputs))

    def _blaming(self, request: Any) -> "_Blame":
        return _Blame(self, request.type, request.name)

    def _failed(self, type_: str, name: str, reason: str) -> ResourceFailure:
        failure = ResourceFailure(type_, name, reason)
        self.failures.append(failure)
        return failure


class _Blame:
    """Turns the core's errors into one that names the resource."""

    def __init__(self, monitor: SimulatorMonitor, type_: str, name: str) -> None:
        self._monitor = monitor
        self._type = type_
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CloudError | UnknownTokenError):
            raise self._monitor._failed(self._type, self._name, str(error)) from None  # noqa: SLF001 one class in two


def _options(request: Any) -> dict[str, Json]:
    options: dict[str, Json] = {}
    for name in ("ignoreChanges", "replaceOnChanges", "additionalSecretOutputs", "hideDiffs"):
        if value := list(getattr(request, name)):
            options[name] = value
    for name in ("deleteBeforeReplace", "retainOnDelete", "deletedWith", "importId", "version", "pluginDownloadURL"):
        if value := getattr(request, name):
            options[name] = value
    timeouts = request.customTimeouts
    if given := {key: getattr(timeouts, key) for key in ("create", "update", "delete") if getattr(timeouts, key)}:
        options["customTimeouts"] = given
    if aliases := [alias.urn or alias.spec.name or alias.spec.type for alias in request.aliases]:
        options["aliases"] = aliases
    if request.providers:
        options["providers"] = dict(request.providers)
    return options


def _public(inputs: Mapping[str, Json]) -> dict[str, Json]:
    return {name: plain(value) for name, value in inputs.items() if not name.startswith("__")}


def _secret_names(properties: Mapping[str, Json]) -> frozenset[str]:
    return frozenset(name for name, value in properties.items() if _is_secret(value))


def _is_secret(value: Json) -> bool:
    return isinstance(value, Secret) or bool(secret_texts(value))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _made_up_id(item: RecordedResource) -> str:
    """``namespace/name`` as the Kubernetes provider's ids are, else a stable number."""
    metadata = item.inputs.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("name"), str):
        namespace = metadata.get("namespace")
        return f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    return f"{item.name}-{_digest(item.urn).hex()[:_MADE_UP_LENGTH]}"
