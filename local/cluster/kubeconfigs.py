"""Kubeconfig documents: with a client certificate for the components, with an exec credential for people."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from local.cluster.certificates import Pair
from local.cluster.files import write_private

_EXEC_API = "client.authentication.k8s.io/v1"


def write_certificate_kubeconfig(path: Path, server: str, authority_pem: str, pair: Pair) -> Path:
    """Write a kubeconfig (JSON, which is YAML) that authenticates by the files of ``pair``; returns ``path``."""
    user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
    write_private(path, _document("cluster", server, base64.b64encode(authority_pem.encode()).decode(), user))
    return path


def exec_kubeconfig(cluster: str, region: str, server: str, authority: str, role_arn: str) -> str:
    """A kubeconfig without a secret: ``slipway kube-token`` makes a token for every use.

    ``authority`` is a certificate in base64, as EKS tells it.
    """
    arguments = ["kube-token", "--cluster", cluster, "--region", region, "--role-arn", role_arn]
    credential = {
        "apiVersion": _EXEC_API,
        "command": "slipway",
        "args": arguments,
        "interactiveMode": "Never",
        "provideClusterInfo": False,
    }
    return _document(cluster, server, authority, {"exec": credential})


def _document(name: str, server: str, authority: str, user: Mapping[str, object]) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(document, indent=2)
