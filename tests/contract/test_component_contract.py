"""What every component keeps, whoever wrote it: the promises that state files and other code rely on."""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import get_type_hints

import pulumi
import pytest

import components
from components import tokens
from components.aws.data_lake import DataLake, DataLakeArgs
from components.tags import resource_tags
from local.cloud.plan import record
from local.cloud.recording import RecordedResource, Recording
from local.cloud.schema import SdkSchemas
from tests.support.aws_components import ACCOUNT, REGION
from tests.support.every_component import every_component

CONSTRUCTOR_LINES = 40
METHOD_LINES = 60
SCHEMAS = SdkSchemas("pulumi_aws")


def discover() -> Iterator[type[pulumi.ComponentResource]]:
    modules = [info.name for info in pkgutil.walk_packages(components.__path__, "components.") if not info.ispkg]
    listed = [path.rpartition(".")[0] for path in tokens.TOKENS]
    for module_name in dict.fromkeys([*modules, *listed]):
        module = importlib.import_module(module_name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, pulumi.ComponentResource) and kind.__module__ == module_name:
                yield kind


COMPONENTS = sorted(discover(), key=lambda kind: kind.__qualname__)
each_component = pytest.mark.parametrize("kind", COMPONENTS, ids=lambda kind: kind.__qualname__)


def path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def annotated_outputs(kind: type[pulumi.ComponentResource]) -> set[str]:
    # ``outputs`` is the same data for other components; the engine gets the plain attributes.
    return set(inspect.get_annotations(kind)) - {"outputs"}


@cache
def recording() -> Recording:
    return record(every_component)


def recorded(kind: type[pulumi.ComponentResource]) -> list[RecordedResource]:
    return recording().of_type(tokens.TOKENS[path(kind)])


@cache
def taggable(token: str) -> bool:
    return token.startswith("aws:") and "tags" in SCHEMAS.get(token).inputs.properties


def test_the_walk_finds_components_of_every_room() -> None:
    rooms = {kind.__module__.split(".")[1] for kind in COMPONENTS if kind.__module__.startswith("components.")}
    assert {"aws", "kubernetes"} <= rooms


def test_the_list_of_tokens_names_every_component_and_nothing_else() -> None:
    assert sorted(path(kind) for kind in COMPONENTS) == sorted(tokens.TOKENS)


def test_no_two_components_share_a_token() -> None:
    assert len(set(tokens.TOKENS.values())) == len(tokens.TOKENS)


@each_component
def test_a_token_names_cloud_and_class(kind: type[pulumi.ComponentResource]) -> None:
    room = kind.__module__.split(".")[1] if kind.__module__.startswith("components.") else kind.__module__.split(".")[0]
    assert tokens.TOKENS[path(kind)] == f"slipway:{room}:{kind.__qualname__}"


@each_component
def test_a_component_says_what_it_is(kind: type[pulumi.ComponentResource]) -> None:
    assert (kind.__doc__ or "").strip() != ""
    assert kind.__doc__ != pulumi.ComponentResource.__doc__


@each_component
def test_a_constructor_takes_name_args_and_opts(kind: type[pulumi.ComponentResource]) -> None:
    parameters = inspect.signature(kind).parameters
    assert list(parameters) == ["name", "args", "opts"]
    assert parameters["opts"].default is None


@each_component
def test_arguments_are_a_frozen_keyword_only_dataclass(kind: type[pulumi.ComponentResource]) -> None:
    args: type = get_type_hints(kind.__init__)["args"]
    assert is_dataclass(args)
    assert str(args).endswith("Args'>")
    assert vars(args)["__dataclass_params__"].frozen
    assert [item.name for item in fields(args) if not item.kw_only] == []


@each_component
def test_constructors_and_methods_stay_short(kind: type[pulumi.ComponentResource]) -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    assert lengths.pop("__init__") <= CONSTRUCTOR_LINES
    assert {name: length for name, length in lengths.items() if length > METHOD_LINES} == {}


@each_component
def test_a_component_registers_under_its_token(kind: type[pulumi.ComponentResource]) -> None:
    assert recorded(kind), f"{path(kind)} is not built by tests/support/every_component.py: add it there"


@each_component
def test_a_component_registers_exactly_its_annotated_outputs(kind: type[pulumi.ComponentResource]) -> None:
    for component in recorded(kind):
        assert component.registered_outputs
        assert set(component.outputs) == annotated_outputs(kind)


def test_every_resource_hangs_below_a_component() -> None:
    by_urn = {resource.urn: resource for resource in recording().resources}
    loose = [
        (resource.type, resource.name)
        for resource in recording().resources
        if resource.custom
        and not resource.type.startswith("pulumi:providers:")
        and not by_urn[resource.parent].type.startswith("slipway:")
    ]
    assert loose == []


@each_component
def test_a_component_has_children(kind: type[pulumi.ComponentResource]) -> None:
    assert all(recording().children(component) for component in recorded(kind))


def test_logical_names_of_children_start_with_their_components_name() -> None:
    by_urn = {resource.urn: resource for resource in recording().resources}
    strange = [
        (parent.name, resource.name)
        for resource in recording().resources
        if (parent := by_urn.get(resource.parent)) is not None
        and parent.type.startswith("slipway:")
        and resource.custom
        and not resource.name.startswith(parent.name)
    ]
    assert strange == []


def test_every_taggable_resource_carries_its_own_tags() -> None:
    resources = [resource for resource in recording().resources if taggable(resource.type)]
    assert len({resource.type for resource in resources}) > 20
    untagged = [
        (resource.type, resource.name)
        for resource in resources
        if not resource_tags(resource.name).items() <= dict(resource.inputs.get("tags") or {}).items()
    ]
    assert untagged == []


def test_what_a_caller_renames_is_the_component_and_not_its_children() -> None:
    def renamed() -> None:
        options = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="former-lake")], protect=True)
        DataLake("lake", DataLakeArgs(account_id=ACCOUNT, region=REGION, protect=False), options)

    found = record(renamed)
    carriers = [item.name for item in found.resources if "former-lake" in str(item.options.get("aliases"))]
    assert carriers == ["lake"]
