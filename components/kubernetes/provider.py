"""The Kubernetes provider of one cluster."""

import pulumi
import pulumi_kubernetes as k8s

from components.outputs import ClusterOutputs


def provider(name: str, cluster: ClusterOutputs, opts: pulumi.ResourceOptions | None = None) -> k8s.Provider:
    """A provider that reaches ``cluster`` with its kubeconfig.

    ``cluster_identifier`` is plain text: with an unknown kubeconfig (the cluster is about to be changed) the provider,
    and with it every resource of the cluster, would be replaced. ``delete_unreachable`` stays off, because a control
    plane that does not answer for a minute must not empty the state.
    """
    return k8s.Provider(
        name,
        kubeconfig=cluster.kubeconfig,
        cluster_identifier=cluster.identifier,
        enable_server_side_apply=True,
        opts=opts,
    )
