import pulumi

from components.aws.documents import trust_document
from components.aws.roles import create_role
from local.cloud.plan import record


def test_a_long_role_name_is_cut_to_what_iam_takes_and_a_short_one_is_left_to_pulumi() -> None:
    def program() -> None:
        parent = pulumi.ComponentResource("test:aws:Parent", "parent")
        for name in ("short-role", "x" * 30 + "-addons-aws-fsx-csi-driver-role"):
            create_role(
                name, parent=parent, region="us-east-1", trust=trust_document("a.amazonaws.com"), description=""
            )

    roles = {item.name: item for item in record(program).resources if item.type == "aws:iam/role:Role"}
    lengths = {name: len(str(item.inputs["name"])) for name, item in roles.items()}
    assert lengths["x" * 30 + "-addons-aws-fsx-csi-driver-role"] == 64
    assert str(roles["short-role"].inputs["name"]).startswith("short-role-")
