"""Environment variables, words of a command, quantities: as a kubelet computes them."""

import pytest

from local.cluster.process_node.environment import ConfigError, Sources, expand, service_variables, variables
from local.cluster.process_node.images import ImageProgram
from local.cluster.process_node.quantities import in_units_of, quantity, whole
from local.cluster.process_node.starting import command

POD = {"metadata": {"name": "p", "namespace": "team", "uid": "u"}, "spec": {"containers": []}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B)", "$(B)"),
        ("$A $(", "$A $("),
        ("a$(A)b$(A)", "a1b1"),
    ],
)
def test_references_expand_as_in_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected, "forked/golang/expansion in kubernetes' third_party has the same table"


def test_a_variable_sees_only_those_before_it() -> None:
    container = {"env": [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "2"}, {"name": "C", "value": "$(B)"}]}
    found = variables(container, Sources(pod=POD), {})
    assert found == {"A": "$(B)", "B": "2", "C": "2"}


def test_own_variables_win_over_from_config_maps_over_services_over_the_image() -> None:
    sources = Sources(pod=POD, config_maps={"m": {"B": "map", "C": "map"}}, services={"A": "service", "B": "service"})
    container = {"envFrom": [{"configMapRef": {"name": "m"}}], "env": [{"name": "C", "value": "own"}]}
    found = variables(container, sources, {"A": "image", "B": "image", "D": "image"})
    assert found == {"A": "service", "B": "map", "C": "own", "D": "image"}


def test_a_missing_key_is_named_with_its_object() -> None:
    source = {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    with pytest.raises(ConfigError, match="couldn't find key k in Secret team/s"):
        variables({"env": [source]}, Sources(pod=POD, secrets={"s": {}}), {})
    with pytest.raises(ConfigError, match='secret "s" not found'):
        variables({"env": [source]}, Sources(pod=POD, secrets={"s": None}), {})


def test_services_without_an_address_give_no_variables() -> None:
    headless = {"metadata": {"name": "h", "namespace": "team"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}}
    service = {
        "metadata": {"name": "a-b", "namespace": "team"},
        "spec": {"clusterIP": "1.2.3.4", "ports": [{"port": 80}]},
    }
    found = service_variables([headless, service], links=True)
    assert found == {
        "A_B_SERVICE_HOST": "1.2.3.4",
        "A_B_SERVICE_PORT": "80",
        "A_B_PORT": "tcp://1.2.3.4:80",
        "A_B_PORT_80_TCP": "tcp://1.2.3.4:80",
        "A_B_PORT_80_TCP_PROTO": "tcp",
        "A_B_PORT_80_TCP_PORT": "80",
        "A_B_PORT_80_TCP_ADDR": "1.2.3.4",
    }


@pytest.mark.parametrize(
    ("own", "arguments", "expected"),
    [
        ([], [], ["entry", "default"]),
        ([], ["a"], ["entry", "a"]),
        (["c"], [], ["c"]),
        (["c"], ["a"], ["c", "a"]),
    ],
)
def test_command_and_args_replace_what_the_image_brings(
    own: list[str], arguments: list[str], expected: list[str]
) -> None:
    image = ImageProgram(entrypoint=("entry",), command=("default",))
    assert command({"command": own, "args": arguments}, image, {}) == expected


def test_quantities_have_binary_and_decimal_units() -> None:
    assert [whole(text) for text in ("1Gi", "1G", "1500m", "2e3", "0.5")] == [1 << 30, 10**9, 2, 2000, 1]
    assert in_units_of("1500m", "1") == "2"
    assert in_units_of("1Gi", "1Mi") == "1024"
    with pytest.raises(ValueError, match="'1 Gi' is no quantity"):
        quantity("1 Gi")
