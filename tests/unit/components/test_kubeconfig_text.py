import json
from typing import Any

from components.aws.kubeconfig import kubeconfig

CLUSTER = {
    "cluster_name": "slipway-local-main",
    "endpoint": "https://example.eks.amazonaws.com",
    "certificate_authority": "Q0E=",
    "region": "us-east-1",
}


def parsed(**more: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(kubeconfig(**CLUSTER, **more))
    return config


def test_the_user_is_a_command_and_not_a_credential() -> None:
    config = parsed()
    assert config["users"] == [
        {
            "name": "slipway-local-main",
            "user": {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "slipway",
                    "args": ["kube-token", "--cluster", "slipway-local-main", "--region", "us-east-1"],
                    "interactiveMode": "Never",
                    "provideClusterInfo": False,
                }
            },
        }
    ]
    assert config["clusters"][0]["cluster"] == {
        "server": "https://example.eks.amazonaws.com",
        "certificate-authority-data": "Q0E=",
    }
    assert config["current-context"] == config["contexts"][0]["name"]


def test_a_role_is_assumed_by_the_command() -> None:
    arguments = parsed(role_arn="arn:aws:iam::000000000000:role/admin")["users"][0]["user"]["exec"]["args"]
    assert arguments[-2:] == ["--role-arn", "arn:aws:iam::000000000000:role/admin"]


def test_a_proxy_is_written_beside_the_server() -> None:
    assert (
        parsed(proxy_url="socks5://localhost:1080")["clusters"][0]["cluster"]["proxy-url"] == "socks5://localhost:1080"
    )


def test_the_same_cluster_always_gives_the_same_text() -> None:
    assert kubeconfig(**CLUSTER) == kubeconfig(**CLUSTER)
