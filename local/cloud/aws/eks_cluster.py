"""EKS: the cluster, and what EKS makes with it (security group, network interfaces, log group, access entries)."""

from local.cloud.aws.binding import bind, calls, service_made
from local.cloud.aws.common import arn, digest, get, iso_time, known
from local.cloud.aws.ec2_network import ALL_TRAFFIC, interface, own
from local.cloud.aws.ec2_security_rules import users
from local.cloud.aws.eks_certificates import certificate_authority
from local.cloud.aws.eks_facts import ACCESS_POLICY_PREFIX, NEWEST
from local.cloud.aws.logs import complete
from local.cloud.model import Account, Autoname, CloudObject, Context, Lifecycle, Reference
from local.cloud.values import Json, is_unknown

SAME = (
    "name",
    "version",
    "roleArn",
    "accessConfig",
    "computeConfig",
    "controlPlaneScalingConfig",
    "deletionProtection",
    "kubernetesNetworkConfig",
    "outpostConfig",
    "storageConfig",
    "upgradePolicy",
    "zonalShiftConfig",
    "kubeApiServerConfig",
    "kubeSchedulerConfig",
    "kubeControllerManagerConfig",
)
"""Properties that the API spells and nests like the provider."""
DEPLOYER_ROLE = "slipway-deployer"
CLUSTER_REFERENCE = Reference(
    body_path="clusterName",
    kind="eks:Cluster",
    missing_code="ResourceNotFoundException",
    missing_message="No cluster found for name: {value}.",
    holds=False,  # EKS takes add-ons and access entries along with the cluster
)
INTERFACES = 2
NO_SUBNET = "The subnet ID '{value}' does not exist (Service: AmazonEC2; Code: InvalidSubnetID.NotFound)"
NO_GROUP = "The security group '{value}' does not exist (Service: AmazonEC2; Code: InvalidGroup.NotFound)"


def _logging(types: Json) -> Json:
    if types is None:
        return None
    return {"clusterLogging": [{"types": types, "enabled": True}]}


def _cluster_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    body = {name: inputs.get(name) for name in SAME}
    encryption = inputs.get("encryptionConfig")
    remote = inputs.get("remoteNetworkConfig")
    body["resourcesVpcConfig"] = inputs.get("vpcConfig")
    body["logging"] = _logging(inputs.get("enabledClusterLogTypes"))
    body["encryptionConfig"] = None if encryption is None else [encryption]
    if remote is not None:
        body["remoteNetworkConfig"] = {
            name: [remote[name]] for name in ("remoteNodeNetworks", "remotePodNetworks") if remote.get(name)
        }
    return body


def _compute_cluster(body: dict[str, Json], context: Context) -> None:
    account = context.account
    config = body["resourcesVpcConfig"]
    subnet = account.get("ec2:Subnet", str(known(config, "subnetIds")[0]))
    issuer = account.new_id("", length=32, alphabet="0123456789ABCDEF")
    body["arn"] = arn("eks", f"cluster/{body['name']}", account)
    body["createdAt"] = iso_time(account)
    body["version"] = body.get("version") or NEWEST
    body["platformVersion"] = "eks.1"
    body["identity"] = {"oidc": {"issuer": f"https://oidc.eks.{account.region}.amazonaws.com/id/{issuer}"}}
    body["health"] = {"issues": []}
    config["vpcId"] = subnet.body["VpcId"] if subnet else ""
    config["clusterSecurityGroupId"] = account.new_id("sg-")
    network = body.setdefault("kubernetesNetworkConfig", {})
    network.setdefault("ipFamily", "ipv4")
    network.setdefault("serviceIpv4Cidr", _service_range(account, config["vpcId"]))
    network.setdefault("elasticLoadBalancing", {"enabled": False})


def _service_range(account: Account, vpc_id: str) -> str:
    """10.100.0.0/16, or 172.20.0.0/16 when the VPC uses addresses of 10.0.0.0/8 (EKS user guide, CreateCluster)."""
    vpc = account.get("ec2:Vpc", vpc_id)
    return "172.20.0.0/16" if vpc and str(vpc.body["CidrBlock"]).startswith("10.") else "10.100.0.0/16"


def _complete_cluster(body: dict[str, Json], context: Context) -> None:
    """What a real control plane would bring; well formed, but nothing listens."""
    name = digest(str(body["arn"]), length=32, alphabet="0123456789ABCDEF")
    body["endpoint"] = f"https://{name}.gr7.{context.account.region}.eks.amazonaws.com"
    body["certificateAuthority"] = {"data": certificate_authority()}


def _furnish_cluster(cluster: CloudObject, context: Context) -> None:
    account, body = context.account, cluster.body
    config, name = body["resourcesVpcConfig"], body["name"]
    group = config["clusterSecurityGroupId"]
    group_name = f"eks-cluster-sg-{name}-{digest(group, length=10, alphabet='0123456789')}"
    itself = {"IpProtocol": ALL_TRAFFIC, "UserIdGroupPairs": [{"GroupId": group}]}
    everyone = {"IpProtocol": ALL_TRAFFIC, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    account.put(
        service_made(
            "ec2:SecurityGroup",
            group,
            {
                "GroupId": group,
                "GroupName": group_name,
                "VpcId": config["vpcId"],
                "OwnerId": account.account_id,
                "SecurityGroupArn": own(account, f"security-group/{group}"),
                "Description": "EKS created security group applied to ENI that is attached to EKS Control Plane master "
                "nodes, as well as any managed workloads.",
                "IpPermissions": [itself],
                "IpPermissionsEgress": [everyone],
                "Tags": [
                    {"Key": "Name", "Value": group_name},
                    {"Key": f"kubernetes.io/cluster/{name}", "Value": "owned"},
                ],
            },
            context,
        )
    )
    _plug_cluster(cluster, context)
    _log_group(cluster, context)
    _creator_entry(cluster, context)


def _plug_cluster(cluster: CloudObject, context: Context) -> None:
    """EKS makes two to four interfaces in different zones of the given subnets (user guide, networking)."""
    account, config = context.account, cluster.body["resourcesVpcConfig"]
    groups = [{"GroupId": config["clusterSecurityGroupId"]}]
    groups += [{"GroupId": group} for group in config.get("securityGroupIds") or []]
    _unplug_cluster(cluster, context)
    seen: set[str] = set()
    for identifier in config["subnetIds"]:
        subnet = account.get("ec2:Subnet", str(identifier))
        if subnet is None or subnet.body["AvailabilityZone"] in seen or len(seen) == INTERFACES:
            continue
        seen.add(subnet.body["AvailabilityZone"])
        account.put(interface(subnet, context, Description=f"Amazon EKS {cluster.body['name']}", Groups=groups))


def _unplug_cluster(cluster: CloudObject, context: Context) -> None:
    for eni in context.account.find("ec2:NetworkInterface", Description=f"Amazon EKS {cluster.body['name']}"):
        context.account.remove(eni.kind, eni.id)


def logs_on(cluster: CloudObject) -> bool:
    """Whether the control plane writes any log."""
    return any(setup.get("enabled") and setup.get("types") for setup in get(cluster.body, "logging.clusterLogging", []))


def _log_group(cluster: CloudObject, context: Context) -> None:
    """A control plane that logs makes its group anew when it is not there: a leftover that nobody declared."""
    name = f"/aws/eks/{cluster.body['name']}/cluster"
    if not logs_on(cluster) or context.account.get("logs:LogGroup", name) is not None:
        return
    body: dict[str, Json] = {"logGroupName": name, "logGroupClass": "STANDARD", "tags": {}}
    complete(body, context.account)
    context.account.put(service_made("logs:LogGroup", name, body, context))


def _creator_entry(cluster: CloudObject, context: Context) -> None:
    access = cluster.body.get("accessConfig") or {}
    if access.get("authenticationMode") == "CONFIG_MAP" or not access.get("bootstrapClusterCreatorAdminPermissions"):
        return
    account = context.account
    caller = arn("iam", f"role/{DEPLOYER_ROLE}", account, region=False)
    add_entry(cluster.body["name"], caller, "STANDARD", context)
    policy = f"{ACCESS_POLICY_PREFIX}AmazonEKSClusterAdminPolicy"
    body = {
        "clusterName": cluster.body["name"],
        "principalArn": caller,
        "policyArn": policy,
        "accessScope": {"type": "cluster", "namespaces": []},
        "associatedAt": iso_time(account),
        "modifiedAt": iso_time(account),
    }
    identifier = f"{cluster.body['name']}#{caller}#{policy}"
    account.put(service_made("eks:AccessPolicyAssociation", identifier, body, context))


def add_entry(cluster: str, principal: str, kind: str, context: Context) -> None:
    """An access entry that EKS makes itself: for the creator, and for the role of a managed node group."""
    account = context.account
    if account.get("eks:AccessEntry", f"{cluster}:{principal}") is not None:
        return
    nodes = kind != "STANDARD"
    body = {
        "clusterName": cluster,
        "principalArn": principal,
        "type": kind,
        "username": "system:node:{{EC2PrivateDNSName}}" if nodes else principal,
        "kubernetesGroups": ["system:nodes"] if nodes else [],
        "accessEntryArn": entry_arn(account, cluster, principal),
        "createdAt": iso_time(account),
        "modifiedAt": iso_time(account),
        "tags": {},
    }
    account.put(service_made("eks:AccessEntry", f"{cluster}:{principal}", body, context))


def entry_arn(account: Account, cluster: str, principal: str) -> str:
    """``…:access-entry/<cluster>/role/<account>/<role>/<uuid>``."""
    parts = principal.split(":")
    kind, _, name = parts[-1].partition("/")
    seed = digest(cluster, principal, length=32)
    unique = "-".join((seed[:8], seed[8:12], seed[12:16], seed[16:20], seed[20:]))
    return arn("eks", f"access-entry/{cluster}/{kind}/{parts[4]}/{name}/{unique}", account)


def _empty_cluster(cluster: CloudObject, context: Context) -> None:
    account, name = context.account, cluster.body["name"]
    for kind in ("eks:Addon", "eks:AccessPolicyAssociation", "eks:AccessEntry", "eks:PodIdentityAssociation"):
        for item in account.find(kind, clusterName=name):
            account.remove(item.kind, item.id)
    _unplug_cluster(cluster, context)
    group = cluster.body["resourcesVpcConfig"]["clusterSecurityGroupId"]
    if not users(account, group):  # else it stays behind, as on AWS
        account.remove("ec2:SecurityGroup", group)
        for rule in account.find("ec2:SecurityGroupRule", GroupId=group):
            account.remove(rule.kind, rule.id)
    _log_group(cluster, context)


def _change_cluster(before: CloudObject, after: CloudObject, context: Context) -> None:
    placed = ("subnetIds", "securityGroupIds")
    if any(before.body["resourcesVpcConfig"].get(n) != after.body["resourcesVpcConfig"].get(n) for n in placed):
        _plug_cluster(after, context)
    _log_group(after, context)


def _cluster_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    body = item.body
    setups = [setup for setup in get(body, "logging.clusterLogging", []) if setup.get("enabled")]
    encryption = body.get("encryptionConfig") or []
    remote = body.get("remoteNetworkConfig")
    state: dict[str, Json] = {
        "vpcConfig": body.get("resourcesVpcConfig"),
        "enabledClusterLogTypes": [kind for setup in setups for kind in setup["types"]] if setups else [],
        "identities": [{"oidcs": [{"issuer": get(body, "identity.oidc.issuer")}]}],
        "certificateAuthority": {"data": get(body, "certificateAuthority.data")},
        "clusterId": "",
    }
    if encryption:
        state["encryptionConfig"] = encryption[0]
    if remote and not is_unknown(remote):
        state["remoteNetworkConfig"] = {name: networks[0] for name, networks in remote.items() if networks}
    return state


CLUSTER = bind(
    "aws:eks/cluster:Cluster",
    "eks:Cluster",
    calls("CreateCluster", "DeleteCluster", "UpdateClusterConfig"),
    identity="{name}",
    camel_case_body=True,
    create_only=(
        "name",
        "roleArn",
        "bootstrapSelfManagedAddons",
        "accessConfig.bootstrapClusterCreatorAdminPermissions",
        "encryptionConfig",
        "kubernetesNetworkConfig.ipFamily",
        "kubernetesNetworkConfig.serviceIpv4Cidr",
        "outpostConfig",
    ),
    client_only=("bootstrapSelfManagedAddons", "defaultAddonsToRemoves", "forceUpdateVersion"),
    autoname=Autoname(property="name", max_length=100),
    tags="tags",
    tags_as_map=True,
    defaults={
        "resourcesVpcConfig": {
            "endpointPublicAccess": True,
            "endpointPrivateAccess": False,
            "publicAccessCidrs": ["0.0.0.0/0"],
            "securityGroupIds": [],
        },
        "accessConfig": {"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": True},
        "upgradePolicy": {"supportType": "EXTENDED"},
        "deletionProtection": False,
    },
    to_body=_cluster_body,
    compute=_compute_cluster,
    after_create=_furnish_cluster,
    after_update=_change_cluster,
    before_delete=_empty_cluster,
    lifecycle=Lifecycle(
        path="status",
        creating="CREATING",
        ready="ACTIVE",
        failed="FAILED",
        deleting="DELETING",
        updating="UPDATING",
        effect=True,
        failure_path="health.issues",
        complete=_complete_cluster,
    ),
    references=(
        Reference(
            body_path="resourcesVpcConfig.subnetIds[]",
            kind="ec2:Subnet",
            missing_code="InvalidParameterException",
            missing_message=NO_SUBNET,
            holds=False,  # its interfaces hold the subnet
        ),
        Reference(
            body_path="resourcesVpcConfig.securityGroupIds[]",
            kind="ec2:SecurityGroup",
            missing_code="InvalidParameterException",
            missing_message=NO_GROUP,
            holds=False,
        ),
    ),
    to_state=_cluster_state,
)
BINDINGS = (CLUSTER,)
