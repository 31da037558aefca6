"""The name server's answers; section numbers are those of the Kubernetes DNS specification, version 1.1.0."""

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cluster.process_node.network.name_server import respond
from local.cluster.process_node.network.names import answer
from local.cluster.process_node.network.services import Directory
from tests.support.network_world import HTTP, directory, endpoint, endpoint_slice, service, small_cluster

CLUSTER = small_cluster()


def values(name: str, kind: str = "A") -> list[str]:
    return [record.value for record in answer(CLUSTER, name, kind).records]


def test_a_service_resolves_to_its_cluster_ip() -> None:
    assert values("web.team.svc.cluster.local") == ["172.20.3.4"], "2.3.1"


def test_a_service_resolves_without_endpoints_because_its_address_is_fixed() -> None:
    assert values("idle.team.svc.cluster.local") == ["172.20.3.5"], "2.3.1 does not ask for endpoints"


def test_a_headless_service_resolves_to_its_ready_pods() -> None:
    assert values("run.team.svc.cluster.local") == ["100.100.1.2", "100.100.2.2", "100.100.2.3"], (
        "2.4.1; an endpoint without a ready condition counts as ready"
    )


def test_a_headless_service_without_ready_pods_does_not_exist() -> None:
    assert not answer(CLUSTER, "nobody.team.svc.cluster.local", "A").exists, "2.4.1: the answer is NXDOMAIN"


def test_a_pod_that_is_not_ready_resolves_when_the_slice_publishes_it() -> None:
    published = directory(
        [service("t", "run", clusterIP="None", publishNotReadyAddresses=True)],
        # What the EndpointSlice controller writes for publishNotReadyAddresses.
        [
            endpoint_slice(
                "t", "run", [{**endpoint("100.100.1.9", "a"), "conditions": {"ready": True, "serving": False}}]
            )
        ],
    )
    assert [item.value for item in answer(published, "a.run.t.svc.cluster.local", "A").records] == ["100.100.1.9"]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("run-node-0-0.run.team.svc.cluster.local", "100.100.1.2"),
        ("run-node-0-1.run.team.svc.cluster.local", "100.100.2.2"),
        ("100-100-2-3.run.team.svc.cluster.local", "100.100.2.3"),
        ("RUN-node-0-0.Run.team.svc.cluster.local", "100.100.1.2"),
    ],
)
def test_a_pod_of_a_headless_service_has_its_host_name_or_else_its_address_as_a_name(name: str, address: str) -> None:
    assert values(name) == [address], "2.4.1; names are compared without case (RFC 4343)"


def test_a_service_port_of_a_cluster_ip_points_to_the_service() -> None:
    found = answer(CLUSTER, "_http._tcp.web.team.svc.cluster.local", "SRV")
    assert [item.value for item in found.records] == ["0 100 80 web.team.svc.cluster.local."], "2.3.2"
    assert [item.value for item in found.additional] == ["172.20.3.4"], "the address spares a second question"


def test_a_service_port_of_a_headless_service_points_to_each_pod_and_its_own_port() -> None:
    found = answer(CLUSTER, "_http._tcp.run.team.svc.cluster.local", "SRV")
    assert [item.value for item in found.records] == [
        "0 33 8080 run-node-0-0.run.team.svc.cluster.local.",
        "0 33 8080 run-node-0-1.run.team.svc.cluster.local.",
        "0 33 8080 100-100-2-3.run.team.svc.cluster.local.",
    ], "2.4.2: the port is the pods', not the Service's"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("4.3.20.172.in-addr.arpa", ["web.team.svc.cluster.local."]),
        ("2.1.100.100.in-addr.arpa", ["run-node-0-0.run.team.svc.cluster.local."]),
        ("7.1.100.100.in-addr.arpa", []),
        ("1.2.3.in-addr.arpa", []),
    ],
)
def test_addresses_resolve_back_to_services_and_to_pods_of_headless_services(name: str, target: list[str]) -> None:
    assert values(name, "PTR") == target, "2.3.3 and 2.4.3; pods behind a ClusterIP have no name"


@pytest.mark.parametrize(
    "name", ["cluster.local", "svc.cluster.local", "team.svc.cluster.local", "_tcp.web.team.svc.cluster.local"]
)
def test_names_with_others_below_them_exist_without_records(name: str) -> None:
    found = answer(CLUSTER, name, "A")
    assert (found.exists, list(found.records)) == (True, []), "RFC 8020: NXDOMAIN would deny everything below"


@pytest.mark.parametrize(
    "name",
    [
        "web.other.svc.cluster.local",
        "missing.team.svc.cluster.local",
        "x.web.team.svc.cluster.local",
        "a.b.c.web.team.svc.cluster.local",
        "_https._tcp.web.team.svc.cluster.local",
        "_http._udp.web.team.svc.cluster.local",
        "other.svc.cluster.local",
        "nonsense.cluster.local",
        "999-1-1-1.team.pod.cluster.local",
        "www.example.org",
        "",
    ],
)
def test_every_other_name_does_not_exist(name: str) -> None:
    assert not answer(CLUSTER, name, "A").exists, name


def test_the_schema_version_is_told() -> None:
    assert values("dns-version.cluster.local", "TXT") == ['"1.1.0"'], "2.2"


def test_a_pod_resolves_by_its_address() -> None:
    assert values("100-100-1-2.team.pod.cluster.local") == ["100.100.1.2"], "CoreDNS `pods insecure`, as EKS has it"


def test_an_external_name_is_an_alias() -> None:
    assert values("store.team.svc.cluster.local") == ["data.example.org."], "2.5"


def ask(name: str, kind: str = "A", cluster: Directory = CLUSTER, *, limit: int = 0) -> dns.message.Message:
    return dns.message.from_wire(respond(cluster, dns.message.make_query(name, kind).to_wire(), limit=limit))


def test_there_are_no_ipv6_addresses_but_the_name_exists() -> None:
    reply = ask("web.team.svc.cluster.local", "AAAA")
    assert (reply.rcode(), len(reply.answer)) == (dns.rcode.NOERROR, 0), "NXDOMAIN would make glibc drop the A answer"
    assert "SOA" in reply.authority[0].to_text(), "RFC 2308: a negative answer names its authority"


def test_a_missing_name_is_nxdomain_and_authoritative() -> None:
    reply = ask("missing.team.svc.cluster.local")
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.flags & dns.flags.AA, "the search list of a resolver goes on only after a clear no"


def test_the_question_comes_back_in_its_own_spelling() -> None:
    assert ask("WeB.team.svc.cluster.local").answer[0].name.to_text() == "WeB.team.svc.cluster.local.", "0x20 resolvers"


def many_pods() -> Directory:
    pods = [endpoint(f"100.100.{1 + index // 200}.{1 + index % 200}", f"run-{index}") for index in range(400)]
    return directory([service("t", "run", clusterIP="None", ports=[HTTP])], [endpoint_slice("t", "run", pods)])


def test_an_answer_too_large_for_udp_is_marked_and_complete_over_tcp() -> None:
    cut = respond(many_pods(), dns.message.make_query("run.t.svc.cluster.local", "A").to_wire(), limit=1232)
    assert len(cut) <= 512, "no EDNS in the question: RFC 1035, 4.2.1"
    assert dns.message.from_wire(cut, ignore_trailing=True).flags & dns.flags.TC
    assert len(ask("run.t.svc.cluster.local", cluster=many_pods()).answer[0]) == 400


def test_other_operations_are_not_implemented() -> None:
    query = dns.message.make_query("web.team.svc.cluster.local", "A")
    query.set_opcode(dns.opcode.STATUS)
    assert dns.message.from_wire(respond(CLUSTER, query.to_wire())).rcode() == dns.rcode.NOTIMP


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=80))
def test_no_bytes_at_all_stop_the_server(wire: bytes) -> None:
    assert isinstance(respond(CLUSTER, wire, limit=1232), bytes)


def test_a_response_is_not_answered() -> None:
    response = dns.message.make_response(dns.message.make_query("web.team.svc.cluster.local", "A"))
    assert respond(CLUSTER, response.to_wire()) == b"", "two servers would talk to each other for ever"
