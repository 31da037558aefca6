"""Directories of teams on a shared file system: its root belongs to root, and no team's pod runs as root."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import tokens, versions
from components.kubernetes.lustre_volume import LABELS, claim_spec, static_volume
from components.kubernetes.names import PULL_SECRET, STORAGE_NAMESPACE_PREFIX
from components.kubernetes.pull_secret import PullCredentials, create_pull_secret
from components.ordering import after, ready
from components.outputs import StorageOutputs

CLAIM = "root"
MOUNT = "/volume"
TEAM_USER = 1000
"""The user and group of every team's pods. Teams are kept apart by namespaces and claims, not by user numbers."""
MODE = "2770"
"""Everything for user and group, nothing for others; what is made inside belongs to the group too."""
DEADLINE_SECONDS = 180
"""Nodes and driver are there when the Job starts, so a mount and a small image take seconds. What takes longer waits
for something that does not come, and says so well before the ten minutes that Pulumi waits for a Job."""


@dataclass(frozen=True, kw_only=True)
class TeamDirectoriesArgs:
    """A directory at the root of ``storage`` for each of ``teams``; ``ready`` is what must be there first.

    That is the CSI driver, and nodes that take a pod without tolerations.
    """

    storage: StorageOutputs
    teams: Sequence[str]
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()
    image: str = versions.IMAGES["shell"]
    pull_credentials: PullCredentials | None = None


def script(team: str) -> str:
    """Makes the directory, or takes it over: the same however often it runs."""
    path = f"{MOUNT}/{team}"
    return f"mkdir -p {path} && chown {TEAM_USER}:{TEAM_USER} {path} && chmod {MODE} {path}"


def pod_spec(team: str, *, image: str, claim: pulumi.Input[str], pull_secret: str | None = None) -> dict[str, Any]:
    """Pod of the Job: root, with no more than it takes to give a directory away (pod security ``baseline``)."""
    return {
        **({"imagePullSecrets": [{"name": pull_secret}]} if pull_secret else {}),
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The directory's group as root's own: without it, and without FSETID, the kernel drops the set-group-ID bit.
        "securityContext": {"runAsUser": 0, "runAsGroup": TEAM_USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "directory",
                "image": image,
                "command": ["sh", "-c", script(team)],
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"cpu": "100m", "memory": "64Mi"},
                },
                "volumeMounts": [{"name": "root", "mountPath": MOUNT}],
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
                },
            }
        ],
        "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": claim}}],
    }


class TeamDirectories(pulumi.ComponentResource):
    """A directory for each team, made by a Job in a namespace of the file system's own.

    The CSI driver sets no group on volumes that many nodes write to (its fsGroupPolicy is ReadWriteOnceWithFSType), so
    a pod's fsGroup does not help here. Deleting the component leaves the directories and what is in them.
    """

    ready: pulumi.Output[str]
    """Resolves once every directory can be written to."""

    def __init__(self, name: str, args: TeamDirectoriesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(tokens.of(self), name, None, opts)
        namespace = self._create_namespace(name, args)
        claim = self._create_claim(name, args, namespace)
        secrets = self._create_pull_secret(name, args, namespace)
        jobs = [self._create_job(name, team, args, claim, secrets) for team in args.teams]
        self.ready = ready(namespace.metadata.name, *jobs)
        self.register_outputs({"ready": self.ready})

    def _create_namespace(self, name: str, args: TeamDirectoriesArgs) -> k8s.core.v1.Namespace:
        return k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata={
                "name": namespace_name(args.storage.name),
                # Baseline is the strictest level that lets a container be root.
                "labels": {**LABELS, "pod-security.kubernetes.io/enforce": "baseline"},
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=after(*args.ready)),
        )

    def _create_claim(
        self, name: str, args: TeamDirectoriesArgs, namespace: k8s.core.v1.Namespace
    ) -> k8s.core.v1.PersistentVolumeClaim:
        # For nodes of every zone, unlike the teams' volumes: this reads nothing, and runs where there is room.
        volume_spec: Any = static_volume(args.storage, namespace=namespace_name(args.storage.name), claim=CLAIM)
        volume = k8s.core.v1.PersistentVolume(
            f"{name}-volume",
            metadata={"labels": {**LABELS, "slipway.dev/storage": args.storage.name}},
            spec=volume_spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after(args.storage.ready, *args.ready)),
        )
        spec: Any = claim_spec(args.storage, volume.metadata.name)
        return k8s.core.v1.PersistentVolumeClaim(
            f"{name}-claim",
            metadata={"name": CLAIM, "namespace": namespace.metadata.name},
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[volume], ignore_changes=["spec.resources"]),
        )

    def _create_pull_secret(
        self, name: str, args: TeamDirectoriesArgs, namespace: k8s.core.v1.Namespace
    ) -> list[pulumi.Resource]:
        if args.pull_credentials is None:
            return []
        child = pulumi.ResourceOptions(parent=self)
        return [create_pull_secret(f"{name}-pull-secret", namespace.metadata.name, args.pull_credentials, child)]

    def _create_job(
        self,
        name: str,
        team: str,
        args: TeamDirectoriesArgs,
        claim: k8s.core.v1.PersistentVolumeClaim,
        secrets: Sequence[pulumi.Resource],
    ) -> k8s.batch.v1.Job:
        # A new file system is a new volume, but its claim keeps its name: the volume's name starts the Job again.
        volume = claim.spec.volume_name.apply(lambda text: text or "")
        spec: Any = {
            "backoffLimit": 3,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "template": {
                "metadata": {"annotations": {"slipway.dev/volume": volume}},
                "spec": pod_spec(
                    team,
                    image=args.image,
                    claim=claim.metadata.name,
                    pull_secret=PULL_SECRET if args.pull_credentials else None,
                ),
            },
        }
        return k8s.batch.v1.Job(
            f"{name}-{team}",
            metadata={
                "namespace": claim.metadata.namespace,
                "labels": {**LABELS, "slipway.dev/team": team},
                # A Job that failed is made again by the next update instead of being taken as it is.
                "annotations": {"pulumi.com/replaceUnready": "true"},
            },
            spec=spec,
            # Its pod mounts the claim, which can only be replaced when the pod is gone.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[claim, *secrets], delete_before_replace=True),
        )


def namespace_name(storage: str) -> str:
    """The namespace that holds the root of the file system ``storage``."""
    return f"{STORAGE_NAMESPACE_PREFIX}{storage}"
