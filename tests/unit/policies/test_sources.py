import json
from pathlib import Path
from typing import Any

import pytest

from policies.graph import SECRET, UNKNOWN, Operation, ResourceGraph, UndecidedError
from policies.sources import files, values
from policies.sources.errors import SourceError

_BUCKET = "aws:s3/bucket:Bucket"


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:prod::slipway::slipway:aws:DataLake${token}::{name}"


def state(name: str, token: str = _BUCKET, **rest: Any) -> dict[str, Any]:
    return {"urn": urn(token, name), "custom": True, "type": token, "inputs": {}, "outputs": {}, **rest}


def export(*resources: Any, **rest: Any) -> dict[str, Any]:
    return {"version": 3, "deployment": {"manifest": {}, "resources": list(resources), **rest}}


def read(tmp_path: Path, content: Any, name: str = "input.json") -> ResourceGraph:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return files.read(path)


def test_an_export_keeps_inputs_outputs_options_and_place(tmp_path: Path) -> None:
    given = state(
        "lake",
        inputs={"bucket": "a", "__defaults": []},
        outputs={"bucket": "a", "arn": "arn:aws:s3:::a"},
        protect=True,
        retainOnDelete=True,
        parent="urn:p",
        provider="urn:pulumi:prod::slipway::pulumi:providers:aws::main::0123",
        dependencies=["urn:d"],
        propertyDependencies={"bucket": ["urn:d"], "tags": None},
        id="a",
    )
    graph = read(tmp_path, export(given))
    (lake,) = graph.resources
    assert (graph.stack, graph.project, graph.preview) == ("prod", "slipway", False)
    assert lake.properties == {"bucket": "a"}, "the provider's own notes are no inputs"
    assert lake.output("arn") == "arn:aws:s3:::a"
    assert (lake.name, lake.type, lake.protect, lake.retain_on_delete, lake.id) == ("lake", _BUCKET, True, True, "a")
    assert lake.provider == "urn:pulumi:prod::slipway::pulumi:providers:aws::main", "the id at its end is no URN"
    assert lake.property_dependencies == {"bucket": ("urn:d",), "tags": ()}


def test_secrets_never_enter_the_graph_in_whatever_form_they_stand_in_the_file(tmp_path: Path) -> None:
    clear = {values.SIGNATURE: values.SECRET_SIGNATURE, "plaintext": '"hunter2"'}
    encrypted = {values.SIGNATURE: values.SECRET_SIGNATURE, "ciphertext": "v1:abc:def"}
    output = {values.SIGNATURE: values.OUTPUT_SIGNATURE, "value": "hunter2", "secret": True}
    opaque = state("token", "kubernetes:core/v1:Secret", inputs={"stringData": {"a": "hunter2"}, "kind": "Secret"})
    graph = read(tmp_path, export(state("db", inputs={"a": clear, "b": [encrypted], "c": {"d": output}}), opaque))
    assert "hunter2" not in repr(graph)
    db, token = graph.resources
    assert (db.properties["a"], db.properties["b"][0], db.properties["c"]["d"]) == (SECRET, SECRET, SECRET)
    assert token.properties["stringData"] is SECRET, "a Kubernetes Secret is one, marked or not"
    with pytest.raises(UndecidedError):
        db.get("b[0]")


def test_half_deleted_external_and_interrupted_resources_are_told_apart(tmp_path: Path) -> None:
    pending = {"resource": state("queue"), "type": "creating"}
    graph = read(
        tmp_path,
        export(state("old", delete=True), state("found", external=True), state("mine"), pending_operations=[pending]),
    )
    assert [item.operation for item in graph.resources] == [Operation.DELETE, Operation.SAME, Operation.SAME]
    assert [item.name for item in graph.of_type(_BUCKET)] == ["found", "mine"], "what is about to go is not looked at"
    assert graph.resources[1].external
    assert "creating aws:s3/bucket:Bucket queue" in graph.notes[0]


def test_an_export_of_a_newer_engine_is_read_as_far_as_it_is_understood(tmp_path: Path) -> None:
    odd = [state("new", "aws:quantum/teleporter:Teleporter", unheardOf={"a": 1}, inputs=None, dependencies="x"), 7, {}]
    graph = read(tmp_path, {**export(*odd), "version": 9})
    assert [item.type for item in graph.resources] == ["aws:quantum/teleporter:Teleporter"]
    assert graph.notes == (
        "deployment version 9 is not known here; it was read as version 3",
        "2 entries are no resources (no URN) and were left out",
    )


def test_a_preview_tells_what_happens_and_keeps_unknown_values_unknown(tmp_path: Path) -> None:
    guid = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    new = state("lake", inputs={"bucket": guid, "tags": {"a": "1"}, "key": "[secret]"})
    old, again = state("y", inputs={"bucket": "before"}), state("y", inputs={"bucket": "after"})
    steps = [
        {"op": "create", "urn": new["urn"], "newState": new},
        {"op": "same", "urn": urn(_BUCKET, "x"), "newState": state("x"), "oldState": state("x")},
        {"op": "create-replacement", "urn": old["urn"], "newState": again, "oldState": old},
        {"op": "replace", "urn": old["urn"], "newState": again, "oldState": old},
        {"op": "delete-replaced", "urn": old["urn"], "oldState": old},
        {"op": "delete", "urn": urn(_BUCKET, "z"), "oldState": state("z", inputs={"a": 1})},
        {"op": "transmute", "urn": urn(_BUCKET, "w"), "newState": state("w")},
        "junk",
    ]
    graph = read(tmp_path, {"steps": steps, "changeSummary": {"same": 12, "create": 1}})
    found = {item.name: item for item in graph.resources}
    assert {name: item.operation.value for name, item in found.items()} == {
        "lake": "create",
        "x": "same",
        "y": "replace",
        "z": "delete",
        "w": "update",
    }
    assert found["lake"].properties == {"bucket": UNKNOWN, "tags": {"a": "1"}, "key": SECRET}
    assert found["y"].before == {"bucket": "before"}
    assert graph.preview
    assert "11 resources that stay as they are do not stand in this preview" in graph.notes[0]
    assert graph.notes[1] == "steps that are not known here were read as updates: transmute"


def test_manifests_of_many_documents_lists_and_kinds_are_unpacked(tmp_path: Path) -> None:
    text = """
# rendered
apiVersion: v1
kind: Namespace
metadata: {name: research}
---
---
apiVersion: v1
kind: List
items:
  - {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: research}, spec: {replicas: 2}}
---
apiVersion: v1
kind: PodList
items: [{metadata: {name: a, annotations: {day: 2026-11-21}}}]
---
{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: aHVudGVyMg==}}
"""
    graph = read(tmp_path, text, "rendered.yaml")
    assert [(item.type, item.id) for item in graph.resources] == [
        ("kubernetes:core/v1:Namespace", "research"),
        ("kubernetes:apps/v1:Deployment", "research/web"),
        ("kubernetes:core/v1:Pod", "a"),
        ("kubernetes:core/v1:Secret", "s"),
    ]
    assert graph.resources[1].get("spec.replicas") == 2
    assert graph.resources[2].get("metadata.annotations.day") == "2026-11-21", "a date is text, as for Kubernetes"
    assert graph.resources[3].properties["data"] is SECRET


def test_a_manifest_in_json_is_read_too_and_the_same_object_twice_stays_two(tmp_path: Path) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    assert [item.type for item in read(tmp_path, pod).resources] == ["kubernetes:core/v1:Pod"]
    assert len({item.urn for item in read(tmp_path, f"{json.dumps(pod)}\n", "a.json").resources}) == 1
    twice = read(tmp_path, f"kind: Pod\napiVersion: v1\n---\n{json.dumps(pod)}\n---\n{json.dumps(pod)}", "b.yaml")
    assert len({item.urn for item in twice.resources}) == 3


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ('{"version": 3, "deployment": {"resources": [{"urn": "urn:pul', "export.json", "no complete JSON"),
        ("", "export.json", "is empty"),
        (b"\xef\xbb\xbf  \n", "export.json", "is empty"),
        ('{"a": 1}', "export.json", "neither a preview nor an export nor a manifest"),
        ("[1, 2]", "x.json", "no Kubernetes object"),
        ("7", "x.yaml", "no Kubernetes object"),
        ('{"version": 3, "deployment": {"resources": {}}}', "e.json", "no list of resources"),
        ('{"version": 3, "deployment": null}', "e.json", "no list of resources"),
        ('{"steps": 5}', "p.json", "no list of steps"),
        ('{"a":' * 100_000, "deep.json", "nested too deeply"),
        ("kind: Pod\napiVersion: v1\n---\nkind: [", "m.yaml", "no YAML at line 5, column 1"),
        ("kind: Pod\napiVersion: v1\nspec: {8080: web}", "m.yaml", "the key 8080, which is no text"),
        ("kind: Pod\napiVersion: v1\nspec: {? [a, b] : web}", "m.yaml", "no YAML at line 3"),
        (f"kind: ConfigMap\napiVersion: v1\n{BOMB}", "bomb.yaml", "values once its aliases are written out"),
        ("kind: Pod\napiVersion: v1\nspec: &s\n  again: *s", "loop.yaml", "values once its aliases are written out"),
        ("kind: Pod\napiVersion: v1\nspec: !!python/object/apply:os.system [ls]", "evil.yaml", "could not determine"),
        ("kind: Pod\napiVersion: v1\na: " + "[" * 5000, "deep.yaml", "more than 100 levels"),
        ("- " * 1_000_000, "deep.yaml", "more than 100 levels"),
    ],
)
def test_what_is_no_source_is_one_clear_error(tmp_path: Path, content: str | bytes, name: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read(tmp_path, content, name)
    assert caught.value.hint, "the error says what to do"


def test_names_that_are_no_utf8_are_shown_and_told(tmp_path: Path) -> None:
    broken = json.dumps(export(state("caf"))).encode().replace(b"::caf", b"::caf\xe9")
    graph = read(tmp_path, broken)
    assert graph.resources[0].name == "caf\N{REPLACEMENT CHARACTER}"
    assert "no UTF-8" in graph.notes[0]
    half = read(tmp_path, json.dumps(export(state("half"))).replace("::half", "::half\\ud83d"))
    assert half.resources[0].name == "half?", "half a surrogate pair can be printed nowhere"


def test_five_megabytes_of_junk_in_a_property_are_carried_along(tmp_path: Path) -> None:
    graph = read(tmp_path, export(state("lake", inputs={"policy": "\x00junk" * 1_000_000})))
    assert len(graph.resources[0].properties["policy"]) == 5_000_000
