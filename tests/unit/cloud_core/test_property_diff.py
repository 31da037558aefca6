from hypothesis import given
from hypothesis import strategies as st

from local.cloud.diff import Change, ChangeKind, difference, same
from local.cloud.paths import assign, covers, discard, join, lookup, segments, values_at
from local.cloud.values import UNKNOWN, Json, Secret

ADD, DELETE, UPDATE = ChangeKind.ADD, ChangeKind.DELETE, ChangeKind.UPDATE

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
objects = st.dictionaries(st.text(min_size=1, max_size=4), values, max_size=4)


@given(objects)
def test_nothing_differs_from_itself(properties: dict[str, Json]) -> None:
    assert not difference(properties, properties, create_only=list(properties))


@given(objects)
def test_secrecy_alone_is_no_difference(properties: dict[str, Json]) -> None:
    assert not difference(properties, {name: Secret(value) for name, value in properties.items()})


@given(objects, objects)
def test_there_is_a_difference_in_one_direction_exactly_when_in_the_other(
    old: dict[str, Json], new: dict[str, Json]
) -> None:
    assert set(difference(old, new).changes) == set(difference(new, old).changes)


@given(st.lists(st.text(min_size=1, max_size=6) | st.integers(0, 20), min_size=1, max_size=4))
def test_a_path_is_read_back_as_it_was_written(parts: list[str | int]) -> None:
    parts = ["top", *parts]
    path = ""
    for part in parts:
        path = join(path, part)
    assert segments(path) == tuple(parts)


def test_changes_are_named_down_to_the_property() -> None:
    old = {"tags": {"a.b": "1", "x": "1"}, "rules": [{"port": 1}, {"port": 2}], "gone": 1}
    new = {"tags": {"a.b": "2", "y": "1"}, "rules": [{"port": 1}, {"port": 3}, {"port": 4}]}
    assert difference(old, new).changes == {
        "gone": Change(DELETE),
        "rules[1].port": Change(UPDATE),
        "rules[2]": Change(ADD),
        'tags["a.b"]': Change(UPDATE),
        "tags.x": Change(DELETE),
        "tags.y": Change(ADD),
    }


def test_only_create_only_properties_replace() -> None:
    found = difference(
        {"cidr": "a", "config": {"ids": ["1"], "public": True}},
        {"cidr": "b", "config": {"ids": ["1", "2"], "public": False}},
        create_only=["cidr", "config.ids"],
    )
    assert found.replaces == ["cidr", "config.ids[1]"]
    assert found.top_level == ["cidr", "config"]


def test_an_object_that_appears_replaces_when_it_brings_a_create_only_member() -> None:
    create_only = ["config[].id"]
    assert difference({}, {"config": [{"id": "1"}]}, create_only=create_only).replaces == ["config"]
    assert difference({}, {"config": [{"other": "1"}]}, create_only=create_only).replaces == []


def test_an_unknown_new_value_is_a_change_and_replaces_where_it_must() -> None:
    found = difference({"vpcId": "vpc-1", "n": 1}, {"vpcId": UNKNOWN, "n": UNKNOWN}, create_only=["vpcId"])
    assert found.changes == {"n": Change(UPDATE), "vpcId": Change(UPDATE, replace=True)}


def test_ignored_paths_and_everything_below_them_stay_out() -> None:
    old = {"a": {"b": 1, "c": 1}, "l": [{"x": 1}, {"x": 1}], "t": {"k.v": "1"}}
    new = {"a": {"b": 2, "c": 2}, "l": [{"x": 2}, {"x": 2}], "t": {"k.v": "2"}}
    found = difference(old, new, ignore_changes=["a.b", "l[*].x", 't["k.v"]'])
    assert list(found.changes) == ["a.c"]


def test_null_is_absence_and_true_is_not_one() -> None:
    assert not difference({"a": None}, {})
    assert list(difference({"a": True}, {"a": 1}).changes) == ["a"]
    assert same(1, 1.0)


def test_made_up_names_are_no_difference_of_their_own() -> None:
    assert not difference({"name": "x", "__defaults": ["name"]}, {"name": "x"})


def test_values_are_found_through_lists_and_secrets() -> None:
    body = {"A": [{"B": Secret(["x", "y"])}, {"B": ["z"]}], "C": UNKNOWN}
    assert list(values_at(body, "A[].B[]")) == [
        ("A[0].B[0]", Secret("x")),
        ("A[0].B[1]", Secret("y")),
        ("A[1].B[0]", "z"),
    ]
    [(path, value)] = values_at(body, "C.D[]")
    assert path == "C"
    assert value is UNKNOWN
    assert list(values_at(body, "None[].B")) == []


def test_assigning_and_discarding_a_path_leaves_no_trace() -> None:
    body: dict[str, Json] = {"x": 1}
    assign(body, "a.b.c", 2)
    assert lookup(body, "a.b.c") == 2
    discard(body, "a.b.c")
    assert body == {"x": 1}


def test_a_pattern_covers_what_lies_below_it() -> None:
    assert covers(("a", "*"), ("a", 0, "b"))
    assert not covers(("a", "b"), ("a",))
