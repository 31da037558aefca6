"""The kubeconfig of an EKS cluster: addresses and a command, no secret and nothing that expires."""

import json

EXEC_API_VERSION = "client.authentication.k8s.io/v1"


def kubeconfig(
    *,
    cluster_name: str,
    endpoint: str,
    certificate_authority: str,
    region: str,
    role_arn: str | None = None,
    proxy_url: str | None = None,
) -> str:
    """JSON text of a kubeconfig whose user runs ``slipway kube-token``.

    A token in a state file would expire in mid-update and differ in every run; a command does neither. The text is
    sorted, so the same cluster always gives the same text.

    Args:
        cluster_name: Physical name of the cluster, which the token is bound to.
        endpoint: ``https://…`` of the API server.
        certificate_authority: Base64 PEM.
        region: Where the token's STS request goes.
        role_arn: Role that the command assumes first.
        proxy_url: Written as ``proxy-url``, for endpoints behind a tunnel.
    """
    cluster = {"server": endpoint, "certificate-authority-data": certificate_authority}
    if proxy_url:
        cluster["proxy-url"] = proxy_url
    arguments = ["kube-token", "--cluster", cluster_name, "--region", region]
    if role_arn:
        arguments += ["--role-arn", role_arn]
    credential = {
        "apiVersion": EXEC_API_VERSION,
        "command": "slipway",
        "args": arguments,
        "interactiveMode": "Never",
        "provideClusterInfo": False,
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster_name, "cluster": cluster}],
            "users": [{"name": cluster_name, "user": {"exec": credential}}],
            "contexts": [{"name": cluster_name, "context": {"cluster": cluster_name, "user": cluster_name}}],
            "current-context": cluster_name,
        },
        sort_keys=True,
    )
