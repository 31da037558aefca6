import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.bound_types import BoundTypes
from local.cloud.convert import Converter, overlay, update_body
from local.cloud.diff import same
from local.cloud.model import Binding, CloudObject, Context
from local.cloud.schema import ResourceSchema, Shape, Type
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.cloud.values import Json, Secret, plain
from tests.unit.cloud_core.toy import CLUSTER, PACKAGE, VPC

TEXT, NUMBER = Type("string"), Type("integer")
RULE = Shape({"fromPort": NUMBER, "cidrBlocks": Type("list", item=TEXT), "labels": Type("map", item=TEXT)})
SCHEMA = ResourceSchema(
    token="toy:index:Group",
    inputs=Shape(
        {
            "groupName": TEXT,
            "rules": Type("list", item=Type("object", shape="rule")),
            "main": Type("object", shape="rule"),
            "tags": Type("map", item=TEXT),
            "password": TEXT,
            "forceDestroy": Type("boolean"),
        }
    ),
    outputs=Shape(
        {
            "groupName": TEXT,
            "rules": Type("list", item=Type("object", shape="rule")),
            "main": Type("object", shape="rule"),
            "tags": Type("map", item=TEXT),
            "tagsAll": Type("map", item=TEXT),
            "password": TEXT,
            "forceDestroy": Type("boolean"),
            "arn": TEXT,
        }
    ),
    secrets=frozenset({"password"}),
    shapes={"rule": RULE},
)
PASCAL = Binding(
    token=SCHEMA.token,
    kind="toy:Group",
    operations={},
    fields={"main": "Config.Main", "main.cidrBlocks": "Ranges.Blocks"},
    client_only=["forceDestroy"],
)
CAMEL = dataclasses.replace(PASCAL, camel_case_body=True, tags="tags", tags_as_map=True)

texts = st.text(min_size=1, max_size=4)
rules = st.fixed_dictionaries(
    {},
    optional={
        "fromPort": st.integers(0, 65535),
        "cidrBlocks": st.lists(texts, max_size=2),
        "labels": st.dictionaries(texts, texts, max_size=2),
    },
)
group_inputs = st.fixed_dictionaries(
    {"groupName": texts},
    optional={
        "rules": st.lists(rules, max_size=3),
        "main": rules,
        "tags": st.dictionaries(texts, texts, max_size=3),
        "password": texts,
        "forceDestroy": st.booleans(),
    },
)


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(account=SqliteStore(":memory:"), name="it")


@given(inputs=group_inputs, binding=st.sampled_from([PASCAL, CAMEL]))
def test_what_goes_to_the_api_comes_back_the_same(context: Context, inputs: dict[str, Json], binding: Binding) -> None:
    converter = Converter(binding, SCHEMA)
    body = converter.to_body(inputs, context)
    item = CloudObject(kind="toy:Group", id="g", region="r", body=body)
    state = plain(converter.to_state(item, context.account, inputs))
    assert all(same(state.get(name), value) for name, value in inputs.items())
    assert converter.inputs_from(item, context, inputs, state) == inputs, "no drift where nothing changed"


@given(inputs=group_inputs, binding=st.sampled_from([PASCAL, CAMEL]))
def test_import_finds_the_inputs_again_save_what_only_the_provider_knew(
    context: Context, inputs: dict[str, Json], binding: Binding
) -> None:
    converter = Converter(binding, SCHEMA)
    item = CloudObject(kind="toy:Group", id="g", region="r", body=converter.to_body(inputs, context))
    found = converter.inputs_from(item, context, {}, {})
    expected = {key: value for key, value in inputs.items() if key not in {"password", "forceDestroy"} and value}
    assert found == expected


def test_names_take_the_services_spelling_and_map_keys_stay(context: Context) -> None:
    inputs = {"main": {"fromPort": 1, "cidrBlocks": ["a"], "labels": {"lowerKey": "x"}}, "tags": {"k": "v"}}
    assert Converter(PASCAL, SCHEMA).to_body(inputs, context) == {
        "Config": {"Main": {"FromPort": 1, "Ranges": {"Blocks": ["a"]}, "Labels": {"lowerKey": "x"}}},
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    assert Converter(CAMEL, SCHEMA).to_body({"tags": {"k": "v"}}, context) == {"tags": {"k": "v"}}


def test_passwords_and_provider_settings_never_reach_the_body(context: Context) -> None:
    inputs = {"groupName": "g", "password": Secret("hunter2"), "forceDestroy": True}
    converter = Converter(PASCAL, SCHEMA)
    body = converter.to_body(inputs, context)
    assert body == {"GroupName": "g"}
    state = converter.to_state(CloudObject(kind="k", id="g", region="r", body=body), context.account, inputs)
    assert state["password"] == Secret("hunter2")
    assert state["forceDestroy"] is True


def test_a_value_that_was_secret_stays_secret_when_the_api_reports_another(context: Context) -> None:
    converter = Converter(PASCAL, SCHEMA)
    item = CloudObject(kind="k", id="g", region="r", body={"GroupName": "drifted"})
    inputs = {"groupName": Secret("mine")}
    assert converter.to_state(item, context.account, inputs)["groupName"] == Secret("drifted")
    assert converter.inputs_from(item, context, inputs, inputs)["groupName"] == Secret("drifted")


def test_a_converter_that_normalises_causes_no_drift(context: Context) -> None:
    binding = dataclasses.replace(PASCAL, to_body=lambda inputs, _: {"GroupName": inputs["groupName"].lower()})
    converter = Converter(binding, SCHEMA)
    inputs = {"groupName": "MiXeD"}
    item = CloudObject(kind="k", id="g", region="r", body=converter.to_body(inputs, context))
    assert item.body == {"GroupName": "mixed"}
    assert converter.inputs_from(item, context, inputs, {}) == inputs
    item.body["GroupName"] = "other"
    assert converter.inputs_from(item, context, inputs, {}) == {"groupName": "other"}


def test_drift_inside_an_object_names_only_what_changed(context: Context) -> None:
    converter = Converter(PASCAL, SCHEMA)
    inputs = {"main": {"fromPort": 1}}
    body = overlay(converter.to_body(inputs, context), {"Config": {"Main": {"Labels": {"by": "service"}}}})
    item = CloudObject(kind="k", id="g", region="r", body=body)
    assert converter.inputs_from(item, context, inputs, {}) == inputs, "what the service added is not drift"
    body["Config"]["Main"]["FromPort"] = 2
    assert converter.inputs_from(item, context, inputs, {}) == {"main": {"fromPort": 2}}


@pytest.mark.parametrize("binding", [PASCAL, CAMEL])
def test_a_tag_that_somebody_added_is_drift(context: Context, binding: Binding) -> None:
    converter = Converter(binding, SCHEMA)
    inputs = {"tags": {"a": "1"}}
    body = converter.to_body({"tags": {"a": "1", "evil": "2"}}, context)
    item = CloudObject(kind="k", id="g", region="r", body=body)
    assert converter.inputs_from(item, context, inputs, {}) == {"tags": {"a": "1", "evil": "2"}}


def test_lists_that_others_fill_are_no_drift_but_a_flipped_switch_is(simulator: Simulator) -> None:
    vpc = simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"})
    item = simulator.store.get("ec2:Vpc", vpc.id)
    assert item is not None
    item.body |= {"EnableDnsSupport": False, "Ipv6CidrBlock": "::/56"}
    simulator.store.put(item)
    found = simulator.read(VPC, vpc.id, inputs={"cidrBlock": "10.0.0.0/16"}, state=vpc.state)
    assert found is not None
    assert found.inputs == {"cidrBlock": "10.0.0.0/16", "enableDnsSupport": False, "ipv6CidrBlock": "::/56"}


def test_an_update_removes_what_the_program_dropped_and_keeps_what_the_service_added() -> None:
    stored = {"A": 1, "B": 2, "Id": "x", "Config": {"P": 1, "Q": 2, "Computed": "y"}}
    body = update_body(stored, {"A": 1, "B": 2, "Config": {"P": 1, "Q": 2}}, {"A": 5, "Config": {"P": 1}}, {"B": 0})
    assert body == {"A": 5, "B": 0, "Id": "x", "Config": {"P": 1, "Computed": "y"}}


def test_types_without_a_binding_are_kept_as_they_were_given() -> None:
    bound = BoundTypes(PACKAGE).get("aws:ec2/keyPair:KeyPair")
    assert not bound.modelled
    assert bound.binding.kind == "aws-ec2:KeyPair"
    assert BoundTypes(PACKAGE).get(CLUSTER).modelled
