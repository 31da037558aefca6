"""The simulated account as AWS's own HTTP APIs: boto3 sees the store that Pulumi's plugin works on."""
