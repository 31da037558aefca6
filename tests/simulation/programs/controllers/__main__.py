"""Kueue, JobSet and Trainer on a cluster that is there already, for tests about their managers.

``CONTROLLERS`` is a JSON document: kubeconfig, mirror, and per chart its namespace and values.
"""

import json
import os

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes.charts import release


def main() -> None:
    """A namespace and a release per chart, each after the one before."""
    given = json.loads(os.environ["CONTROLLERS"])
    provider = k8s.Provider("cluster", kubeconfig=given["kubeconfig"], cluster_identifier="alpha")
    before: list[pulumi.Resource] = []
    for chart, (namespace, values) in given["charts"].items():
        opts = pulumi.ResourceOptions(provider=provider)
        place = k8s.core.v1.Namespace(namespace, metadata={"name": namespace}, opts=opts)
        made = release(
            chart,
            chart=chart,
            mirror=given["mirror"],
            namespace=namespace,
            values=values,
            opts=pulumi.ResourceOptions(provider=provider, depends_on=[place, *before]),
        )
        before = [made]


main()
