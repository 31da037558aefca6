import subprocess
import sys
from pathlib import Path

import pytest

from local.cloud.schema import SdkSchemas, Type, UnknownTokenError
from local.paths import REPOSITORY
from tests.unit.cloud_core.toy import CLUSTER, SUBNET, VPC, ZONES


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> SdkSchemas:
    return SdkSchemas("pulumi_aws", cache=tmp_path_factory.mktemp("schemas"))


def test_inputs_outputs_and_what_is_required_come_from_the_sdk(schemas: SdkSchemas) -> None:
    subnet = schemas.get(SUBNET)
    assert subnet.inputs.required == {"vpcId"}
    assert subnet.inputs.properties["cidrBlock"] == Type("string")
    assert subnet.inputs.properties["mapPublicIpOnLaunch"] == Type("boolean")
    assert subnet.inputs.properties["tags"] == Type("map", item=Type("string"))
    assert {"arn", "ownerId", "tagsAll"} <= subnet.computed
    assert "id" not in subnet.outputs.properties


def test_nested_types_carry_pulumis_names_and_their_own_required_members(schemas: SdkSchemas) -> None:
    cluster = schemas.get(CLUSTER)
    config = cluster.inputs.properties["vpcConfig"]
    assert config.name == "object"
    shape = cluster.shapes[config.shape]
    assert shape.required == {"subnetIds"}
    assert shape.properties["publicAccessCidrs"] == Type("list", item=Type("string"))
    assert shape.properties["endpointPrivateAccess"] == Type("boolean")


def test_secret_outputs_and_aliases_are_known(schemas: SdkSchemas) -> None:
    assert "masterPassword" in schemas.get("aws:rds/cluster:Cluster").secrets
    assert "aws:s3/bucketV2:BucketV2" in schemas.get("aws:s3/bucket:Bucket").aliases


def test_recursive_types_end(schemas: SdkSchemas) -> None:
    acl = schemas.get("aws:wafv2/webAcl:WebAcl")
    assert acl.inputs.properties["rules"].item is not None
    assert len(acl.shapes) > 100


def test_the_providers_own_configuration_has_a_schema(schemas: SdkSchemas) -> None:
    provider = schemas.get("pulumi:providers:aws")
    assert provider.inputs.properties["allowedAccountIds"] == Type("list", item=Type("string"))
    assert schemas.plugin == ("aws", schemas.version)


def test_a_schema_from_the_cache_equals_the_one_from_the_sdk(schemas: SdkSchemas, tmp_path: Path) -> None:
    fresh = SdkSchemas("pulumi_aws", cache=tmp_path)
    made = {token: fresh.get(token) for token in (VPC, CLUSTER, "aws:rds/cluster:Cluster", "aws:s3/bucket:Bucket")}
    again = SdkSchemas("pulumi_aws", cache=tmp_path)
    assert {token: again.get(token) for token in made} == made


def test_a_damaged_cache_entry_is_made_again(tmp_path: Path) -> None:
    SdkSchemas("pulumi_aws", cache=tmp_path).get(VPC)
    [entry] = [file for file in tmp_path.rglob("*.json") if file.name == "aws-ec2-vpc-Vpc.json"]
    entry.write_text('{"token": ')
    assert "cidrBlock" in SdkSchemas("pulumi_aws", cache=tmp_path).get(VPC).inputs.properties


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "cidrBlock" in SdkSchemas("pulumi_aws", cache=blocked / "below").get(VPC).inputs.properties


def test_a_type_that_does_not_exist_names_near_ones(schemas: SdkSchemas) -> None:
    with pytest.raises(UnknownTokenError, match=r"does not exist in pulumi_aws .*; near: aws:ec2/subnet:Subnet"):
        schemas.get("aws:ec2/subnet:Subnett")


def test_functions_are_known_without_a_list(schemas: SdkSchemas) -> None:
    assert schemas.has_function(ZONES)
    assert not schemas.has_function("aws:index/getNothing:getNothing")


def test_with_a_warm_cache_the_sdk_is_not_imported(schemas: SdkSchemas) -> None:
    schemas.get(VPC)
    directory = str(schemas._directory.parent)
    program = (
        "import sys; from pathlib import Path; from local.cloud.schema import SdkSchemas; "
        f"SdkSchemas('pulumi_aws', cache=Path({directory!r})).get({VPC!r}); "
        "print([name for name in sys.modules if name.startswith('pulumi')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
