"""The section of what model services may read."""

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from stacks.fields import S3Prefix, Section, matching
from stacks.problems import refusal

BucketName: TypeAlias = Annotated[
    str,
    matching(
        "bucket-name",
        r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        allowed="3 to 63 lower-case letters, digits and hyphens (S3 serves names with dots over plain text only)",
        fix="write the bucket's name, without s3://",
    ),
]
KmsKeyArn: TypeAlias = Annotated[
    str,
    matching(
        "kms-key-arn",
        r"arn:aws(-cn|-us-gov)?:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}",
        allowed="arn:aws:kms:<region>:<account>:key/<id>",
        fix="copy the key's ARN; an alias does not do, since policies name keys",
    ),
]


class ModelAccess(Section):
    """A prefix of a bucket that a role lets model services read, and nothing besides."""

    bucket: BucketName | None = None
    """Unset: the stack's own data lake."""
    prefix: S3Prefix
    key_arn: KmsKeyArn | None = None
    """The key that encrypts a bucket of one's own, where it is not Amazon S3's. The data lake's is known."""

    @model_validator(mode="after")
    def _key_belongs_to_a_bucket(self) -> "ModelAccess":
        if self.key_arn is not None and self.bucket is None:
            raise refusal(
                "model-access-key",
                "the key of the stack's own data lake is known",
                allowed="keyArn beside bucket only",
                fix="remove keyArn, or name the bucket that it encrypts",
                at=("keyArn",),
            )
        return self


ModelAccessList: TypeAlias = Annotated[tuple[ModelAccess, ...], Field(max_length=10)]
"""Ten statements fit into the 10,240 characters of a role's inline policies (IAM quotas)."""
