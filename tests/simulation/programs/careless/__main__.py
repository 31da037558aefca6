"""What a rule can put right: a bucket that anybody may open, a template without IMDSv2 and encryption, no tags."""

import pulumi
import pulumi_aws as aws

place = pulumi.Config("slipway").require_object("place")
provider = aws.Provider("aws", region=place["region"], allowed_account_ids=[place["accountId"]])
opts = pulumi.ResourceOptions(provider=provider)
bucket = aws.s3.Bucket("data", bucket="careless-data", opts=opts)
aws.s3.BucketPublicAccessBlock("data-privacy", bucket=bucket.bucket, block_public_acls=True, opts=opts)
aws.ec2.LaunchTemplate(
    "nodes",
    name="careless-nodes",
    image_id="ami-0123456789abcdef0",
    instance_type="m7i.large",
    metadata_options={"http_tokens": "optional"},
    block_device_mappings=[{"device_name": "/dev/xvda", "ebs": {"encrypted": "false", "volume_size": 50}}],
    opts=opts,
)
