"""No secret of a small platform comes out anywhere: planted before `up`, looked for in all that is written and run."""

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from tests.support.sandbox import Sandbox
from tests.support.secret_scan import Leak, Sampler, Scanner, open_to_others

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

PASSPHRASE = "simulated"
"""Of every simulated environment; written in the file, as a simulated account holds nothing that needs hiding."""
ROUNDS = 1_000_000
"""Of Pulumi's passphrase provider (pulumi/sdk, go/common/resource/config/crypt.go)."""
PASSWORD = 'planted-regIstry/passw0rd+"of"-the-test'
ENVIRONMENTS = {
    # The engine hands the decrypted configuration to the program, and the key is what plugins and boto3 sign with.
    ("registry password", "PULUMI_CONFIG in an environment"),
    ("deployer's secret key", "AWS_SECRET_ACCESS_KEY in an environment"),
}
"""The only variables in which a process may have a secret."""


def encrypted(text: str, salt_line: str) -> str:
    """``text`` as `pulumi config set --secret` writes it with the file's salt."""
    salt = base64.b64decode(salt_line.split(":")[1])
    key = PBKDF2HMAC(SHA256(), 32, salt, ROUNDS).derive(PASSPHRASE.encode())
    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), None)
    return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"


@dataclass
class Story:
    """What a person did, what it said, and what the processes showed meanwhile."""

    sandbox: Sandbox
    sampler: Sampler
    said: dict[str, str] = field(default_factory=dict)

    def do(self, *arguments: str, status: int = 0) -> None:
        answer = self.sandbox.expect(*arguments, status=status)
        self.said[" ".join(arguments)] = f"{answer.output}\n{answer.errors}"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    sandbox = Sandbox.copy(tmp_path_factory.mktemp("secrets"))
    sandbox.shrink()
    _plant(sandbox)
    with Sampler(sandbox.state) as sampler:
        told = Story(sandbox, sampler)
        try:
            told.do("up", "local", "--yes")
            told.do("status", "local", "--json")
            told.do("preview", "local")
            told.do("drift", "local", "--json")
            yield told
        finally:
            sandbox.close()


def _plant(sandbox: Sandbox) -> None:
    salt = yaml.safe_load(sandbox.settings_file.read_text())["encryptionsalt"]

    def registry(settings: dict[str, Any]) -> None:
        credentials = {"username": "planted", "password": {"secure": encrypted(PASSWORD, salt)}}
        settings["registry"] = {"prefix": "registry.example.com/ai", "credentials": credentials}

    sandbox.settings(registry)


def generated(sandbox: Sandbox) -> dict[str, str]:
    """Secrets that the environment made itself."""
    found = {"registry password": PASSWORD}
    for path in sorted(sandbox.state.rglob("*.key")):
        # One whole line from the middle of a PEM text: others quote keys with other line breaks.
        found[f"key {path.relative_to(sandbox.state)}"] = path.read_text().splitlines()[1]
    with sandbox.store() as store:
        (credentials,) = store._rows("SELECT secret_access_key FROM credentials")
        found["deployer's secret key"] = str(credentials["secret_access_key"])
    record = json.loads((sandbox.state / "local" / "supervisor" / "supervisor.json").read_text())
    found["supervisor's token"] = str(record["token"])
    return found


def at_home(leak: Leak) -> bool:
    """Whether the secret lives there: in a file, or a table, that exists to keep it."""
    homes = {
        # A Secret of the cluster, as in every cluster; at AWS the kit's own key encrypts what etcd holds.
        "registry password": r"local/clusters/[\w-]+/etcd/.*",
        "deployer's secret key": r"local/account\.db:credentials",
        "supervisor's token": r"local/supervisor/supervisor\.json",
    }
    return leak.secret == f"key {leak.place}" or bool(re.fullmatch(homes.get(leak.secret, "-"), leak.place))


@pytest.fixture(scope="module")
def scanner(story: Story) -> Scanner:
    return Scanner(generated(story.sandbox))


def test_every_secret_is_in_its_own_file_and_in_no_other(story: Story, scanner: Scanner) -> None:
    found = scanner.tree(story.sandbox.state)
    assert [str(leak) for leak in found if not at_home(leak)] == []
    assert {leak.secret for leak in found} == set(generated(story.sandbox)), "each was found where it lives"
    kept = {story.sandbox.state / leak.place.partition(":")[0] for leak in found}
    assert open_to_others(kept) == []


def test_the_kubeconfigs_and_the_account_are_for_their_owner_only(story: Story) -> None:
    private = [path for path in story.sandbox.state.rglob("*") if path.suffix in (".kubeconfig", ".key", ".db")]
    assert len(private) > 10, "kubeconfigs, keys and the account"
    assert open_to_others(private) == []


def test_what_was_said_and_exported_holds_no_secret(story: Story, scanner: Scanner) -> None:
    export = story.sandbox.pulumi("stack", "export")
    assert '"ciphertext"' in export.output, "the state holds the password, encrypted"
    story.said["pulumi stack export"] = f"{export.output}\n{export.errors}"
    for command, text in story.said.items():
        assert list(scanner.data(text.encode(), command)) == []
    assert scanner.tree(story.sandbox.directory) == [], "the program's own directory"


def test_no_process_got_a_secret_in_its_arguments_and_few_in_their_environment(story: Story, scanner: Scanner) -> None:
    programs = {sample.command for sample in story.sampler.samples}
    assert {"pulumi", "slipway", "etcd", "kube-apiserver"} <= programs, "the processes were watched"
    found = {(leak.secret, leak.place) for leak in story.sampler.leaks(scanner)}
    assert found - ENVIRONMENTS == set()


def test_a_destroyed_platform_leaves_no_secret_behind_but_the_accounts_own(story: Story, scanner: Scanner) -> None:
    story.do("destroy", "local", "--yes")
    assert list(scanner.data(story.said["destroy local --yes"].encode(), "destroy")) == []
    left = scanner.tree(story.sandbox.state)
    assert [str(leak) for leak in left if not at_home(leak)] == []
    assert "registry password" not in {leak.secret for leak in left}, "the cluster's store went with the cluster"
