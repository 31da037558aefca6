"""Values on the wire between engine and plugin."""

from hypothesis import given
from hypothesis import strategies as st

from local.cloud.values import UNKNOWN, Json, Secret, is_unknown, plain
from local.cloud.wire import UNKNOWN_STRING, decoded, from_struct, to_struct

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
