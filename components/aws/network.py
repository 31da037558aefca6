"""The network of one stack: a VPC with a private and a public subnet in each zone, its ways out, and its log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2

from components import cidr, tokens
from components.aws.endpoints import DEFAULT_INTERFACE_ENDPOINTS, create_endpoints, endpoint_problems
from components.aws.flow_logs import create_flow_log
from components.aws.partition import place_problems
from components.outputs import NetworkOutputs
from components.problems import refuse
from components.tags import resource_tags

RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""What CloudWatch Logs accepts (PutRetentionPolicy, retentionInDays)."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Where the network is and how it is divided."""

    account_id: str
    region: str
    zones: Sequence[str]
    """2 to 6 zone names; their order decides which block each gets, so append new ones."""
    cidr: str = "10.0.0.0/16"
    nat_per_zone: bool = True
    """False shares one NAT gateway: cheaper, but the network's way out then depends on one zone."""
    interface_endpoints: Sequence[str] = DEFAULT_INTERFACE_ENDPOINTS
    """Services reached without leaving the VPC, for example ``ecr.api``; each costs one interface per zone."""
    flow_log_retention_days: int = 90


class Network(pulumi.ComponentResource):
    """A VPC whose nodes are all private; nothing in it gets a public address but NAT gateways.

    Raises:
        ValueError: bad zones, block, region, account or retention; the message says what is allowed.
    """

    vpc_id: pulumi.Output[str]
    outputs: NetworkOutputs

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("Network", name, _problems(args))
        plan = self.address_plan(args)
        super().__init__(tokens.of(self), name, None, opts)
        self._options = pulumi.ResourceOptions(parent=self)
        vpc = self._create_vpc(name, args)
        public = self._create_subnets(name, "public", vpc, plan.public)
        private = self._create_subnets(name, "private", vpc, plan.private)
        gateways = self._create_nat_gateways(name, args, self._create_public_routes(name, vpc, public))
        tables = self._create_private_tables(name, args, vpc, gateways)
        routed = self._associate("private", name, private, tables)
        create_endpoints(
            name,
            args.interface_endpoints,
            parent=self,
            region=args.region,
            network=vpc,
            cidr_block=args.cidr,
            tables=tables,
            subnet_ids=routed,
        )
        create_flow_log(name, args.account_id, args.region, vpc.id, args.flow_log_retention_days, parent=self)
        self.vpc_id = vpc.id
        self.outputs = NetworkOutputs(
            network_id=vpc.id,
            cidr=args.cidr,
            region=args.region,
            zones=tuple(args.zones),
            private_subnet_ids=routed,
            public_subnet_ids={zone: subnet.id for zone, subnet in public.items()},
        )
        self.register_outputs({"vpc_id": self.vpc_id})

    @staticmethod
    def address_plan(args: NetworkArgs) -> cidr.AddressPlan:
        """The subnets that ``args`` lead to; pure.

        Raises:
            CidrError: block and zones make no plan.
        """
        return cidr.plan(args.cidr, args.zones)

    def _create_vpc(self, name: str, args: NetworkArgs) -> ec2.Vpc:
        vpc = ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=resource_tags(f"{name}-vpc"),
            opts=self._options,
        )
        # Adopted only to empty it: whoever forgets to name a security group gets one that lets nothing through.
        ec2.DefaultSecurityGroup(
            f"{name}-default-security-group",
            vpc_id=vpc.id,
            tags=resource_tags(f"{name}-default-security-group"),
            opts=self._options,
        )
        return vpc

    def _create_subnets(self, name: str, kind: str, vpc: ec2.Vpc, blocks: Mapping[str, str]) -> dict[str, ec2.Subnet]:
        # Load balancer controllers find subnets by these two tags (EKS user guide, network requirements).
        role = "kubernetes.io/role/elb" if kind == "public" else "kubernetes.io/role/internal-elb"
        return {
            zone: ec2.Subnet(
                f"{name}-{kind}-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=block,
                map_public_ip_on_launch=False,
                tags=resource_tags(f"{name}-{kind}-{zone}", {role: "1"}),
                opts=self._options,
            )
            for zone, block in blocks.items()
        }

    def _create_public_routes(
        self, name: str, vpc: ec2.Vpc, subnets: Mapping[str, ec2.Subnet]
    ) -> dict[str, pulumi.Output[str]]:
        gateway = ec2.InternetGateway(
            f"{name}-internet-gateway",
            vpc_id=vpc.id,
            tags=resource_tags(f"{name}-internet-gateway"),
            opts=self._options,
        )
        table = self._create_table(f"{name}-public", vpc, gateway_id=gateway.id)
        return self._associate("public", name, subnets, dict.fromkeys(subnets, table))

    def _create_nat_gateways(
        self, name: str, args: NetworkArgs, subnets: Mapping[str, pulumi.Output[str]]
    ) -> dict[str, ec2.NatGateway]:
        zones = args.zones if args.nat_per_zone else args.zones[:1]
        made = {zone: self._create_nat_gateway(f"{name}-nat-{zone}", subnets[zone]) for zone in zones}
        return {zone: made.get(zone, made[zones[0]]) for zone in args.zones}

    def _create_nat_gateway(self, name: str, subnet_id: pulumi.Output[str]) -> ec2.NatGateway:
        address = ec2.Eip(f"{name}-address", domain="vpc", tags=resource_tags(f"{name}-address"), opts=self._options)
        return ec2.NatGateway(
            name,
            allocation_id=address.id,
            connectivity_type="public",
            subnet_id=subnet_id,
            tags=resource_tags(name),
            opts=self._options,
        )

    def _create_private_tables(
        self, name: str, args: NetworkArgs, vpc: ec2.Vpc, gateways: Mapping[str, ec2.NatGateway]
    ) -> dict[str, "_Table"]:
        return {
            zone: self._create_table(f"{name}-private-{zone}", vpc, nat_gateway_id=gateways[zone].id)
            for zone in args.zones
        }

    def _create_table(
        self,
        name: str,
        vpc: ec2.Vpc,
        *,
        gateway_id: pulumi.Output[str] | None = None,
        nat_gateway_id: pulumi.Output[str] | None = None,
    ) -> "_Table":
        table = ec2.RouteTable(
            f"{name}-routes", vpc_id=vpc.id, tags=resource_tags(f"{name}-routes"), opts=self._options
        )
        default = ec2.Route(
            f"{name}-default-route",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._options,
        )
        return _Table(table=table, default=default)

    def _associate(
        self, kind: str, name: str, subnets: Mapping[str, ec2.Subnet], tables: Mapping[str, "_Table"]
    ) -> dict[str, pulumi.Output[str]]:
        # The ids handed on come from the associations: a machine in a subnet without its route cannot join a cluster.
        return {
            zone: ec2.RouteTableAssociation(
                f"{name}-{kind}-{zone}-association",
                subnet_id=subnet.id,
                route_table_id=tables[zone].table.id,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[tables[zone].default]),
            ).subnet_id.apply(str)
            for zone, subnet in subnets.items()
        }


@dataclass(frozen=True, kw_only=True)
class _Table:
    table: ec2.RouteTable
    default: ec2.Route

    @property
    def id(self) -> pulumi.Output[str]:
        return self.table.id


def _problems(args: NetworkArgs) -> list[str]:
    problems = place_problems(args.account_id, args.region, tuple(args.zones))
    try:
        cidr.plan(args.cidr, args.zones)
    except cidr.CidrError as error:
        problems.append(str(error))
    if args.flow_log_retention_days not in RETENTION_DAYS:
        allowed = ", ".join(map(str, RETENTION_DAYS))
        problems.append(f"flow_log_retention_days {args.flow_log_retention_days} is not offered; allowed are {allowed}")
    return problems + endpoint_problems(args.interface_endpoints)
