"""Helm releases that a killed engine left half made.

Helm keeps a release as Secrets of type ``helm.sh/release.v1``. When the engine dies in an installation, the record
stays, the state knows nothing, and the next installation is refused ("cannot re-use a name that is still in use").
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cli.checkpoint import Pending, resources
from cli.errors import UserError
from cli.kubernetes import Kubernetes

_RELEASE: Final = "kubernetes:helm.sh/v3:Release"
_PROVIDER: Final = "pulumi:providers:kubernetes"


def forget_unknown_releases(
    document: Mapping[str, Any], pending: Sequence[Pending], environment: Mapping[str, str]
) -> list[str]:
    """Delete the records of releases whose creation was interrupted; returns their names.

    The objects that they made stay: Helm adopts what carries its own labels when the release is installed again.
    """
    wanted = [one for one in pending if one.type == _RELEASE and one.kind == "creating"]
    kubeconfig = _kubeconfig(document)
    if not wanted or kubeconfig is None:
        return []
    api = Kubernetes.of(kubeconfig, environment)
    forgotten: list[str] = []
    for one in wanted:
        inputs = one.resource.get("inputs") or {}
        name, namespace = str(inputs.get("name") or ""), str(inputs.get("namespace") or "default")
        path = f"/api/v1/namespaces/{namespace}/secrets"
        try:
            secrets = api.list(path, labelSelector=f"owner=helm,name={name}") if name else []
            for secret in secrets:
                api.delete(f"{path}/{secret['metadata']['name']}")
        except UserError:
            # The cluster may have died with the engine: then the release went with it.
            continue
        if secrets:
            forgotten.append(name)
    return forgotten


def _kubeconfig(document: Mapping[str, Any]) -> str | None:
    for item in resources(document):
        if item["type"] == _PROVIDER:
            text = (item.get("inputs") or {}).get("kubeconfig")
            if isinstance(text, str) and text.startswith("{"):
                json.loads(text)
                return text
    return None
