"""The pull secret of a namespace: what nodes need for images of a registry that is not the cloud's own."""

import base64
import json
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes.names import PULL_SECRET


@dataclass(frozen=True, kw_only=True)
class PullCredentials:
    """``registry`` is the registry's host, or the prefix of images with the host first."""

    registry: str
    username: str
    password: pulumi.Input[str]


def docker_config(registry: str, username: str, password: str) -> str:
    """The ``.dockerconfigjson`` of one registry; ``registry`` may have a path, which credentials are not keyed by."""
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps({"auths": {registry.split("/", 1)[0]: {"auth": token}}})


def create_pull_secret(
    name: str, namespace: pulumi.Input[str], credentials: PullCredentials, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """Make the Secret ``PULL_SECRET`` in ``namespace``; its content stays a secret of the state too."""
    content = pulumi.Output.secret(credentials.password).apply(
        lambda password: docker_config(credentials.registry, credentials.username, password)
    )
    return k8s.core.v1.Secret(
        name,
        metadata={"name": PULL_SECRET, "namespace": namespace},
        type="kubernetes.io/dockerconfigjson",
        string_data={".dockerconfigjson": content},
        opts=opts,
    )
