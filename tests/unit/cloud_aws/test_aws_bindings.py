"""Every bound type goes to the API's shape and back without a difference, and shows outputs of the schema's types."""

import re
from typing import Any

import pytest

from local.cloud.aws.package import PACKAGE
from local.cloud.convert import REGION
from local.cloud.schema import ResourceSchema, Type
from tests.support.aws_platform import STEPS

NAMES = [name for _, name, _ in STEPS]
NOT_IMPORTABLE_AS_IT_WAS = {
    "aws:ec2/capacityBlockReservation:CapacityBlockReservation": {"capacityBlockOfferingId"},
}


def _schema(world: Any, token: str) -> ResourceSchema:
    found: ResourceSchema = world.simulator._session.types.get(token).schema
    return found


def test_the_platform_has_one_of_every_bound_type() -> None:
    assert {token for token, _, _ in STEPS} == set(PACKAGE.bindings)


@pytest.mark.parametrize("name", NAMES)
def test_reading_a_resource_back_shows_the_inputs_that_made_it(everything: Any, name: str) -> None:
    made = everything.made[name]
    found = everything.simulator.read(made.token, made.id, inputs=made.inputs, state=made.state)

    assert found is not None
    assert everything.simulator.diff(made.token, made.id, found.inputs, made.inputs).changes == {}
    assert found.inputs == made.inputs
    for key, value in made.inputs.items():
        if not key.startswith("__"):
            assert _within(value, made.state[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_an_update_with_the_same_inputs_leaves_the_object_as_it_is(everything: Any, name: str) -> None:
    made = everything.made[name]
    before = everything.simulator.read(made.token, made.id, inputs=made.inputs, state=made.state)
    everything.simulator.update(made.token, made.id, made.inputs, made.inputs, olds=made.state)
    after = everything.simulator.read(made.token, made.id, inputs=made.inputs, state=made.state)

    assert after.inputs == before.inputs
    assert {**after.state, "modifiedAt": ""} == {**before.state, "modifiedAt": ""}


@pytest.mark.parametrize("name", NAMES)
def test_an_import_by_id_finds_the_resource_with_its_inputs(everything: Any, name: str) -> None:
    made = everything.made[name]
    found = everything.simulator.read(made.token, made.id)
    binding = PACKAGE.bindings[made.token]
    unseen = {*binding.client_only, *NOT_IMPORTABLE_AS_IT_WAS.get(made.token, set()), REGION, "__defaults"}

    assert found is not None
    assert found.id == made.id
    for key, value in made.inputs.items():
        if key not in unseen:
            assert _within(value, found.inputs.get(key)), f"{key}: {value} not in {found.inputs.get(key)}"


def _within(part: Any, whole: Any) -> bool:
    """Whether ``whole`` says at least what ``part`` says; the service adds members that nobody asked for."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(_within(value, whole.get(key)) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    return bool(part == whole)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_have_the_types_of_the_schema(everything: Any, name: str) -> None:
    made = everything.made[name]
    schema = _schema(everything, made.token)

    assert set(made.state) <= set(schema.outputs.properties) | {"id"}, "outputs that the SDK does not know"
    for key, value in made.state.items():
        problem = _mismatch(value, schema.outputs.properties[key], schema, key)
        assert problem is None, problem
    missing = [key for key in schema.outputs.required if key not in made.state]
    assert missing == [], f"outputs that every object of this type has: {missing}"


def _mismatch(value: Any, kind: Type, schema: ResourceSchema, path: str) -> str | None:
    python: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "map": dict,
        "list": list,
    }
    expected = python.get(kind.name)
    if expected is not None and (not isinstance(value, expected) or (kind.name == "integer" and value is True)):
        return f"{path}: {value!r} is not a {kind.name}"
    if kind.name == "list" and kind.item is not None:
        found = (_mismatch(item, kind.item, schema, f"{path}[]") for item in value)
        return next((text for text in found if text), None)
    if kind.name == "object" and isinstance(value, dict):
        shape = schema.shapes[kind.shape].properties
        unknown = set(value) - set(shape)
        if unknown:
            return f"{path}: the SDK knows no {sorted(unknown)}"
        found = (_mismatch(item, shape[key], schema, f"{path}.{key}") for key, item in value.items())
        return next((text for text in found if text), None)
    return None


SHAPES = {
    ("vpc", "id"): r"vpc-[0-9a-f]{17}",
    ("vpc", "arn"): r"arn:aws:ec2:us-east-1:000000000000:vpc/vpc-[0-9a-f]{17}",
    ("a", "arn"): r"arn:aws:ec2:us-east-1:000000000000:subnet/subnet-[0-9a-f]{17}",
    ("eip", "publicIp"): r"\d+\.\d+\.\d+\.\d+",
    ("cluster", "arn"): r"arn:aws:eks:us-east-1:000000000000:cluster/demo",
    ("cluster", "endpoint"): r"https://[0-9A-F]{32}\.gr7\.us-east-1\.eks\.amazonaws\.com",
    ("cluster", "platformVersion"): r"eks\.\d+",
    ("cluster", "createdAt"): r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    ("pool", "arn"): r"arn:aws:eks:us-east-1:000000000000:nodegroup/demo/pool/[0-9a-f]{8}-[0-9a-f-]{27}",
    ("pool", "releaseVersion"): r"1\.36\.\d+-\d{8}",
    ("fs", "id"): r"fs-[0-9a-f]{17}",
    ("fs", "mountName"): r"[a-z2-7]{8}",
    ("fs", "dnsName"): r"fs-[0-9a-f]{17}\.fsx\.us-east-1\.amazonaws\.com",
    ("key", "arn"): r"arn:aws:kms:us-east-1:000000000000:key/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f-]{16}",
    ("crole", "arn"): r"arn:aws:iam::000000000000:role/control-plane",
    ("bucket", "arn"): r"arn:aws:s3:::slipway-data",
    ("flows", "arn"): r"arn:aws:logs:us-east-1:000000000000:log-group:/aws/vpc/flow",
    ("link", "id"): r"dra-[0-9a-f]{17}",
    ("identity", "associationId"): r"a-[a-z0-9]{17}",
}


@pytest.mark.parametrize(("name", "output"), SHAPES)
def test_computed_outputs_look_like_those_of_aws(everything: Any, name: str, output: str) -> None:
    made = everything.made[name]
    value = made.id if output == "id" else made.state[output]

    assert re.fullmatch(SHAPES[name, output], value), value


def test_the_certificate_authority_is_a_certificate(everything: Any) -> None:
    import base64

    from cryptography import x509

    data = everything.made["cluster"].state["certificateAuthority"]["data"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(data))

    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is True
