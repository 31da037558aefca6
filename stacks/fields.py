"""Constrained types of the settings, each named once and reused by every section."""

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SecretStr,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from components import accelerators, cidr, tags, versions
from stacks.aws_facts import AWS_REGIONS, KUBERNETES_VERSIONS, LOG_RETENTION_DAYS
from stacks.problems import near, refusal

PLACEHOLDER = "placeholder-of-an-encrypted-value"
"""Stands for a ``secure:`` value where no engine decrypts it: in plans, tests and rehearsals."""

SIMULATED_ACCOUNT_ID = "0" * 12
"""No real AWS account has this id; it marks a simulation."""


class Section(BaseModel):
    """A part of the settings: frozen, camelCase in the file, and no key that nobody reads."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=False,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True, slots=True)
class _Pattern(AfterValidator):
    """A validator that also tells editors, in the JSON Schema, which text it accepts."""

    pattern: str = ""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the type below, with the pattern."""
        return {**handler(core_schema), "pattern": f"^(?:{self.pattern})$"}


def _choices(names: Callable[[], Iterable[str]]) -> Any:
    """Tells editors, in the JSON Schema, which texts there are; looked up only when a schema is made."""

    def fill(schema: dict[str, Any]) -> None:
        schema["enum"] = sorted(names())

    return Field(json_schema_extra=fill)


def matching(rule: LiteralString, pattern: str, *, allowed: str, fix: str) -> AfterValidator:
    """Accepts text that matches ``pattern`` completely."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise refusal(rule, "the text has another form", allowed=allowed, fix=fix)
        return value

    return _Pattern(check, pattern)


def _dns_label(limit: int) -> AfterValidator:
    return matching(
        "name-dns1123",
        rf"[a-z]([-a-z0-9]{{0,{limit - 2}}}[a-z0-9])?",
        allowed=f"1 to {limit} lower-case letters, digits and hyphens, a letter first and no hyphen last",
        fix="shorten it or replace the other characters",
    )


EnvironmentName: TypeAlias = Annotated[str, _dns_label(20)]
"""Part of physical names, of which the shortest limit at AWS is 32 characters (load balancers)."""
Name: TypeAlias = Annotated[str, _dns_label(30)]
"""Name of a pool, a volume, a run: part of logical names and labels (63 at most, with suffixes)."""
NamespaceName: TypeAlias = Annotated[str, _dns_label(40)]
ObjectName: TypeAlias = Annotated[str, _dns_label(63)]
"""Name of an object that somebody else installed, or of a model format."""

_TAG = r"[\w .:/=+@-]"
TagValue: TypeAlias = Annotated[
    str,
    matching(
        "tag-value",
        rf"{_TAG}{{1,256}}",
        allowed="1 to 256 letters, digits, spaces and . : / = + @ _ -",
        fix="remove the other characters: the cloud refuses them in tags",
    ),
]


def _tag_key(value: str) -> str:
    if value.lower().startswith(("aws:", "slipway:")) or value in (tags.OWNER, tags.COST_CENTER, "Name"):
        raise refusal(
            "tag-reserved",
            "AWS or the kit itself sets this tag",
            allowed=f"no aws:*, slipway:*, Name, {tags.OWNER} or {tags.COST_CENTER}",
            fix="rename the tag, or use the setting that makes it",
        )
    if not re.fullmatch(rf"{_TAG}{{1,128}}", value):
        allowed = "1 to 128 letters, digits, spaces and . : / = + @ _ -"
        raise refusal("tag-key", "the key has another form", allowed=allowed, fix="remove the other characters")
    return value


TagKey: TypeAlias = Annotated[str, AfterValidator(_tag_key)]

TimeToLive: TypeAlias = Annotated[
    str,
    matching(
        "ttl-format",
        r"[1-9][0-9]{0,3}[hd]",
        allowed="a number and h (hours) or d (days), for example 8h or 14d",
        fix="write the time that the stack may live",
    ),
]


def _cidr(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        reason = str(error)
        fix = "clear the host bits" if "host bits" in reason else "write an IPv4 block"
        raise refusal("cidr-format", reason, allowed="an IPv4 block such as 203.0.113.0/24", fix=fix) from None
    return str(network) if "/" in value else f"{value}/32"


Cidr: TypeAlias = Annotated[str, AfterValidator(_cidr)]
"""IPv4 block without host bits; a lone address becomes a /32."""


def _retention(value: int) -> int:
    if value not in LOG_RETENTION_DAYS:
        raise refusal(
            "log-retention",
            "CloudWatch Logs keeps logs for other numbers of days only",
            allowed=", ".join(map(str, LOG_RETENTION_DAYS)),
            fix="choose one of those",
        )
    return value


LogRetentionDays: TypeAlias = Annotated[
    int, Field(strict=True, json_schema_extra={"enum": list(LOG_RETENTION_DAYS)}), AfterValidator(_retention)
]


def _public_cidr(value: str) -> str:
    if ipaddress.IPv4Network(value).prefixlen < 8:  # noqa: PLR2004 -- shorter than any operator's own allocation
        raise refusal(
            "public-access-open",
            "this opens the API server to (nearly) everybody",
            allowed="the blocks of your offices, VPN and runners: /8 or longer",
            fix="list those blocks, or use access.kind tunnel or runner",
        )
    return value


PublicCidr: TypeAlias = Annotated[Cidr, AfterValidator(_public_cidr)]


def _vpc_cidr(value: str) -> str:
    network = ipaddress.IPv4Network(value)
    if not 16 <= network.prefixlen <= 24:  # noqa: PLR2004 -- the service's own limits are /16 and /28
        raise refusal(
            "vpc-cidr-size",
            f"a /{network.prefixlen} is no size for this network",
            allowed="/16 to /24 (AWS takes no VPC above /16; below /24 nothing is left for subnets)",
            fix="choose another prefix length",
        )
    if not any(network.subnet_of(block) for block in cidr.PRIVATE_RANGES):
        raise refusal(
            "vpc-cidr-private",
            "these are public addresses of somebody else",
            allowed="a block of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10",
            fix="choose a private block",
        )
    return value


VpcCidr: TypeAlias = Annotated[Cidr, AfterValidator(_vpc_cidr)]

AwsAccountId: TypeAlias = Annotated[
    str,
    matching("aws-account-id", r"[0-9]{12}", allowed="twelve digits in quotes", fix="copy the account's id, quoted"),
]


def _known(
    rule: LiteralString, known: Callable[[], frozenset[str]], *, what: str, allowed: str
) -> Callable[[str], str]:
    def check(value: str) -> str:
        names = known()
        if value not in names:
            guess = near(value, names)
            fix = f"did you mean {guess}?" if guess else "choose one of those"
            raise refusal(rule, what, allowed=allowed or ", ".join(sorted(names)), fix=fix)
        return value

    return check


AwsRegion: TypeAlias = Annotated[
    str,
    AfterValidator(_known("aws-region", lambda: AWS_REGIONS, what="there is no such region", allowed="")),
    _choices(lambda: AWS_REGIONS),
]
AwsZone: TypeAlias = Annotated[
    str,
    matching(
        "aws-zone",
        r"[a-z]{2}-[a-z]+-[0-9][a-z]",
        allowed="a zone name such as us-east-1a",
        fix="name a zone, not an id",
    ),
]
AwsRoleArn: TypeAlias = Annotated[
    str,
    matching(
        "aws-role-arn",
        r"arn:aws:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}",
        allowed="arn:aws:iam::<account>:role/<name>",
        fix="copy the role's ARN",
    ),
]
AwsPrincipalArn: TypeAlias = Annotated[
    str,
    matching(
        "aws-principal-arn",
        r"arn:aws:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]{1,512}",
        allowed="arn:aws:iam::<account>:role/<name> or …:user/<name>: access entries take no groups and no sessions",
        fix="name the role that people assume, not the session that they get",
    ),
]
CapacityReservationId: TypeAlias = Annotated[
    str,
    matching("aws-reservation-id", r"cr-[0-9a-f]{17}", allowed="cr- and 17 hexadecimal digits", fix="copy its id"),
]
KubernetesVersion: TypeAlias = Annotated[
    str,
    AfterValidator(
        _known(
            "kubernetes-version",
            lambda: frozenset(KUBERNETES_VERSIONS),
            what="the add-ons are not pinned for this version",
            allowed=f"{', '.join(KUBERNETES_VERSIONS)}, in quotes",
        )
    ),
    _choices(lambda: KUBERNETES_VERSIONS),
]

AddonName: TypeAlias = Annotated[
    str,
    AfterValidator(
        _known("addon-name", lambda: frozenset(versions.EKS_ADDONS), what="the kit installs no such add-on", allowed="")
    ),
    _choices(lambda: versions.EKS_ADDONS),
]
AddonVersion: TypeAlias = Annotated[
    str,
    matching(
        "addon-version",
        r"v[0-9]+\.[0-9]+\.[0-9]+-eksbuild\.[0-9]+",
        allowed="a version of EKS such as v1.2.3-eksbuild.1",
        fix="choose one of `aws eks describe-addon-versions --addon-name NAME --kubernetes-version VERSION`",
    ),
]

AmiRelease: TypeAlias = Annotated[
    str,
    matching(
        "ami-release",
        r"1\.[0-9]{2}\.[0-9]+-[0-9]{8}",
        allowed="Kubernetes version and date of a release, such as 1.36.1-20261105",
        fix="choose one of the releases of amazon-eks-ami, or leave it out",
    ),
]


def _utc_time(value: str) -> str:
    try:
        moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or moment.strftime("%Y-%m-%dT%H:%M:%SZ") != value:
        raise refusal(
            "time-utc",
            "this is no point in time",
            allowed="a time in UTC such as 2027-01-11T11:30:00Z",
            fix="write date, T, time and Z",
        )
    return value


UtcTime: TypeAlias = Annotated[str, AfterValidator(_utc_time), Field(json_schema_extra={"format": "date-time"})]


def _instance_type(value: str) -> str:
    try:
        accelerators.instance(value)
    except accelerators.UnknownInstanceTypeError as error:
        raise refusal(
            "instance-type-known",
            "the catalogue holds no such instance type",
            allowed="a type of components/data, for example p5.48xlarge or m7i.2xlarge",
            fix=str(error),
        ) from None
    return value


InstanceTypeName: TypeAlias = Annotated[str, AfterValidator(_instance_type), _choices(accelerators.catalogue)]

NodeCount: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=450)]
"""Nodes of one group; 450 is the quota of nodes per EKS managed node group (adjustable at AWS, not here)."""
GpuCount: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=8192)]
Gib: TypeAlias = Annotated[int, Field(strict=True, ge=1)]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Whole: TypeAlias = Annotated[int, Field(strict=True)]

AbsolutePath: TypeAlias = Annotated[
    str,
    matching(
        "path-absolute",
        r"(/[A-Za-z0-9._-]+)+",
        allowed="an absolute path such as /data/sets, without a slash at its end",
        fix="begin with a slash and use letters, digits, dots, underscores and hyphens",
    ),
]
S3Prefix: TypeAlias = Annotated[
    str,
    matching(
        "s3-prefix",
        r"([A-Za-z0-9!_.*'()-]+/)+",
        allowed="a prefix that ends in a slash, such as datasets/",
        fix="leave out the bucket and the leading slash; end with a slash",
    ),
]
ImageReference: TypeAlias = Annotated[
    str,
    matching(
        "image-pinned",
        r"[a-z0-9][a-z0-9._/-]*((:(?!latest$)[A-Za-z0-9_][A-Za-z0-9._-]{0,127})|((:[\w.-]+)?@sha256:[0-9a-f]{64}))",
        allowed="repository:version or repository@sha256:…, relative to registry.prefix; never :latest",
        fix="pin the image to a version or a digest",
    ),
]
EnvironmentVariableName: TypeAlias = Annotated[
    str,
    matching("variable-name", r"[A-Za-z_][A-Za-z0-9_]*", allowed="letters, digits, underscores", fix="rename it"),
]
HttpUrl: TypeAlias = Annotated[
    str,
    matching(
        "url-format",
        r"https?://[\w.:\[\]-]+(/[^\s?#]*)?",
        allowed="http(s)://host[:port][/path]",
        fix="correct the URL",
    ),
]


def _encrypted(value: Any) -> Any:
    """``{secure: …}`` of a file becomes a placeholder; plain text is refused by ``settings.load*``."""
    if isinstance(value, dict) and set(value) == {"secure"}:
        return PLACEHOLDER
    return value


EncryptedText: TypeAlias = Annotated[
    SecretStr,
    BeforeValidator(_encrypted),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {"secure": {"type": "string"}},
            "required": ["secure"],
            "additionalProperties": False,
        }
    ),
]
"""A secret: in the file only as ``secure: …`` (made by `pulumi config set --secret`), never printed."""
