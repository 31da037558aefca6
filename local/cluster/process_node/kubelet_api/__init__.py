"""The kubelet's HTTPS API, as far as the API server and people's tools use it."""

from local.cluster.process_node.kubelet_api.server import KubeletServer

__all__ = ["KubeletServer"]
