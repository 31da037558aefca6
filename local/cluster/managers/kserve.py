"""KServe: inference services. It reads its configuration from the cluster (``inferenceservice-config``) by itself."""

from pathlib import Path

from local.cluster.managers.declaration import Launch, Manager, Release, Site
from local.toolchain.pins import KSERVE_MODULE


def _launch(_release: Release, site: Site) -> Launch:
    arguments = (
        f"--metrics-addr={site.address('metrics')}",
        f"--webhook-port={site.ports['webhook']}",
        f"--health-probe-addr={site.address('probe')}",
    )
    return Launch(arguments=arguments)


KSERVE = Manager(
    executable="kserve-manager",
    go_module=KSERVE_MODULE,
    launch=_launch,
    webhook_manifests=Path("config/webhook/manifests.yaml"),
)
