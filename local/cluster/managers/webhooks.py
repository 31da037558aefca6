"""Webhooks of a manager that runs as a process on loopback: registered once it can answer, gone before it goes."""

from typing import Any, Final

import yaml

from local.cluster.kube import Document, Kube, object_path
from local.cluster.ports import LOOPBACK

_API_GROUP: Final = "/apis/admissionregistration.k8s.io/v1"
_CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MANAGER_LABEL: Final = "simulation.slipway.dev/manager"
"""On everything that leads the API server to a manager; its value is the manager's executable."""

_PLAIN: Final[Document] = {
    "metadata": {"labels": {MANAGER_LABEL: None}},
    "spec": {"conversion": {"strategy": "None", "webhook": None}},
}


def configurations(text: str, port: int, authority: str) -> list[Document]:
    """A manager's own webhook configurations, answered by a process on loopback instead of a Service.

    ``authority`` is the certificate that signed the process's own, in base64.
    """
    documents: list[Document] = [item for item in yaml.safe_load_all(text) if item]
    for document in documents:
        document["metadata"] = {"name": document["metadata"]["name"]}
        for webhook in document["webhooks"]:
            service: dict[str, Any] = webhook["clientConfig"]["service"]
            webhook["clientConfig"] = _client(port, service["path"], authority)
            # Asked in the form that the API server and the manager both know.
            webhook["admissionReviewVersions"] = ["v1"] if "v1" in webhook["admissionReviewVersions"] else ["v1beta1"]
    return documents


def conversion(path: str, port: int, authority: str, executable: str) -> Document:
    """A merge patch that makes a custom resource definition ask the manager for its other versions."""
    webhook = {"clientConfig": _client(port, path, authority), "conversionReviewVersions": ["v1"]}
    return {
        "metadata": {"labels": {MANAGER_LABEL: executable}},
        "spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}},
    }


async def register(kube: Kube, executable: str, documents: list[Document]) -> None:
    """Makes the webhook configurations of one manager anew."""
    for document in documents:
        document["metadata"]["labels"] = {MANAGER_LABEL: executable}
        await kube.delete(object_path(document))
        await kube.create(object_path(document).rpartition("/")[0], document)


async def convert(kube: Kube, name: str, patch: Document) -> None:
    """Applies the patch of ``conversion`` to the custom resource definition ``name``."""
    await kube.patch(f"{_CRDS}/{name}", patch)


async def remove(kube: Kube, executable: str) -> None:
    """Removes whatever leads to the manager, also from an earlier supervisor.

    A webhook that nobody answers refuses every object that it is asked about, and a custom resource whose conversion
    nobody answers cannot even be listed.
    """
    selector = f"?labelSelector={MANAGER_LABEL}%3D{executable}"
    for kind in ("mutating", "validating"):
        path = f"{_API_GROUP}/{kind}webhookconfigurations"
        for item in await kube.list(path + selector):
            await kube.delete(f"{path}/{item['metadata']['name']}")
    for item in await kube.list(_CRDS + selector):
        await kube.patch(f"{_CRDS}/{item['metadata']['name']}", _PLAIN)


def _client(port: int, path: str, authority: str) -> Document:
    return {"url": f"https://{LOOPBACK}:{port}{path}", "caBundle": authority}
