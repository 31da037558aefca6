"""A simulated environment from the outside: up, down, status, and what a shell needs to use it."""

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from local.cloud.aws.residue import residue
from local.cloud.paths import lookup
from local.cloud.plugin import install, load_package
from local.cloud.store import SqliteStore
from local.cluster.cloud_facts import CLUSTER
from local.cluster.control_plane import recorded as recorded_children
from local.cluster.daemon import Running, SupervisorError, recorded, running, start
from local.cluster.executables import NAMES
from local.cluster.files import private_directory, write_private
from local.cluster.identity import ProcessIdentity, stop
from local.cluster.kubeconfigs import exec_kubeconfig
from local.cluster.layout import SupervisorFiles, nodes_of
from local.cluster.locking import exclusive
from local.cluster.ports import LOOPBACK, PortBook
from local.cluster.process_node import cgroup_bases
from local.cluster.status import ProcessStatus, Status
from local.paths import ACCOUNT_VARIABLE, CHARTS_VARIABLE, SIMULATED_ACCOUNT_ID, STATE_VARIABLE, StatePaths
from local.toolchain.locate import find
from local.toolchain.pins import KUBERNETES_PLUGIN
from local.toolchain.toolchain import Toolchain

DEPLOYER = f"arn:aws:iam::{SIMULATED_ACCOUNT_ID}:role/slipway-deployer"
"""Who deploys in a simulated account."""
_REPAIR_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.25


class Console(Protocol):
    """Where progress goes; a ``rich.console.Console`` is one."""

    def print(self, *objects: object) -> None:
        """Print one line."""


class UnknownNameError(ValueError):
    """There is no such cluster or process; the message lists what there is."""


class LocalEnvironment:
    """The environment called ``name``; construction touches nothing."""

    def __init__(self, name: str) -> None:
        self.paths = StatePaths.of(name)
        self._files = SupervisorFiles(self.paths)

    def up(self, console: Console) -> Status:
        """Bring it up, or repair it; a second call finds everything in order and changes nothing.

        Raises:
            local.toolchain.errors.ToolchainError: executables are missing.
            SupervisorError: the supervisor does not start, or a process does not get ready.
        """
        Toolchain.load(NAMES)
        name = self.paths.environment
        with self._exclusive(lambda: console.print(f"waiting: another command changes the environment {name}")):
            self._prepare()
            found = self._living(console)
            return self._settled(found, console)

    def moving(self) -> list[str]:
        """What the supervisor is still making, changing or deleting: kind, id and status."""
        lifecycles = {one.kind: one.lifecycle for one in load_package("aws").bindings.values() if one.lifecycle}
        with contextlib.closing(SqliteStore(self.paths.account)) as store:
            objects = store.objects()
        found: list[str] = []
        for item in objects:
            lifecycle = lifecycles.get(item.kind)
            status = lookup(item.body, lifecycle.path) if lifecycle and lifecycle.effect else None
            if lifecycle and status in {lifecycle.creating, lifecycle.updating, lifecycle.deleting}:
                found.append(f"{item.kind} {item.id} is {status}")
        return found

    def settle(self, console: Console) -> list[str]:
        """Wait while the supervisor ends what a dead engine had begun; returns what still does not come to an end."""
        said = False
        deadline = time.monotonic() + _REPAIR_SECONDS
        while (left := self.moving()) and time.monotonic() < deadline:
            if not said:
                console.print(f"waiting for what had been begun: {', '.join(left)}")
                said = True
            time.sleep(_POLL_SECONDS)
        return left

    def down(self, console: Console) -> list[str]:
        """Stop every process and remove the state directory; returns what was left over, one line each.

        Left over are processes that would not end and objects that somebody forgot in the simulated account.
        """
        if not self.paths.root.exists():
            return []
        name = self.paths.environment
        with self._exclusive(lambda: console.print(f"waiting: another command changes the environment {name}")):
            children = self._recorded_children()
            found = recorded(self._files)
            if found and found.identity.alive():
                console.print(f"stopping the supervisor (pid {found.identity.pid}) of {name}")
                stop([found.identity], grace_seconds=_STOP_SECONDS)
            survivors = stop([*children, *self._recorded_children()], grace_seconds=5.0)
            left = [f"process {identity.pid} does not end" for identity in dict.fromkeys(survivors)]
            left += self._objects_left()
            for cluster in self.paths.clusters.glob("*"):
                cgroup_bases.clear_all(nodes_of(cluster))
            cgroup_bases.sweep()
            shutil.rmtree(self.paths.root, ignore_errors=True)
            if self.paths.root.exists():
                left.append(f"directory {self.paths.root} cannot be removed")
        with contextlib.suppress(OSError):
            # The place of all environments goes with its last one.
            self.paths.root.parent.rmdir()
        return left

    def status(self) -> Status:
        """How it is now; starts nothing."""
        found = recorded(self._files)
        if found is None:
            return self._stopped("the environment is down" if not self.paths.root.exists() else "no supervisor runs")
        if not found.identity.alive():
            return self._stopped(f"the supervisor (pid {found.identity.pid}) has died: `slipway local up` repairs it")
        try:
            return found.status()
        except SupervisorError as error:
            return self._stopped(str(error))

    def variables(self) -> dict[str, str]:
        """Environment variables with which plain ``pulumi`` works on this environment.

        Raises:
            SupervisorError: the environment was never brought up.
        """
        root = self.paths.root
        if not self.paths.account.exists():
            raise SupervisorError(f"{root} holds no environment: run `slipway local up` first")
        store = SqliteStore(self.paths.account)
        credentials, region = store.credentials(DEPLOYER), store.region
        store.close()
        return {
            "PULUMI_HOME": str(self.paths.pulumi_home),
            # No sidecar files: the backend truncates them in place, and a checkpoint whose sidecar was cut off by a
            # killed engine cannot be loaded any more.
            "PULUMI_BACKEND_URL": f"{self.paths.backend.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": "simulated",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PATH": self._search_path(),
            STATE_VARIABLE: str(root.parent),
            ACCOUNT_VARIABLE: str(self.paths.account),
            CHARTS_VARIABLE: self._charts_mirror(),
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            # boto3 of any process started with these variables asks the simulated account, never AWS.
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{self._port('aws')}",
            # Files that are empty: a profile of the user's own is never read.
            "AWS_CONFIG_FILE": str(root / "aws" / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(root / "aws" / "credentials"),
            "HELM_CACHE_HOME": str(root / "helm" / "cache"),
            "HELM_CONFIG_HOME": str(root / "helm" / "config"),
            "HELM_DATA_HOME": str(root / "helm" / "data"),
        }

    def tunnel(self) -> str:
        """URL of the HTTP proxy that stands for a tunnel into the simulated network, for private endpoints.

        Raises:
            SupervisorError: the environment was never brought up.
        """
        return f"http://{LOOPBACK}:{self._port('tunnel')}"

    def kubeconfig(self, cluster: str) -> str:
        """A kubeconfig (JSON) of a simulated cluster that asks ``slipway kube-token`` for its tokens.

        Raises:
            UnknownNameError: no such cluster, or it has no endpoint yet.
        """
        if not self.paths.account.exists():
            raise UnknownNameError(f"no cluster {cluster!r}: the environment {self.paths.environment} is down")
        store = SqliteStore(self.paths.account)
        clusters = {item.id: item for item in store.find(CLUSTER)}
        store.close()
        body = clusters[cluster].body if cluster in clusters else {}
        authority = (body.get("certificateAuthority") or {}).get("data")
        if not body.get("endpoint") or not authority:
            there = ", ".join(f"{item.id} ({item.body.get('status')})" for item in clusters.values()) or "none"
            raise UnknownNameError(
                f"no cluster {cluster!r} with an endpoint in {self.paths.environment}; there is: {there}"
            )
        return exec_kubeconfig(cluster, clusters[cluster].region, body["endpoint"], authority, DEPLOYER)

    def logs(self) -> dict[str, Path]:
        """Log files by name: ``supervisor``, ``<cluster>/<process>``."""
        found = {"supervisor": self._files.log} if self._files.log.exists() else {}
        for path in sorted(self.paths.clusters.glob("*/logs/*.log")):
            found[f"{path.parent.parent.name}/{path.stem}"] = path
        return found

    def log(self, process: str, *, lines: int = 100) -> str:
        """The last ``lines`` lines of a process's log.

        Raises:
            UnknownNameError: no such log.
        """
        logs = self.logs()
        if process not in logs:
            raise UnknownNameError(f"no log of {process!r}; there is: {', '.join(logs) or 'none'}")
        return "\n".join(logs[process].read_text(errors="replace").splitlines()[-lines:])

    def _exclusive(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        return exclusive(self.paths.root.parent / f".{self.paths.environment}.lock", waiting)

    def _prepare(self) -> None:
        root = private_directory(self.paths.root)
        store = SqliteStore(self.paths.account)
        store.credentials(DEPLOYER)
        store.close()
        for directory in (self.paths.backend, self.paths.pulumi_home, self.paths.logs, self.paths.clusters):
            private_directory(directory)
        for name in ("config", "credentials"):
            if not (root / "aws" / name).exists():
                write_private(root / "aws" / name, "")
        install(self.paths.pulumi_home)
        # The control plane works without the engine's part of the toolchain, so that its tests need no more than it.
        if find(KUBERNETES_PLUGIN):
            Toolchain.load([KUBERNETES_PLUGIN]).install_plugins(self.paths.pulumi_home)

    def _living(self, console: Console) -> Running:
        found = running(self._files)
        if found:
            try:
                found.status()
            except SupervisorError as error:
                console.print(f"{error}; replacing it")
                stop([found.identity], grace_seconds=_STOP_SECONDS)
            else:
                return found
        dead = recorded(self._files)
        if dead and not found:
            console.print(f"the supervisor (pid {dead.identity.pid}) had died; starting a new one")
        stop(self._recorded_children(), grace_seconds=3.0)
        return start(self.paths)

    def _settled(self, found: Running, console: Console) -> Status:
        """Wait until every process is ready; says once what is not."""
        said: set[str] = set()
        deadline = time.monotonic() + _REPAIR_SECONDS
        while True:
            status = found.status()
            waiting = [process for process in status.processes if not process.ready]
            if not waiting and status.ready:
                return status
            for process in waiting:
                name = f"{process.cluster}/{process.name}"
                if name not in said:
                    said.add(name)
                    console.print(f"{name}: {process.reason}; waiting for it")
            if time.monotonic() > deadline:
                reasons = "; ".join(f"{item.cluster}/{item.name}: {item.reason} (log: {item.log})" for item in waiting)
                raise SupervisorError(f"not ready after {_REPAIR_SECONDS:g} s: {reasons or status.problems}")
            time.sleep(_POLL_SECONDS)

    def _recorded_children(self) -> list[ProcessIdentity]:
        records = self.paths.clusters.glob("*/processes.json")
        return [identity for path in records for identity in recorded_children(path)]

    def _objects_left(self) -> list[str]:
        if not self.paths.account.exists():
            return []
        store = SqliteStore(self.paths.account)
        try:
            left = residue(store)
        finally:
            store.close()
        return [f"{item.kind} {item.id} (made by {_maker(item.urn, str(item.maker))})" for item in left]

    def _stopped(self, problem: str) -> Status:
        alive = [identity for identity in self._recorded_children() if identity.alive()]
        processes = [ProcessStatus(name="left running", pid=item.pid, reason="no supervisor") for item in alive]
        return Status(
            environment=self.paths.environment,
            running=False,
            ready=False,
            state_directory=str(self.paths.root),
            processes=processes,
            problems=[problem],
        )

    def _charts_mirror(self) -> str:
        return f"http://{LOOPBACK}:{self._port('http')}/charts"

    def _port(self, name: str) -> int:
        port = PortBook(self._files.ports).known().get(name)
        if port is None:
            raise SupervisorError(f"{self.paths.root} has no supervisor's ports: run `slipway local up` first")
        return port

    def _search_path(self) -> str:
        located = [
            find(name) for name in ("pulumi", "pulumi-language-python-exec", "pulumi-analyzer-policy-python", *NAMES)
        ]
        directories = [str(Path(sys.executable).parent), *(str(item.path.parent) for item in located if item)]
        return os.pathsep.join([*dict.fromkeys(directories), os.environ.get("PATH", os.defpath)])


def _maker(urn: str, maker: str) -> str:
    return json.dumps(urn.rpartition("::")[2]) if urn else f"the {maker}"
