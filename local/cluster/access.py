"""Who may do what in a cluster: access entries and access policies of EKS as RBAC."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.cloud.model import Account, CloudObject
from local.cluster.cloud_facts import ACCESS_ASSOCIATION, ACCESS_ENTRY
from local.cluster.kube import Document, Kube, collection_path, object_path

POLICY_PREFIX = "arn:aws:eks::aws:cluster-access-policy/"
ADMIN_VIEW_ROLE = "eks:simulated-admin-view"
CLUSTER_ROLES = {
    "AmazonEKSClusterAdminPolicy": "cluster-admin",
    "AmazonEKSAdminPolicy": "admin",
    "AmazonEKSEditPolicy": "edit",
    "AmazonEKSViewPolicy": "view",
    "AmazonEKSAdminViewPolicy": ADMIN_VIEW_ROLE,
}
"""Kubernetes' role with the permissions of an access policy. Source: EKS user guide, access-policy-permissions."""
_LABELS = {"app.kubernetes.io/managed-by": "eks-access-policies"}
_SELECTOR = "?labelSelector=app.kubernetes.io%2Fmanaged-by%3Deks-access-policies"
_RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class User:
    """Whom a principal is to Kubernetes."""

    name: str
    groups: tuple[str, ...]
    extra: Mapping[str, list[str]] = field(default_factory=dict)


def user_of(account: Account, cluster: str, principal: str, access_key_id: str) -> User | None:
    """The Kubernetes user of an IAM principal; None when no access entry admits it."""
    entry = account.get(ACCESS_ENTRY, f"{cluster}:{principal}")
    if entry is None:
        return None
    session = "slipway"
    default = _default_username(principal)
    name = str(entry.body.get("username") or default).replace("{{SessionName}}", session)
    groups = (*(entry.body.get("kubernetesGroups") or ()), policy_group(principal))
    extra = {
        "arn": [default.replace("{{SessionName}}", session)],
        "canonicalArn": [principal],
        "accessKeyId": [access_key_id],
        "sessionName": [session],
    }
    return User(name, groups, extra)


def policy_group(principal: str) -> str:
    """The group through which access policies reach a principal, whatever its user name is."""
    return f"eks-access-entry:{principal}"


def _default_username(principal: str) -> str:
    """As EKS fills it in: for a role the assumed-role ARN with the session's name to come, else the ARN itself."""
    head, _, resource = principal.rpartition(":")
    if not resource.startswith("role/"):
        return principal
    role = resource.rpartition("/")[2]
    return f"{head.replace(':iam:', ':sts:')}:assumed-role/{role}/{{{{SessionName}}}}"


def bindings(associations: Iterable[CloudObject]) -> list[Document]:
    """The role bindings that give the associated policies their effect."""
    found: list[Document] = []
    for item in associations:
        role = CLUSTER_ROLES.get(str(item.body["policyArn"]).removeprefix(POLICY_PREFIX))
        if role is None:
            continue
        scope = item.body.get("accessScope") or {}
        name = f"eks:{role.removeprefix('eks:')}:{hashlib.sha256(item.id.encode()).hexdigest()[:12]}"
        if scope.get("type", "cluster") == "cluster":
            found.append(_binding("ClusterRoleBinding", name, role, item.body["principalArn"]))
            continue
        found += [
            _binding("RoleBinding", name, role, item.body["principalArn"], namespace)
            for namespace in scope.get("namespaces") or ()
        ]
    return found


class Access:
    """Keeps the role bindings of one cluster in line with its access policy associations."""

    def __init__(self, account: Account, cluster: str, kube: Kube) -> None:
        self._account = account
        self._cluster = cluster
        self._kube = kube
        self._applied: dict[str, Document] | None = None

    async def reconcile(self, namespaces: Iterable[str]) -> None:
        """One pass. Bindings for namespaces that do not exist yet wait for them."""
        if self._applied is None:
            self._applied = await self._existing()
            await self._kube.apply(_admin_view_role())
        existing = set(namespaces)
        associations = self._account.find(ACCESS_ASSOCIATION, clusterName=self._cluster)
        wanted = {
            object_path(item): item
            for item in bindings(associations)
            if item["metadata"].get("namespace", "") in {"", *existing}
        }
        for path in [path for path in self._applied if path not in wanted]:
            await self._kube.delete(path)
            del self._applied[path]
        for path, binding in wanted.items():
            if path not in self._applied:
                await self._kube.apply(binding)
                self._applied[path] = binding

    async def _existing(self) -> dict[str, Document]:
        found: dict[str, Document] = {}
        for kind in ("ClusterRoleBinding", "RoleBinding"):
            for item in await self._kube.list(collection_path(_RBAC, kind) + _SELECTOR):
                document = {**item, "apiVersion": _RBAC, "kind": kind}
                found[object_path(document)] = document
        return found


def _binding(kind: str, name: str, role: str, principal: str, namespace: str = "") -> Document:
    meta: dict[str, Any] = {"name": name, "labels": dict(_LABELS)}
    if namespace:
        meta["namespace"] = namespace
    return {
        "apiVersion": _RBAC,
        "kind": kind,
        "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": policy_group(principal)}],
    }


def _admin_view_role() -> Document:
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
    ]
    meta = {"name": ADMIN_VIEW_ROLE, "labels": dict(_LABELS)}
    return {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": meta, "rules": rules}
