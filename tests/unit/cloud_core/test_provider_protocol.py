import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as rpc

from local.cloud.faults import Fault, FaultType
from local.cloud.lifecycle import Effects
from local.cloud.model import CloudPackage, Context, Maker
from local.cloud.plugin import announcer, install, serve
from local.cloud.provider import Provider
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.cloud.values import UNKNOWN, Json, Secret, is_unknown, plain
from local.cloud.wire import UNKNOWN_STRING, decoded, from_struct, to_struct
from local.paths import REPOSITORY
from tests.unit.cloud_core.toy import CLUSTER, PACKAGE, SUBNET, VPC, ZONES

MARKED = {"region": "us-east-1", "allowedAccountIds": '["000000000000"]'}
PROVIDER_URN = "urn:pulumi:s::p::pulumi:providers:aws::default"


def _urn(token: str, name: str) -> str:
    return f"urn:pulumi:s::p::slipway:aws:Network${token}::{name}"


class Session:
    """A provider served in this process, and a client as the engine is one."""

    def __init__(self, stub: Any, store: SqliteStore, said: list[str]) -> None:
        self.stub = stub
        self.store = store
        self.said = said

    async def configure(self) -> None:
        await self.stub.Configure(rpc.ConfigureRequest(args=to_struct(MARKED)))

    async def check(self, token: str, name: str, news: dict[str, Json], **more: Any) -> Any:
        request = rpc.CheckRequest(urn=_urn(token, name), news=to_struct(news), randomSeed=b"seed", **more)
        return await self.stub.Check(request)

    async def create(self, token: str, name: str, news: dict[str, Json], *, preview: bool = False) -> Any:
        checked = await self.check(token, name, news)
        assert list(checked.failures) == []
        return await self.stub.Create(
            rpc.CreateRequest(urn=_urn(token, name), properties=checked.inputs, preview=preview)
        )


def _serving(
    body: Callable[[Session], Awaitable[None]],
    store: SqliteStore,
    effects: Effects = Effects.INSTANT,
    package: CloudPackage = PACKAGE,
) -> None:
    """Run ``body`` against a served provider, on an event loop of its own."""

    async def run() -> None:
        stop, said = asyncio.Event(), list[str]()
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        provider = Provider(lambda: package, lambda known: Simulator(known, store, effects), said.append)
        server = asyncio.create_task(serve(provider, ready=port.set_result, stop=stop))
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{await port}") as channel:
                await body(Session(provider_pb2_grpc.ResourceProviderStub(channel), store, said))
        finally:
            stop.set()
            await server

    asyncio.run(run())


def test_a_resource_lives_its_whole_life_over_the_wire(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        shake = await engine.stub.Handshake(rpc.ProviderHandshakeRequest())
        assert (shake.accept_secrets, shake.supports_autonaming_configuration) == (True, True)
        await engine.configure()
        inputs = {"cidrBlock": "10.0.0.0/16", "tags": {"a": "1"}}
        made = await engine.create(VPC, "v", inputs)
        assert made.id.startswith("vpc-")
        assert from_struct(made.properties)["ownerId"] == "000000000000"
        urn = _urn(VPC, "v")

        news = to_struct({**inputs, "tags": {"a": "2"}})
        diff = await engine.stub.Diff(
            rpc.DiffRequest(id=made.id, urn=urn, old_inputs=to_struct(inputs), olds=made.properties, news=news)
        )
        assert diff.changes == rpc.DiffResponse.DIFF_SOME
        assert {path: entry.kind for path, entry in diff.detailedDiff.items()} == {"tags.a": rpc.PropertyDiff.UPDATE}
        assert list(diff.replaces) == []
        updated = await engine.stub.Update(
            rpc.UpdateRequest(id=made.id, urn=urn, olds=made.properties, old_inputs=to_struct(inputs), news=news)
        )
        assert from_struct(updated.properties)["tagsAll"] == {"a": "2"}

        read = await engine.stub.Read(rpc.ReadRequest(id=made.id, urn=urn, inputs=news, properties=updated.properties))
        assert from_struct(read.inputs) == from_struct(news)
        await engine.stub.Delete(rpc.DeleteRequest(id=made.id, urn=urn, properties=updated.properties))
        gone = await engine.stub.Read(rpc.ReadRequest(id=made.id, urn=urn))
        assert gone.id == ""

    _serving(body, store)


def test_import_reconstructs_inputs(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        await engine.configure()
        made = await engine.create(VPC, "v", {"cidrBlock": "10.0.0.0/16", "tags": {"a": "1"}})
        read = await engine.stub.Read(rpc.ReadRequest(id=made.id, urn=_urn(VPC, "imported")))
        assert from_struct(read.inputs) == {
            "cidrBlock": "10.0.0.0/16",
            "enableDnsSupport": True,
            "instanceTenancy": "default",
            "tags": {"a": "1"},
        }

    _serving(body, store)


def test_a_replacement_says_what_replaces_and_in_which_order(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        await engine.configure()
        old = {"name": "c", "roleArn": "arn:x", "vpcConfig": {"subnetIds": ["a"]}}
        new = {**old, "vpcConfig": {"subnetIds": ["b"]}}
        diff = await engine.stub.Diff(
            rpc.DiffRequest(id="c", urn=_urn(CLUSTER, "c"), old_inputs=to_struct(old), news=to_struct(new))
        )
        assert list(diff.replaces) == ["vpcConfig.subnetIds[0]"]
        assert list(diff.diffs) == ["vpcConfig"]
        assert diff.deleteBeforeReplace

    _serving(body, store)


def test_a_preview_carries_unknowns_and_secrets(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        await engine.configure()
        made = await engine.create(SUBNET, "s", {"vpcId": UNKNOWN, "cidrBlock": Secret("10.0.0.0/24")}, preview=True)
        state = from_struct(made.properties)
        assert made.id == ""
        assert is_unknown(state["vpcId"])
        assert is_unknown(state["arn"])
        assert state["cidrBlock"] == Secret("10.0.0.0/24")
        assert store.journal() == []

    _serving(body, store)


def test_problems_of_the_inputs_are_check_failures(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        await engine.configure()
        checked = await engine.check(VPC, "v", {"cidrBlok": "x"})
        assert [(failure.property, failure.reason) for failure in checked.failures] == [
            ("cidrBlok", "is not a property of this type; did you mean 'cidrBlock'?")
        ]

    _serving(body, store)


def test_the_engines_autonaming_reaches_the_check(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        await engine.configure()
        autonaming = rpc.CheckRequest.AutonamingOptions(
            proposed_name="proposed", mode=rpc.CheckRequest.AutonamingOptions.ENFORCE
        )
        news = {"roleArn": "arn:x", "vpcConfig": {"subnetIds": ["a"]}}
        checked = await engine.check(CLUSTER, "c", news, autonaming=autonaming)
        assert from_struct(checked.inputs)["name"] == "proposed"

    _serving(body, store)


def test_an_unmarked_configuration_is_refused_and_a_marked_one_is_announced_once(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        unmarked = {"region": "us-east-1", "allowedAccountIds": '["123456789012"]'}
        checked = await engine.stub.CheckConfig(rpc.CheckRequest(urn=PROVIDER_URN, news=to_struct(unmarked)))
        assert [failure.reason for failure in checked.failures] == ['allowedAccountIds must be ["000000000000"]']
        with pytest.raises(grpc.RpcError, match="allowedAccountIds must be"):
            await engine.stub.Configure(rpc.ConfigureRequest(args=to_struct(unmarked)))
        misspelt = await engine.stub.CheckConfig(rpc.CheckRequest(urn=PROVIDER_URN, news=to_struct({"regoin": "x"})))
        assert [failure.property for failure in misspelt.failures] == ["regoin"]
        assert engine.said == []
        await engine.configure()
        assert engine.said == ["simulated AWS account 000000000000: nothing is created at AWS"]

    _serving(body, store)


def test_a_call_before_configure_is_one_clear_error(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        with pytest.raises(grpc.RpcError, match="the provider has not been configured"):
            await engine.check(VPC, "v", {})

    _serving(body, store)


def test_a_changed_configuration_is_an_update_never_a_replacement(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        diff = await engine.stub.DiffConfig(
            rpc.DiffRequest(urn=PROVIDER_URN, old_inputs=to_struct({"region": "a"}), news=to_struct({"region": "b"}))
        )
        assert (list(diff.diffs), list(diff.replaces)) == (["region"], [])

    _serving(body, store)


def test_a_partial_creation_carries_id_and_state_in_the_status(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        await engine.configure()
        store.add_fault(Fault(type=FaultType.PARTIAL, parameters={"message": "half done"}))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await engine.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"})
        trailer: Any = failed.value.trailing_metadata()
        status = status_pb2.Status.FromString(trailer["grpc-status-details-bin"])
        detail = rpc.ErrorResourceInitFailed()
        assert status.details[0].Unpack(detail)
        assert detail.id == store.find("ec2:Vpc")[0].id
        assert list(detail.reasons) == ["half done"]
        assert from_struct(detail.inputs) == {"cidrBlock": "10.0.0.0/16"}

    _serving(body, store)


def test_waiting_creations_run_side_by_side_and_do_not_stall_the_others(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        await engine.configure()
        vpc = await engine.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"})
        subnet = await engine.create(SUBNET, "s", {"vpcId": vpc.id, "cidrBlock": "10.0.0.0/24"})
        inputs = {"roleArn": "arn:x", "vpcConfig": {"subnetIds": [subnet.id]}}
        waiting = [asyncio.create_task(engine.create(CLUSTER, f"c{n}", {**inputs, "name": f"c{n}"})) for n in range(8)]
        await asyncio.wait_for(asyncio.to_thread(_wait_for_clusters, store, 8), timeout=30)
        started = time.monotonic()
        await engine.create(VPC, "other", {"cidrBlock": "10.1.0.0/16"})
        assert time.monotonic() - started < 1
        await engine.stub.Cancel(rpc.ConfigureRequest())
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all("cancelled while waiting" in str(result) for result in results)

    _serving(body, store, Effects.SUPERVISOR)


def _wait_for_clusters(store: SqliteStore, count: int) -> None:
    while len(store.find("eks:Cluster")) < count:
        time.sleep(0.01)


def test_data_sources_answer_or_fail_by_name(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        await engine.configure()
        answer = await engine.stub.Invoke(rpc.InvokeRequest(tok=ZONES, args=Struct()))
        assert from_struct(getattr(answer, "return"))["id"] == "us-east-1"
        with pytest.raises(grpc.RpcError, match="getAmi is not modelled"):
            await engine.stub.Invoke(rpc.InvokeRequest(tok="aws:ec2/getAmi:getAmi", args=Struct()))

    _serving(body, store)


def test_the_plugin_says_which_sdk_it_speaks_for(store: SqliteStore) -> None:
    async def body(engine: Session) -> None:
        info = await engine.stub.GetPluginInfo(Struct())
        schema = await engine.stub.GetSchema(rpc.GetSchemaRequest())
        assert info.version == "7.51.1"
        assert schema.schema == '{"name": "aws", "version": "7.51.1"}'
        with pytest.raises(grpc.RpcError, match="does not take parameters"):
            await engine.stub.Parameterize(rpc.ParameterizeRequest())

    _serving(body, store)


# --- the process -----------------------------------------------------------------------------------------------------

_PLUGIN = """
import sys
import local.cloud.plugin as plugin
from tests.unit.cloud_core.toy import PACKAGE
plugin.load_package = lambda name: PACKAGE
sys.exit(plugin.main(["aws", *sys.argv[1:]]))
"""


def _start(tmp_path: Path, *prefix: str, account: bool = True) -> "subprocess.Popen[str]":
    environment = {**os.environ, "SLIPWAY_EFFECTS": "instant"}
    environment.pop("SLIPWAY_ACCOUNT", None)
    if account:
        environment["SLIPWAY_ACCOUNT"] = str(tmp_path / "account.db")
    command = [*prefix, sys.executable, "-c", _PLUGIN]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)


def test_the_plugin_starts_in_time_prints_only_its_port_and_ends_quietly(tmp_path: Path) -> None:
    started = time.monotonic()
    plugin = _start(tmp_path)
    assert plugin.stdout is not None
    port = int(plugin.stdout.readline())
    assert time.monotonic() - started < 10
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(rpc.ConfigureRequest(args=to_struct(MARKED)))
        stub.Create(rpc.CreateRequest(urn=_urn(VPC, "v"), properties=to_struct({"cidrBlock": "10.0.0.0/16"})))
    plugin.send_signal(signal.SIGINT)
    assert plugin.wait(timeout=10) == 0
    assert plugin.stdout.read() == ""
    assert len(SqliteStore(tmp_path / "account.db").find("ec2:Vpc")) == 1


def test_without_an_account_the_plugin_says_what_to_do(tmp_path: Path) -> None:
    plugin = _start(tmp_path, account=False)
    assert plugin.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(plugin.stdout.readline())}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        with pytest.raises(grpc.RpcError, match=r'SLIPWAY_ACCOUNT is not set.*"slipway local up"'):
            stub.Configure(rpc.ConfigureRequest(args=to_struct(MARKED)))
    plugin.terminate()
    plugin.wait(timeout=10)


def test_the_plugin_ends_with_its_parent(tmp_path: Path) -> None:
    parent = _start(tmp_path, sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])")
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                stub.Handshake(rpc.ProviderHandshakeRequest(), timeout=1)
            except grpc.RpcError:
                return
            time.sleep(0.1)
    pytest.fail("the plugin outlived its parent by 10 seconds")


def test_the_executable_is_where_the_engine_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.cloud.plugin.load_package", lambda name: PACKAGE)
    executable = install(tmp_path)
    assert executable == tmp_path / "plugins" / "resource-aws-v7.51.1" / "pulumi-resource-aws"
    assert os.access(executable, os.X_OK)
    assert "local.cloud.plugin aws" in executable.read_text()


def test_the_engines_log_hears_it_once() -> None:
    heard: list[str] = []

    class Engine(engine_pb2_grpc.EngineServicer):
        def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
            from google.protobuf import empty_pb2

            heard.append(request.message)
            return empty_pb2.Empty()

    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1))
    engine_pb2_grpc.add_EngineServicer_to_server(Engine(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    announce = announcer(f"127.0.0.1:{port}")
    announce("simulated")
    announce("simulated")
    server.stop(None)
    assert heard == ["simulated"]


# --- values on the wire ----------------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=8)
json_values = st.recursive(
    scalars | st.builds(lambda: UNKNOWN),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3) | inner.map(Secret)
    ),
)


@given(st.dictionaries(st.text(max_size=6), json_values, max_size=4))
def test_values_survive_the_wire(properties: dict[str, Json]) -> None:
    assert _equal(from_struct(to_struct(properties)), properties)


def _equal(left: Json, right: Json) -> bool:
    if is_unknown(left) or is_unknown(right):
        return is_unknown(left) and is_unknown(right)
    if isinstance(left, Secret) and isinstance(right, Secret):
        return _equal(left.value, right.value)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return type(left) is type(right) and bool(left == right)


def test_output_values_become_plain_secret_or_unknown() -> None:
    signature = {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4"}
    struct = to_struct(
        {
            "plain": {**signature, "value": "x"},
            "secret": {**signature, "value": "x", "secret": True},
            "unknown": dict(signature),
            "number": "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        }
    )
    values = from_struct(struct)
    assert values["plain"] == "x"
    assert values["secret"] == Secret("x")
    assert is_unknown(values["unknown"])
    assert is_unknown(values["number"])
    assert to_struct({"a": UNKNOWN}).fields["a"].string_value == UNKNOWN_STRING


def test_provider_configuration_is_decoded_from_json_text() -> None:
    config = {"region": "true-west", "allowedAccountIds": '["1"]', "skip": "true", "token": Secret('{"a": 1}')}
    assert plain(decoded({**config, "version": "7.51.1"})) == {
        "region": "true-west",
        "allowedAccountIds": ["1"],
        "skip": True,
        "token": {"a": 1},
    }


def test_a_defect_of_the_simulator_names_itself_without_values(store: SqliteStore) -> None:
    def broken(_: dict[str, Json], __: Context) -> None:
        raise KeyError("hunter2")

    bindings = {**PACKAGE.bindings, VPC: dataclasses.replace(PACKAGE.bindings[VPC], compute=broken)}
    package = dataclasses.replace(PACKAGE, bindings=bindings)

    async def body(engine: Session) -> None:
        await engine.configure()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await engine.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"})
        details = failed.value.details() or ""
        assert "the simulator itself failed: KeyError at test_provider_protocol.py:" in details
        assert "hunter2" not in details
        assert store.objects(maker=Maker.PROGRAM) == []

    _serving(body, store, package=package)
