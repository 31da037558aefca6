"""An EKS control plane: private unless told otherwise, encrypted, logged, and reached by named principals only."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import cloudwatch, eks, kms, vpc

from components import tokens, versions
from components.aws.access import admin_key, admin_problems, endpoint_access_problems
from components.aws.addons import create_addon, node_addon_role
from components.aws.documents import log_key_document, trust_document
from components.aws.kubeconfig import kubeconfig
from components.aws.network import RETENTION_DAYS
from components.aws.outputs import AwsClusterOutputs
from components.aws.partition import partition, place_problems
from components.aws.roles import Role, create_role
from components.naming import Service, physical_name
from components.ordering import ready
from components.outputs import NetworkOutputs
from components.problems import refuse
from components.tags import resource_tags

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
NODE_ADDONS = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent", "eks-node-monitoring-agent")
"""Add-ons that run on every node and become ACTIVE without one: a node needs them to become Ready."""


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What the control plane is and who reaches it."""

    network: NetworkOutputs
    account_id: str
    cluster_name: str | None = None
    """Physical name; the default is made of project, stack and logical name."""
    version: str = versions.KUBERNETES
    admins: Sequence[str] = ()
    """ARNs of IAM roles and users that become cluster admins; nobody else is, not even who created the cluster."""
    endpoint_public_access: bool = False
    endpoint_private_access: bool = True
    public_access_cidrs: Sequence[str] = ()
    proxy_url: str | None = None
    """Written into the kubeconfig: how a client outside reaches a private endpoint."""
    kubeconfig_role_arn: str | None = None
    """Role that ``slipway kube-token`` assumes; None uses the caller's own credentials."""
    deletion_protection: bool = True
    log_retention_days: int = 90
    addon_versions: Mapping[str, str] = field(default_factory=dict)
    """EKS versions by add-on, in place of those of ``components/versions.py``."""
    service_cidr: str | None = None
    """None lets EKS choose a range that does not overlap the VPC."""
    support_type: str = "STANDARD"
    """STANDARD upgrades a cluster at the end of support; EXTENDED keeps it, at six times the price."""


class Cluster(pulumi.ComponentResource):
    """An EKS cluster with its key, its log group, its admins and the add-ons that nodes need to join. Stateful.

    Raises:
        ValueError: endpoint access, principals, version, name or retention that EKS refuses.
    """

    cluster_name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    outputs: AwsClusterOutputs

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("Cluster", name, _problems(args))
        physical = args.cluster_name or physical_name(
            Service.EKS_CLUSTER, pulumi.get_project(), pulumi.get_stack(), name
        )
        super().__init__(tokens.of(self), name, None, opts)
        self._options = pulumi.ResourceOptions(parent=self)
        key = self._create_key(name, args, physical)
        log_group = self._create_log_group(name, args, physical, key)
        role = self._create_role(name, args)
        cluster = self._create_cluster(name, args, physical=physical, role=role, key=key, log_group=log_group)
        admins = [*self._create_admins(name, args, cluster), *self._create_private_way(name, args, cluster)]
        addons = self._create_addons(name, args, cluster)
        self.cluster_name = cluster.name
        self.endpoint = cluster.endpoint
        self.security_group_id = cluster.vpc_config.apply(lambda config: str(config.cluster_security_group_id))
        self.kubeconfig = ready(self._kubeconfig(args, physical, cluster), *admins)
        self.outputs = self._outputs(name, args, physical, cluster, addons)
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "endpoint": self.endpoint,
                "kubeconfig": self.kubeconfig,
                "security_group_id": self.security_group_id,
            }
        )

    def _create_key(self, name: str, args: ClusterArgs, physical: str) -> kms.Key:
        key = kms.Key(
            f"{name}-key",
            description=f"Secrets and control plane logs of EKS cluster {physical}",
            enable_key_rotation=True,
            policy=log_key_document(args.account_id, args.network.region, [log_group_name(physical)]),
            tags=resource_tags(f"{name}-key"),
            opts=self._options,
        )
        kms.Alias(f"{name}-key-alias", name=f"alias/eks/{physical}", target_key_id=key.key_id, opts=self._options)
        return key

    def _create_log_group(self, name: str, args: ClusterArgs, physical: str, key: kms.Key) -> cloudwatch.LogGroup:
        # EKS makes this group itself, unencrypted and kept for ever, when it is not there before the cluster.
        return cloudwatch.LogGroup(
            f"{name}-log-group",
            name=log_group_name(physical),
            retention_in_days=args.log_retention_days,
            kms_key_id=key.arn,
            tags=resource_tags(f"{name}-log-group"),
            opts=self._options,
        )

    def _create_role(self, name: str, args: ClusterArgs) -> Role:
        return create_role(
            f"{name}-role",
            parent=self,
            region=args.network.region,
            trust=trust_document("eks.amazonaws.com"),
            description="EKS control plane",
            managed_policies=("AmazonEKSClusterPolicy",),
        )

    def _create_cluster(
        self, name: str, args: ClusterArgs, *, physical: str, role: Role, key: kms.Key, log_group: cloudwatch.LogGroup
    ) -> eks.Cluster:
        return eks.Cluster(
            f"{name}-cluster",
            name=physical,
            version=args.version,
            role_arn=role.arn,
            access_config=eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            bootstrap_self_managed_addons=False,
            deletion_protection=args.deletion_protection,
            enabled_cluster_log_types=list(LOG_TYPES),
            encryption_config=_encryption(key),
            kubernetes_network_config=_service_network(args),
            upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type=args.support_type),
            vpc_config=_vpc_config(args),
            tags=resource_tags(f"{name}-cluster"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[log_group]),
        )

    def _create_admins(self, name: str, args: ClusterArgs, cluster: eks.Cluster) -> list[pulumi.Resource]:
        policy = f"arn:{partition(args.network.region)}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
        grants: list[pulumi.Resource] = []
        for principal in args.admins:
            logical = f"{name}-admin-{admin_key(principal, args.account_id)}"
            entry = eks.AccessEntry(
                logical,
                cluster_name=cluster.name,
                principal_arn=principal,
                type="STANDARD",
                tags=resource_tags(logical),
                opts=self._options,
            )
            grants.append(
                eks.AccessPolicyAssociation(
                    f"{logical}-policy",
                    cluster_name=cluster.name,
                    principal_arn=principal,
                    policy_arn=policy,
                    access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[entry]),
                )
            )
        return grants

    def _create_private_way(self, name: str, args: ClusterArgs, cluster: eks.Cluster) -> list[pulumi.Resource]:
        # The private endpoint wears the cluster security group, which admits nodes only: a runner or a proxy in the
        # network would wait for ever (EKS user guide, cluster endpoint: accessing a private only API server).
        if args.endpoint_public_access:
            return []
        logical = f"{name}-private-endpoint"
        group = cluster.vpc_config.apply(lambda config: str(config.cluster_security_group_id))
        return [
            vpc.SecurityGroupIngressRule(
                logical,
                security_group_id=group,
                description="API server from the network",
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                cidr_ipv4=args.network.cidr,
                tags=resource_tags(logical),
                opts=self._options,
            )
        ]

    def _create_addons(self, name: str, args: ClusterArgs, cluster: eks.Cluster) -> list[pulumi.Resource]:
        addons: list[pulumi.Resource] = []
        for addon in NODE_ADDONS:
            role = node_addon_role(f"{name}-{addon}", addon, args.account_id, args.network.region, parent=self)
            version = args.addon_versions.get(addon)
            addons.append(
                create_addon(f"{name}-{addon}", addon, cluster.name, role=role, version=version, opts=self._options)
            )
        return addons

    def _kubeconfig(self, args: ClusterArgs, physical: str, cluster: eks.Cluster) -> pulumi.Output[str]:
        return pulumi.Output.all(cluster.endpoint, _authority(cluster)).apply(
            lambda parts: kubeconfig(
                cluster_name=physical,
                endpoint=parts[0],
                certificate_authority=parts[1],
                region=args.network.region,
                role_arn=args.kubeconfig_role_arn,
                proxy_url=args.proxy_url,
            )
        )

    def _outputs(
        self, name: str, args: ClusterArgs, physical: str, cluster: eks.Cluster, addons: Sequence[pulumi.Resource]
    ) -> AwsClusterOutputs:
        region = args.network.region
        return AwsClusterOutputs(
            name=name,
            cluster_name=cluster.name,
            endpoint=cluster.endpoint,
            certificate_authority=_authority(cluster),
            kubeconfig=self.kubeconfig,
            identifier=f"aws/{args.account_id}/{region}/{physical}",
            kubernetes_version=args.version,
            oidc_issuer=cluster.identities.apply(_issuer),
            account_id=args.account_id,
            region=region,
            physical_name=physical,
            arn=cluster.arn,
            security_group_id=self.security_group_id,
            addons_ready=ready(cluster.id, *addons),
        )


def log_group_name(cluster_name: str) -> str:
    """Where EKS writes the control plane's logs; the name is fixed by EKS."""
    return f"/aws/eks/{cluster_name}/cluster"


def _authority(cluster: eks.Cluster) -> pulumi.Output[str]:
    return cluster.certificate_authority.apply(lambda authority: authority.data or "")


def _issuer(identities: Sequence[eks.outputs.ClusterIdentity]) -> str:
    oidcs = identities[0].oidcs if identities else None
    return (oidcs[0].issuer or "") if oidcs else ""


def _encryption(key: kms.Key) -> eks.ClusterEncryptionConfigArgs:
    provider = eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn)
    return eks.ClusterEncryptionConfigArgs(provider=provider, resources=["secrets"])


def _service_network(args: ClusterArgs) -> eks.ClusterKubernetesNetworkConfigArgs | None:
    if args.service_cidr is None:
        return None
    return eks.ClusterKubernetesNetworkConfigArgs(ip_family="ipv4", service_ipv4_cidr=args.service_cidr)


def _vpc_config(args: ClusterArgs) -> eks.ClusterVpcConfigArgs:
    return eks.ClusterVpcConfigArgs(
        subnet_ids=list(args.network.private_subnet_ids.values()),
        endpoint_private_access=args.endpoint_private_access,
        endpoint_public_access=args.endpoint_public_access,
        public_access_cidrs=list(args.public_access_cidrs) if args.endpoint_public_access else None,
    )


def _problems(args: ClusterArgs) -> list[str]:
    problems = place_problems(args.account_id, args.network.region)
    problems += endpoint_access_problems(
        public=args.endpoint_public_access, private=args.endpoint_private_access, cidrs=args.public_access_cidrs
    )
    problems += admin_problems(args.admins)
    if not re.fullmatch(r"1\.\d\d", args.version):
        problems.append(f"version {args.version!r} is not a Kubernetes minor version: write for example 1.36")
    if args.cluster_name is not None and not re.fullmatch(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}", args.cluster_name):
        problems.append(
            f"cluster_name {args.cluster_name!r} is refused by EKS: 1 to 100 letters, digits, hyphens and underscores, "
            "starting with a letter or digit"
        )
    if args.support_type not in {"STANDARD", "EXTENDED"}:
        problems.append(f"support_type {args.support_type!r} does not exist; allowed are STANDARD, EXTENDED")
    if args.log_retention_days not in RETENTION_DAYS:
        allowed = ", ".join(map(str, RETENTION_DAYS))
        problems.append(f"log_retention_days {args.log_retention_days} is not offered; allowed are {allowed}")
    return problems
