import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2 as rpc
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from local.cloud.faults import Fault, FaultType
from local.cloud.lifecycle import Effects
from local.cloud.model import CloudPackage, Context, Maker
from local.cloud.plugin import serve
from local.cloud.provider import Provider
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.cloud.values import UNKNOWN, Json, Secret, is_unknown
from local.cloud.wire import from_struct, to_struct
from tests.unit.cloud_core.toy import CLUSTER, MARKED, PACKAGE, SUBNET, VPC, ZONES, urn_of

PROVIDER_URN = "urn:pulumi:s::p::pulumi:providers:aws::default"


class Session:
    """A provider served in this process, and a client as the engine is one."""

    def __init__(self, stub: Any, store: SqliteStore, said: list[str]) -> None:
        self.stub = stub
        self.store = store
        self.said = said

    async def configure(self) -> None:
        await self.stub.Configure(rpc.ConfigureRequest(args=to_struct(MARKED)))

    async def check(self, token: str, name: str, news: dict[str, Json], **more: Any) -> Any:
        request = rpc.CheckRequest(urn=urn_of(token, name), news=to_struct(news), randomSeed=b"seed", **more)
        return await self.stub.Check(request)

    async def create(self, token: str, name: str, news: dict[str, Json], *, preview: bool = False) -> Any:
        checked = await self.check(token, name, news)
        assert list(checked.failures) == []
        return await self.stub.Create(
            rpc.CreateRequest(urn=urn_of(token, name), properties=checked.inputs, preview=preview)
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
        urn = urn_of(VPC, "v")

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
        read = await engine.stub.Read(rpc.ReadRequest(id=made.id, urn=urn_of(VPC, "imported")))
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
            rpc.DiffRequest(id="c", urn=urn_of(CLUSTER, "c"), old_inputs=to_struct(old), news=to_struct(new))
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
        await engine.create(VPC, "other", {"cidrBlock": "10.1.0.0/16"})
        assert not any(task.done() for task in waiting), "the other one did not wait for them"
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
