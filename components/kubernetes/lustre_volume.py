"""A file system that already exists, as a volume that pods of one namespace can mount."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import tokens
from components.kubernetes.quantities import gibibytes
from components.ordering import after
from components.outputs import StorageOutputs

ZONE_LABEL = "topology.kubernetes.io/zone"
LABELS = {"app.kubernetes.io/managed-by": "slipway"}


@dataclass(frozen=True, kw_only=True)
class LustreVolumeArgs:
    """``storage`` as the claim ``claim`` of ``namespace``; ``ready`` is what must be there first (the CSI driver)."""

    storage: StorageOutputs
    namespace: pulumi.Input[str]
    namespace_name: str
    """The same as plain text."""
    claim: str
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()


def static_volume(storage: StorageOutputs, *, namespace: str, claim: str) -> dict[str, Any]:
    """Spec of a statically provisioned volume (aws-fsx-csi-driver, static provisioning).

    Retain: the file system outlives the cluster's view of it. The claim is reserved, so that no other one binds.
    """
    return {
        "capacity": {"storage": gibibytes(storage.capacity_gib)},
        "volumeMode": "Filesystem",
        "accessModes": ["ReadWriteMany"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "mountOptions": list(storage.mount_options),
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "name": claim,
            "namespace": namespace,
        },
        "csi": {"driver": storage.driver, "volumeHandle": storage.handle, "volumeAttributes": dict(storage.attributes)},
    }


def volume_spec(args: LustreVolumeArgs) -> dict[str, Any]:
    """The team's volume: as above, and for nodes of the file system's zone."""
    storage = args.storage
    spec = static_volume(storage, namespace=args.namespace_name, claim=args.claim)
    if storage.zone is not None:
        term = {"matchExpressions": [{"key": ZONE_LABEL, "operator": "In", "values": [storage.zone]}]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    return spec


def claim_spec(storage: StorageOutputs, volume: pulumi.Input[str]) -> dict[str, Any]:
    """Spec of the claim: an empty storage class keeps the default class from making a second file system."""
    return {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "volumeName": volume,
        "resources": {"requests": {"storage": gibibytes(storage.capacity_gib)}},
    }


class LustreVolume(pulumi.ComponentResource):
    """A static persistent volume and its claim. Holds no data itself: deleting it leaves the file system alone.

    Another file system or zone replaces both; a claim goes only once no pod names it, be it one that has ended.
    """

    claim: pulumi.Output[str]
    volume: pulumi.Output[str]

    def __init__(self, name: str, args: LustreVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(tokens.of(self), name, None, opts)
        volume = self._create_volume(name, args)
        claim = self._create_claim(name, args, volume)
        self.volume = volume.metadata.name
        self.claim = claim.metadata.name
        self.register_outputs({"claim": self.claim, "volume": self.volume})

    def _create_volume(self, name: str, args: LustreVolumeArgs) -> k8s.core.v1.PersistentVolume:
        spec: Any = volume_spec(args)
        return k8s.core.v1.PersistentVolume(
            f"{name}-volume",
            # Named by Pulumi: nearly nothing of a volume can be changed, and a bound one cannot be deleted before its
            # claim. The replacement's new name is what has the claim, which names its volume, replaced as well.
            metadata={"labels": {**LABELS, "slipway.dev/storage": args.storage.name}},
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after(args.storage.ready, *args.ready)),
        )

    def _create_claim(
        self, name: str, args: LustreVolumeArgs, volume: k8s.core.v1.PersistentVolume
    ) -> k8s.core.v1.PersistentVolumeClaim:
        spec: Any = claim_spec(args.storage, volume.metadata.name)
        return k8s.core.v1.PersistentVolumeClaim(
            f"{name}-claim",
            metadata={"name": args.claim, "namespace": args.namespace},
            spec=spec,
            # Kubernetes refuses to resize a claim that no class provisions; a file system that grew must not fail the
            # update, and the size of a static claim is a formality.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[volume], ignore_changes=["spec.resources"]),
        )
