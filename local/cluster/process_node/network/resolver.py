"""What a container finds in /etc/resolv.conf and /etc/hosts; pure functions of its pod.

Source: the Kubernetes documentation, "DNS for Services and Pods" (DNS policy, DNS config, hostname and subdomain) and
"Adding entries to Pod /etc/hosts with HostAliases".
"""

from collections.abc import Iterable, Sequence

from local.cluster.kube import Document
from local.cluster.process_node.network.names import ZONE

_NDOTS = 5
_MAX_SEARCHES = 32
_MAX_NAME_SERVERS = 3
_HOSTS_HEAD = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def cluster_first(namespace: str, name_server: str) -> str:
    """The file for ``dnsPolicy: ClusterFirst``."""
    searches = [f"{namespace}.svc.{ZONE}", f"svc.{ZONE}", ZONE]
    return _text([name_server], searches, [f"ndots:{_NDOTS}"])


def resolv_conf(pod: Document, from_cluster: str) -> str:
    """The file for a pod's ``dnsPolicy`` and ``dnsConfig``; ``from_cluster`` is what ``cluster_first`` made.

    ``Default`` is the node's own file, which here names no server: nothing outside the cluster can be reached.
    """
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    base = from_cluster
    if policy in {"Default", "None"} or (policy == "ClusterFirst" and spec.get("hostNetwork")):
        base = ""
    config = spec.get("dnsConfig") or {}
    servers = [*_values(base, "nameserver"), *(config.get("nameservers") or ())]
    searches = [*_values(base, "search"), *(config.get("searches") or ())]
    options = {name: value for name, _, value in (item.partition(":") for item in _values(base, "options"))}
    options |= {item["name"]: item.get("value") or "" for item in config.get("options") or ()}
    lines = [f"{name}:{value}" if value else name for name, value in options.items()]
    return _text(_unique(servers)[:_MAX_NAME_SERVERS], _unique(searches)[:_MAX_SEARCHES], lines)


def hosts(pod: Document, address: str) -> str:
    """The hosts file: the pod's own names, then its ``hostAliases``."""
    spec = pod["spec"]
    host = hostname(pod)
    names = [host]
    if spec.get("subdomain"):
        names = [f"{host}.{spec['subdomain']}.{pod['metadata']['namespace']}.svc.{ZONE}", host]
    text = _HOSTS_HEAD + f"{address}\t" + "\t".join(names) + "\n"
    aliases = spec.get("hostAliases") or ()
    if aliases:
        text += "\n# Entries added by HostAliases.\n"
    return text + "".join(f"{item['ip']}\t" + "\t".join(item.get("hostnames") or ()) + "\n" for item in aliases)


def hostname(pod: Document) -> str:
    """The pod's host name: ``spec.hostname``, else its name, cut to the kernel's 63 characters."""
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip("-.")


def _values(text: str, keyword: str) -> list[str]:
    lines = (line.split() for line in text.splitlines())
    return [word for words in lines if words and words[0] == keyword for word in words[1:]]


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _text(servers: Sequence[str], searches: Sequence[str], options: Sequence[str]) -> str:
    lines = [f"nameserver {server}" for server in servers]
    if searches:
        lines.append("search " + " ".join(searches))
    if options:
        lines.append("options " + " ".join(options))
    return "".join(f"{line}\n" for line in lines)
