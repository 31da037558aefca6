"""The engine's ``ResourceProvider`` protocol over the simulator."""

import asyncio
import json
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as rpc

from local.cloud.check import AutonameMode, AutonameOptions, Checker, Failure
from local.cloud.diff import DEFAULTS, ChangeKind, Difference, difference
from local.cloud.failures import CloudError, InitFailedError
from local.cloud.model import ApiError, Binding, CloudPackage
from local.cloud.schema import SdkSchemas, UnknownTokenError
from local.cloud.simulator import Simulator
from local.cloud.store import StoreError
from local.cloud.values import contains_unknown, plain
from local.cloud.wire import decoded, from_struct, to_struct

T = TypeVar("T")

_MOST_CALLS_AT_ONCE = 128
"""A call that waits for the supervisor holds a thread; the engine's default parallelism is four per core."""
_KINDS = {
    (ChangeKind.ADD, False): rpc.PropertyDiff.ADD,
    (ChangeKind.ADD, True): rpc.PropertyDiff.ADD_REPLACE,
    (ChangeKind.DELETE, False): rpc.PropertyDiff.DELETE,
    (ChangeKind.DELETE, True): rpc.PropertyDiff.DELETE_REPLACE,
    (ChangeKind.UPDATE, False): rpc.PropertyDiff.UPDATE,
    (ChangeKind.UPDATE, True): rpc.PropertyDiff.UPDATE_REPLACE,
}
_MODES = {0: AutonameMode.PROPOSE, 1: AutonameMode.ENFORCE, 2: AutonameMode.DISABLE}


class NotConfiguredError(Exception):
    """A resource call came before Configure."""


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider instance. Blocking work runs in threads, so that creations go on side by side.

    Args:
        package: loads the cloud package; called on first use, because plugins must start quickly.
        connect: makes the simulator over the environment's account.
        announce: tells the engine's log, once, that this is a simulation.
    """

    def __init__(
        self,
        package: Callable[[], CloudPackage],
        connect: Callable[[CloudPackage], Simulator],
        announce: Callable[[str], None],
    ) -> None:
        self._load = package
        self._connect = connect
        self._announce = announce
        self._simulator: Simulator | None = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=_MOST_CALLS_AT_ONCE, thread_name_prefix="call")

    # --- about the plugin ----------------------------------------------------------------------------------------

    async def Handshake(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Agree on what both sides understand."""
        return rpc.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=False, supports_autonaming_configuration=True
        )

    async def GetPluginInfo(self, _request: Any, context: Any) -> Any:  # noqa: N802
        """The version of the SDK that the schemas come from."""
        return await self._answer(context, lambda: plugin_pb2.PluginInfo(version=self._schemas().plugin[1]))

    async def GetSchema(self, _request: Any, context: Any) -> Any:  # noqa: N802
        """Name and version only: programs bring their SDK."""

        def schema() -> Any:
            name, version = self._schemas().plugin
            return rpc.GetSchemaResponse(schema=json.dumps({"name": name, "version": version}))

        return await self._answer(context, schema)

    async def Parameterize(self, _request: Any, context: Any) -> Any:  # noqa: N802
        """Refused: the package is what it is."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the simulator does not take parameters")

    async def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Stop waiting; calls report what they have made."""
        if self._simulator is not None:
            self._simulator.cancel()
        return empty_pb2.Empty()

    # --- configuration -------------------------------------------------------------------------------------------

    async def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse a configuration that is wrong, or not the simulation's."""
        return await self._answer(context, partial(self._check_config, request))

    def _check_config(self, request: Any) -> Any:
        package = self._load()
        news = decoded(from_struct(request.news))
        token = f"pulumi:providers:{package.name}"
        checker = Checker(Binding(token=token, kind=token, operations={}), self._schemas().get(token))
        failures = checker.check(request.name, news).failures
        if not failures and package.configure is not None and not contains_unknown(news):
            try:
                package.configure(plain(news))
            except ApiError as error:
                failures = [Failure("allowedAccountIds", error.message)]
        return rpc.CheckResponse(inputs=request.news, failures=_failures(failures))

    async def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A provider's configuration never replaces it: what it made stays where it is."""

        def diff() -> Any:
            old = from_struct(request.old_inputs if request.HasField("old_inputs") else request.olds)
            new = from_struct(request.news)
            return _diff_response(difference(old, new, ignore_changes=["version", *request.ignoreChanges]))

        return await self._answer(context, diff)

    async def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Connect to the account; says once that all this is a simulation."""
        return await self._answer(context, partial(self._configure, request))

    def _configure(self, request: Any) -> Any:
        package = self._load()
        simulator = self._connect(package)
        simulator.configure(decoded(from_struct(request.args)))
        with self._lock:
            self._simulator = simulator
        self._announce(
            f"simulated {package.name.upper()} account {simulator.store.account_id}: "
            f"nothing is created at {package.name.upper()}"
        )
        return rpc.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            acceptResources=True,
            acceptOutputs=False,
            supports_autonaming_configuration=True,
        )

    # --- resources -----------------------------------------------------------------------------------------------

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Validate and complete inputs."""

        def check() -> Any:
            autoname = None
            if request.HasField("autonaming"):
                options = request.autonaming
                autoname = AutonameOptions(options.proposed_name, _MODES[options.mode])
            checked = self._configured().check(
                _type(request.urn),
                _name(request.urn),
                from_struct(request.news),
                olds=from_struct(request.olds),
                seed=request.randomSeed,
                autoname=autoname,
            )
            return rpc.CheckResponse(inputs=to_struct(checked.inputs), failures=_failures(checked.failures))

        return await self._answer(context, check)

    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """What an update would change."""

        def diff() -> Any:
            old = request.old_inputs if request.HasField("old_inputs") else request.olds
            found = self._configured().diff(
                _type(request.urn),
                request.id,
                from_struct(old),
                from_struct(request.news),
                ignore_changes=list(request.ignoreChanges),
            )
            return _diff_response(found)

        return await self._answer(context, diff)

    async def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Make an object, or say what would be made."""

        def create() -> Any:
            created = self._configured().create(
                _type(request.urn),
                _name(request.urn),
                from_struct(request.properties),
                urn=request.urn,
                preview=request.preview,
                timeout=request.timeout,
            )
            return rpc.CreateResponse(id=created.id, properties=to_struct(created.state))

        return await self._answer(context, create)

    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refresh, import and ``.get``."""

        def read() -> Any:
            found = self._configured().read(
                _type(request.urn),
                request.id,
                name=_name(request.urn),
                inputs=from_struct(request.inputs),
                state=from_struct(request.properties),
                urn=request.urn,
            )
            if found is None:
                return rpc.ReadResponse()
            return rpc.ReadResponse(id=found.id, inputs=to_struct(found.inputs), properties=to_struct(found.state))

        return await self._answer(context, read)

    async def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Change an object."""

        def update() -> Any:
            olds = from_struct(request.olds)
            state = self._configured().update(
                _type(request.urn),
                request.id,
                from_struct(request.old_inputs) if request.HasField("old_inputs") else olds,
                from_struct(request.news),
                olds=olds,
                urn=request.urn,
                preview=request.preview,
                timeout=request.timeout,
            )
            return rpc.UpdateResponse(properties=to_struct(state))

        return await self._answer(context, update)

    async def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remove an object."""

        def delete() -> Any:
            old = request.old_inputs if request.HasField("old_inputs") else request.properties
            self._configured().delete(
                _type(request.urn), request.id, inputs=from_struct(old), urn=request.urn, timeout=request.timeout
            )
            return empty_pb2.Empty()

        return await self._answer(context, delete)

    async def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer a data source."""

        def invoke() -> Any:
            result = self._configured().invoke(request.tok, from_struct(request.args))
            response = rpc.InvokeResponse()
            getattr(response, "return").CopyFrom(to_struct(result))
            return response

        return await self._answer(context, invoke)

    # --- shared --------------------------------------------------------------------------------------------------

    def _configured(self) -> Simulator:
        if self._simulator is None:
            raise NotConfiguredError("the provider has not been configured")
        return self._simulator

    def _schemas(self) -> SdkSchemas:
        return SdkSchemas(self._load().sdk)

    async def _answer(self, context: Any, work: Callable[[], T]) -> T:
        """Run blocking ``work`` in a thread; its errors become the status that the engine understands."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except InitFailedError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error), (_init_failed(error),))
        except (CloudError, NotConfiguredError, StoreError, UnknownTokenError) as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:  # noqa: BLE001 a fault of ours must name itself, not print a traceback
            await context.abort(grpc.StatusCode.INTERNAL, _own_fault(error))
        raise AssertionError("abort raises")


def _own_fault(error: Exception) -> str:
    """Where the simulator itself went wrong, for a report; the values are left out, they may be secret."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} ({frames[-1].name})" if frames else "nowhere"
    return f"the simulator itself failed: {type(error).__name__} at {where}; this is a defect of the simulator"


def _init_failed(error: InitFailedError) -> tuple[str, bytes]:
    """The trailing metadata that carries id and state of an object that is there but not well."""
    detail = any_pb2.Any()
    detail.Pack(
        rpc.ErrorResourceInitFailed(
            id=error.id, properties=to_struct(error.state), inputs=to_struct(error.inputs), reasons=error.reasons
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    return "grpc-status-details-bin", status.SerializeToString()


def _failures(failures: list[Failure]) -> list[Any]:
    return [rpc.CheckFailure(property=failure.property, reason=failure.reason) for failure in failures]


def _diff_response(found: Difference) -> Any:
    detailed: Mapping[str, Any] = {
        path: rpc.PropertyDiff(kind=_KINDS[change.kind, change.replace], inputDiff=not change.output)
        for path, change in found.changes.items()
        if path != DEFAULTS
    }
    return rpc.DiffResponse(
        changes=rpc.DiffResponse.DIFF_SOME if found else rpc.DiffResponse.DIFF_NONE,
        replaces=found.replaces,
        diffs=found.top_level,
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=found.delete_before_replace,
    )


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]
