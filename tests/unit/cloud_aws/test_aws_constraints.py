"""The generated constraints are what the installed vendor schemas say, and corrections have reasons."""

import re

import pytest

from local.cloud.aws.constraints import DATA, constraints_of, document
from local.cloud.aws.generate import text
from local.cloud.aws.overrides import OVERRIDES, SOURCES
from local.cloud.aws.package import PACKAGE
from local.cloud.schema import SdkSchemas


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def test_the_checked_in_file_is_what_the_generator_makes_now() -> None:
    assert DATA.read_text() == text(), "run `python -m local.cloud.aws.generate` and read the difference"


def test_every_binding_has_reviewed_sources_unless_the_service_gives_none() -> None:
    assert set(SOURCES) == set(PACKAGE.bindings)


def test_every_constraint_names_its_source_and_a_property_of_the_sdk() -> None:
    schemas = SdkSchemas("pulumi_aws")
    for token in PACKAGE.bindings:
        known = schemas.get(token).inputs.properties
        for constraint in constraints_of(token):
            assert constraint.source, f"{token} {constraint.path}"
            assert re.split(r"[.\[]", constraint.path)[0] in known, f"{token} {constraint.path}"


def test_every_correction_says_why_and_is_of_a_bound_type() -> None:
    for override in OVERRIDES:
        assert override.resource in PACKAGE.bindings
        assert len(override.reason) > 10, override.path


@pytest.mark.parametrize("token", sorted(PACKAGE.bindings))
def test_what_cloudformation_calls_create_only_replaces_unless_reviewed_otherwise(token: str) -> None:
    source, binding = SOURCES[token], PACKAGE.bindings[token]
    known = SdkSchemas("pulumi_aws").get(token).inputs.properties
    named = {_plain(vendor): name for name, vendor in source.names.items()}
    spelled = {_plain(name): name for name in known}
    replacing = {path.split(".")[0] for path in binding.create_only}
    for path in document()["types"][token]["createOnly"]:
        vendor = path.split(".")[0]
        property_name = named.get(_plain(vendor)) or spelled.get(_plain(vendor))
        if property_name is not None and vendor not in source.replaced:
            assert property_name in replacing or path.startswith("DnsOptions."), f"{token}: {path}"


@pytest.mark.parametrize(
    ("token", "path", "limit"),
    [
        ("aws:eks/nodeGroup:NodeGroup", "capacityType", ("CAPACITY_BLOCK", "ON_DEMAND", "SPOT")),
        ("aws:fsx/lustreFileSystem:LustreFileSystem", "fileSystemTypeVersion", ("2.10", "2.12", "2.15")),
        ("aws:ec2/vpc:Vpc", "instanceTenancy", ("dedicated", "default", "host")),
    ],
)
def test_closed_sets_are_known(token: str, path: str, limit: tuple[str, ...]) -> None:
    found = next(constraint for constraint in constraints_of(token) if constraint.path == path)

    assert tuple(found.values or ()) == limit


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        ("aws:kms/key:Key", {"deletionWindowInDays": 5}, "deletionWindowInDays"),
        ("aws:kms/alias:Alias", {"name": "eks/demo", "targetKeyId": "x"}, "name"),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 8}, "retentionInDays"),
        ("aws:s3/bucket:Bucket", {"bucket": "Not_A_Bucket"}, "bucket"),
        ("aws:ec2/placementGroup:PlacementGroup", {"strategy": "clustered"}, "strategy"),
        ("aws:iam/role:Role", {"name": "x" * 65, "assumeRolePolicy": "{}"}, "name"),
    ],
)
def test_a_value_outside_its_constraint_is_named_by_its_path(
    world: object, token: str, inputs: dict[str, object], path: str
) -> None:
    checked = world.simulator.check(token, "x", inputs)  # type: ignore[attr-defined] # the fixture's class is local

    assert [failure.property for failure in checked.failures] == [path]
