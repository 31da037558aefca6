"""Kueue: queues, quotas and gang admission.

Its internal certificate management stays on, as in a cluster. Switched off, Kueue reads certificates from
``/etc/kueue/metrics/certs`` and ``/visibility``, fixed paths on the host (``cmd/kueue/main.go``,
``pkg/visibility/server.go``). Switched on, it takes a Secret whose content suits it as it is and hands its authority to
the webhooks; so we write that Secret with a certificate that is valid for the loopback address too.
"""

import yaml

from local.cluster.kube import Document
from local.cluster.managers.declaration import (
    CertificateSecret,
    ConfigurationError,
    Launch,
    Manager,
    Release,
    Site,
    outside_of_a_pod,
    settings,
)
from local.toolchain.pins import KUEUE_MODULE

_NAME = "kueue-manager"
_WEBHOOKS_SUFFIX = "-mutating-webhook-configuration"
_GATES = "--feature-gates="
_VISIBILITY = "VisibilityOnDemand"
_AUTHORITY = "kueue-ca"
"""``caName`` in Kueue's ``pkg/util/cert/cert.go``."""


def _launch(release: Release, site: Site) -> Launch:
    document = settings(release, _NAME)
    outside_of_a_pod(document, site)
    document.setdefault("namespace", release.namespace)
    document["webhook"]["certDir"] = str(site.certificates)
    base = _base(release)
    document["internalCertManagement"] = {
        "enable": True,
        "webhookServiceName": f"{base}-webhook-service",
        "webhookSecretName": _secret(release).name,
    }
    return Launch(arguments=_without_visibility(release.arguments, document), configuration=document)


def _without_visibility(arguments: tuple[str, ...], document: Document) -> tuple[str, ...]:
    """Switches the visibility server off where the gates are given: Kueue refuses gates in both places.

    It would write a certificate to ``/visibility``, and the API server could not reach it: an APIService leads to a
    Service only.
    """
    gates = [argument for argument in arguments if argument.startswith(_GATES)]
    if not gates:
        document["featureGates"] = {**(document.get("featureGates") or {}), _VISIBILITY: False}
        return arguments
    given = [gate for gate in gates[-1].removeprefix(_GATES).split(",") if not gate.startswith(f"{_VISIBILITY}=")]
    others = tuple(argument for argument in arguments if argument not in gates)
    return (*others, _GATES + ",".join([*given, f"{_VISIBILITY}=false"]))


def _secret(release: Release) -> CertificateSecret:
    given = settings(release, _NAME).get("internalCertManagement") or {}
    base = _base(release)
    name = given.get("webhookSecretName") or f"{base}-webhook-server-cert"
    namespace = settings(release, _NAME).get("namespace") or release.namespace
    return CertificateSecret(name=name, authority=_AUTHORITY, host=f"{base}-webhook-service.{namespace}.svc")


def _base(release: Release) -> str:
    """What every name of the release begins with; Kueue derives the names of its webhooks from it."""
    for document in yaml.safe_load_all(release.webhooks):
        name = str(document["metadata"]["name"]) if document else ""
        if name.endswith(_WEBHOOKS_SUFFIX):
            return name.removesuffix(_WEBHOOKS_SUFFIX)
    raise ConfigurationError(f"{_NAME}: the release in namespace {release.namespace} has no mutating webhooks")


KUEUE = Manager(executable=_NAME, go_module=KUEUE_MODULE, launch=_launch, secret=_secret)
