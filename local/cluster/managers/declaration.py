"""What one controller is: its program, what it reads from its release, and how it is started outside of a pod."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from local.cluster.kube import Document
from local.cluster.ports import LOOPBACK
from local.toolchain.pins import MODULES
from local.toolchain.sources import module_sources
from local.toolchain.toolchain import Toolchain

CONFIGURATION_FILE: Final = "controller_manager_config.yaml"
"""Key of a configuration document in its ConfigMap, and what its ``--config`` argument ends in."""
CONFIGURATION_VOLUME: Final = "manager-config"
"""The volume by which a manager's Deployment mounts that ConfigMap."""


class ConfigurationError(ValueError):
    """A manager's configuration in the cluster cannot be used; the message says where it is and what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What the cluster holds for one manager: its Deployment, and the ConfigMaps beside it."""

    namespace: str
    account: str = ""
    """The service account of its pods, whose roles the manager has; "": it acts as an administrator."""
    arguments: tuple[str, ...] = ()
    """Arguments of the Deployment's container, as its chart rendered them."""
    configuration: str = ""
    """The YAML document that the Deployment mounts; "" where the manager has none."""
    webhooks: str = ""
    """Webhook configurations as the chart rendered them, YAML documents; "" where the chart has none for us."""
    conversions: tuple[tuple[str, str], ...] = ()
    """Custom resource definitions with a conversion webhook, and its path."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a manager runs: what takes the place of its pod's file system and ports."""

    directory: Path
    """Private; the manager's TMPDIR, under which controller-runtime looks for certificates."""
    ports: Mapping[str, int]
    """Loopback ports: ``metrics``, ``webhook``, ``probe``."""

    @property
    def certificates(self) -> Path:
        """Where ``tls.crt`` and ``tls.key`` lie."""
        return self.directory / "k8s-webhook-server" / "serving-certs"

    def address(self, port: str) -> str:
        """``127.0.0.1:PORT``."""
        return f"{LOOPBACK}:{self.ports[port]}"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a manager is started: its arguments, and the configuration document that ``--config`` leads to."""

    arguments: tuple[str, ...]
    configuration: Document | None = None


@dataclass(frozen=True, kw_only=True)
class CertificateSecret:
    """A Secret that a manager checks, and renews when its content does not suit it."""

    name: str
    authority: str
    """What the certificate of its authority must be called, also as a subject alternative name."""
    host: str
    """The name that its server certificate must be valid for."""


@dataclass(frozen=True, kw_only=True)
class Manager:
    """One controller. It is wanted while a Deployment whose pods wait for ``executable`` exists."""

    executable: str
    """Name in the toolchain, and value of the annotation that holds the pods of the stand-in Deployment."""
    go_module: str
    """The module that the executable, its CRDs and its charts come from."""
    launch: Callable[[Release, Site], Launch]
    webhook_manifests: Path | None = None
    """In the module's sources; None: the chart renders them into the cluster."""
    secret: Callable[[Release], CertificateSecret] | None = None
    """For a manager that hands its certificate to its webhooks by itself; they are registered before it starts."""

    @property
    def short(self) -> str:
        """``kueue`` for ``kueue-manager``: the first part of ports, files and records."""
        return self.executable.removesuffix("-manager")

    def sources(self) -> Path:
        """The sources of the pinned module, if the executable is there too; see ``local.toolchain.sources``.

        The chart mirror asks for them when one of the charts is fetched, which so fails at once: without the manager
        nothing would ever make the release ready, and Helm would wait for it in vain.

        Raises:
            local.toolchain.errors.ToolchainError: one of them is missing.
        """
        Toolchain.load([self.executable])
        module = next(item.name for item in MODULES if any(tool.name == self.executable for tool in item.tools))
        return module_sources(module, self.go_module)


def settings(release: Release, manager: str) -> Document:
    """The configuration document of a release, to be changed by its declaration.

    Raises:
        ConfigurationError: it is missing, or it is no YAML mapping.
    """
    try:
        document = yaml.safe_load(release.configuration)
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigurationError(f"{manager}: {CONFIGURATION_FILE} in {release.namespace}: {problem}") from error
    if not isinstance(document, dict):
        found = "is empty" if document is None else f"is a {type(document).__name__}"
        raise ConfigurationError(
            f"{manager}: {CONFIGURATION_FILE} in namespace {release.namespace} {found}, not a mapping: "
            f"the ConfigMap that the Deployment mounts as {CONFIGURATION_VOLUME} must hold it"
        )
    return document


def outside_of_a_pod(document: Document, site: Site) -> None:
    """Replaces what cannot hold for a process on the host: addresses, certificates, and the election of a leader.

    A single process needs no leader, and a lease of a killed one would keep its successor waiting.
    """
    _section(document, "health")["healthProbeBindAddress"] = site.address("probe")
    _section(document, "metrics")["bindAddress"] = site.address("metrics")
    _section(document, "webhook").update(port=site.ports["webhook"], host=LOOPBACK)
    _section(document, "leaderElection")["leaderElect"] = False


def _section(document: Document, name: str) -> dict[str, Any]:
    section = document.get(name)
    if not isinstance(section, dict):
        section = document[name] = {}
    return section
