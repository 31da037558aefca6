"""Processes, ports, locks and certificates: nothing is mistaken, nothing is shared, nothing is readable by others."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from local.cluster.certificates import Authority, service_account_keys
from local.cluster.identity import ProcessIdentity, resident_mib, stop
from local.cluster.kubeconfigs import exec_kubeconfig, write_certificate_kubeconfig
from local.cluster.locking import exclusive, hold
from local.cluster.ports import PortBook, is_free

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_living_process_is_recognised_and_a_recycled_pid_is_not() -> None:
    child = subprocess.Popen(SLEEP)
    try:
        identity = ProcessIdentity.of(child.pid)
        assert identity is not None
        assert identity.alive()
        assert not ProcessIdentity(child.pid, "another-boot:1").alive()
        assert ProcessIdentity.from_json(json.loads(json.dumps(identity.to_json()))) == identity
        assert resident_mib(os.getpid()) > 5
    finally:
        child.kill()
        child.wait()
    assert not identity.alive()
    assert ProcessIdentity.of(child.pid) is None


@pytest.mark.parametrize("value", [None, [], {"pid": 1}, {"pid": "1", "started": "x"}])
def test_a_damaged_record_names_no_process(value: object) -> None:
    assert ProcessIdentity.from_json(value) is None


def test_stop_ends_a_group_and_kills_what_ignores_the_request() -> None:
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    identity = ProcessIdentity.of(child.pid)
    assert identity is not None
    assert stop([identity], grace_seconds=0.3) == []
    assert child.wait(5) == -signal.SIGKILL


def test_stop_leaves_a_process_alone_whose_pid_was_recycled() -> None:
    child = subprocess.Popen(SLEEP)
    try:
        assert stop([ProcessIdentity(child.pid, "another-boot:1")], grace_seconds=0.1) == []
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_ports_are_remembered_and_avoided_when_taken(tmp_path: Path) -> None:
    first = PortBook(tmp_path / "ports.json").reserve("a", "b")
    assert len(set(first.values())) == 2
    assert PortBook(tmp_path / "ports.json").reserve("a", "b") == first
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", first["a"]))
        squatter.listen()
        assert not is_free(first["a"])
        again = PortBook(tmp_path / "ports.json").reserve("a", "b")
    assert again["a"] not in first.values()
    assert again["b"] == first["b"]


def test_a_port_that_another_environment_wrote_down_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path))
    for book in ("one/supervisor/ports.json", "one/clusters/main/ports.json", "one/clusters/main/front.json"):
        path = tmp_path / book
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"a": 40001}')
    offered = iter([40001, 40001, 40002])
    monkeypatch.setattr("local.cluster.ports._offered", lambda: next(offered))
    own = tmp_path / "other" / "supervisor" / "ports.json"
    own.parent.mkdir(parents=True)
    assert PortBook(own).reserve("a") == {"a": 40002}


def test_a_damaged_port_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    made = PortBook(tmp_path / "ports.json").reserve("a")
    assert json.loads((tmp_path / "ports.json").read_text()) == made


def test_a_lock_excludes_others_says_so_once_and_leaves_no_file(tmp_path: Path) -> None:
    path, order, said = tmp_path / "lock", list[str](), list[str]()

    def second() -> None:
        with exclusive(path, lambda: said.append("waiting")):
            order.append("second")

    with exclusive(path, lambda: said.append("never")):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.4)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert said == ["waiting"]
    assert not path.exists()


def test_a_second_holder_is_turned_away(tmp_path: Path) -> None:
    descriptor = hold(tmp_path / "lock")
    assert descriptor is not None
    assert hold(tmp_path / "lock") is None
    os.close(descriptor)


def test_certificates_say_who_and_where_and_keys_are_private(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "demo CA")
    server = authority.server("server", ("127.0.0.1", "localhost"))
    client = authority.client("scheduler", "system:kube-scheduler", ("system:masters",))
    names = x509.load_pem_x509_certificate(server.certificate.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [str(item) for item in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    subject = x509.load_pem_x509_certificate(client.certificate.read_bytes()).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:kube-scheduler"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:masters"
    keys = [authority.pair.key, server.key, client.key, service_account_keys(tmp_path).key]
    assert [oct(key.stat().st_mode & 0o777) for key in keys] == ["0o600"] * 4
    context = ssl.create_default_context(cafile=str(authority.pair.certificate))
    context.load_cert_chain(str(client.certificate), str(client.key))


def test_an_authority_is_read_again_instead_of_being_made_anew(tmp_path: Path) -> None:
    assert Authority(tmp_path, "demo CA").pem == Authority(tmp_path, "demo CA").pem


def test_kubeconfigs_hold_files_for_components_and_a_command_for_people(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "demo CA")
    pair = authority.client("admin", "admin")
    path = write_certificate_kubeconfig(tmp_path / "admin.kubeconfig", "https://127.0.0.1:1", authority.pem, pair)
    user = json.loads(path.read_text())["users"][0]["user"]
    assert user == {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
    shared = json.loads(exec_kubeconfig("demo", "us-east-1", "https://127.0.0.1:1", "Q0E=", "arn:aws:iam::1:role/x"))
    credential = shared["users"][0]["user"]["exec"]
    assert credential["command"] == "slipway"
    assert credential["args"] == [
        "kube-token",
        "--cluster",
        "demo",
        "--region",
        "us-east-1",
        "--role-arn",
        "arn:aws:iam::1:role/x",
    ]
    assert credential["interactiveMode"] == "Never"
    assert shared["clusters"][0]["cluster"]["certificate-authority-data"] == "Q0E="
