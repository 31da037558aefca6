"""User namespaces of process nodes without root, in programs of their own because a namespace cannot be left again."""

import subprocess
import sys

import pytest

from local.paths import REPOSITORY

JOINED_AND_OWN = """
import os, signal
from local.cluster.process_node.network.namespaces import enter_user, is_own_user_namespace, new_user_namespace
reading, writing = os.pipe()
holder = os.fork()
if holder == 0:
    new_user_namespace()
    os.write(writing, b"x")
    signal.pause()
os.read(reading, 1)
theirs = os.open(f"/proc/{holder}/ns/user", os.O_RDONLY)
before = is_own_user_namespace(theirs)
enter_user(theirs)
print(before, is_own_user_namespace(theirs), os.geteuid())
os.kill(holder, 9)
"""


def test_an_agent_knows_whether_it_is_in_the_holders_user_namespace() -> None:
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system forbids user namespaces")
    command = [sys.executable, "-c", JOINED_AND_OWN]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False)
    assert ran.stdout.split() == ["False", "True", "0"], f"outside, then inside and root there: {ran.stderr}"
