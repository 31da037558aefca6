"""Helm releases of pinned charts, fetched through the site's own chart repository."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import versions

OCI = "oci://"


def chart_reference(mirror: str, name: str) -> tuple[str, str | None]:
    """(chart, repository) as Helm wants them: an OCI registry is part of the chart's own name, a repository is not."""
    if mirror.startswith(OCI):
        return f"{mirror.rstrip('/')}/{name}", None
    return name, mirror


def release(
    resource_name: str,
    *,
    chart: str,
    mirror: str,
    namespace: pulumi.Input[str],
    values: Mapping[str, Any],
    opts: pulumi.ResourceOptions,
) -> k8s.helm.v3.Release:
    """A real Helm release (hooks run, upgrades roll back) of a chart of ``components/versions.py``.

    Args:
        resource_name: Pulumi's logical name.
        chart: Key of ``versions.CHARTS``, and the release's name: a generated suffix would change the pods' names.
        mirror: URL of the repository, ``http(s)://`` or ``oci://``.
        namespace: Where the release is installed.
        values: Chart values.
        opts: Parent and dependencies.
    """
    reference, repository = chart_reference(mirror, chart)
    return k8s.helm.v3.Release(
        resource_name,
        name=chart,
        chart=reference,
        version=versions.CHARTS[chart].version,
        repository_opts=k8s.helm.v3.RepositoryOptsArgs(repo=repository) if repository else None,
        namespace=namespace,
        values=dict(values),
        # A half-installed release would block the next update; Helm takes it away again instead.
        atomic=True,
        timeout=300,
        opts=opts,
    )
