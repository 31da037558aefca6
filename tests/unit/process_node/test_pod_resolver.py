"""What a container reads in /etc/resolv.conf and /etc/hosts; the rules are those of the Kubernetes documentation."""

from local.cluster.kube import Document
from local.cluster.process_node.network.resolver import cluster_first, hostname, hosts, resolv_conf

FROM_CLUSTER = cluster_first("team", "172.20.0.10")


def pod(**spec: object) -> Document:
    return {"metadata": {"name": "worker-abc", "namespace": "team"}, "spec": spec}


def test_cluster_first_searches_the_namespace_then_all_services_then_the_cluster() -> None:
    assert resolv_conf(pod(), FROM_CLUSTER) == (
        "nameserver 172.20.0.10\nsearch team.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )


def test_policy_none_has_only_what_the_pod_says() -> None:
    config = {"nameservers": ["192.0.2.1"], "searches": ["my.example"], "options": [{"name": "edns0"}]}
    assert resolv_conf(pod(dnsPolicy="None", dnsConfig=config), FROM_CLUSTER) == (
        "nameserver 192.0.2.1\nsearch my.example\noptions edns0\n"
    )


def test_dns_config_adds_to_the_policy_and_its_options_win() -> None:
    config = {
        "nameservers": ["192.0.2.1", "172.20.0.10"],
        "searches": ["my.example", "cluster.local"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "use-vc"}],
    }
    assert resolv_conf(pod(dnsConfig=config), FROM_CLUSTER) == (
        "nameserver 172.20.0.10\nnameserver 192.0.2.1\n"
        "search team.svc.cluster.local svc.cluster.local cluster.local my.example\n"
        "options ndots:2 use-vc\n"
    ), "duplicates go, order stays"


def test_the_nodes_own_policy_names_no_server() -> None:
    assert resolv_conf(pod(dnsPolicy="Default"), FROM_CLUSTER) == ""


def test_cluster_first_is_the_nodes_policy_on_the_hosts_network() -> None:
    assert resolv_conf(pod(hostNetwork=True), FROM_CLUSTER) == ""
    with_host_net = pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    assert resolv_conf(with_host_net, FROM_CLUSTER) == FROM_CLUSTER


def test_a_pod_finds_itself_by_host_name_and_full_name() -> None:
    spec = pod(hostname="run-node-0-1", subdomain="run")
    assert "100.100.1.2\trun-node-0-1.run.team.svc.cluster.local\trun-node-0-1\n" in hosts(spec, "100.100.1.2")
    assert "127.0.0.1\tlocalhost\n" in hosts(spec, "100.100.1.2")


def test_without_a_subdomain_a_pod_has_only_its_short_name() -> None:
    assert "100.100.1.2\tworker-abc\n" in hosts(pod(), "100.100.1.2")


def test_host_aliases_come_last() -> None:
    text = hosts(pod(hostAliases=[{"ip": "192.0.2.9", "hostnames": ["db", "db.local"]}]), "100.100.1.2")
    assert text.endswith("# Entries added by HostAliases.\n192.0.2.9\tdb\tdb.local\n")


def test_a_long_name_is_cut_to_what_the_kernel_takes() -> None:
    long = {"metadata": {"name": "a" * 62 + "-b", "namespace": "t"}, "spec": {}}
    assert hostname(long) == "a" * 62, "63 characters, and no dash at the end"
