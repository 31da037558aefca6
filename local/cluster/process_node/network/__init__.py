"""The pods' network of a simulated cluster: one namespace, a bridge, a Service proxy and a name server."""

from local.cluster.process_node.network.client import connect
from local.cluster.process_node.network.client import join_user_namespace as join

__all__ = ["connect", "join"]
