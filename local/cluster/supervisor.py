"""The supervisor: makes the simulated account's clusters real, and keeps them so.

Run by ``slipway local up`` as a daemon; in the foreground, for debugging, with
``python -m local.cluster.supervisor --environment local``.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import logging
import os
import secrets
import signal
import sqlite3
import ssl
from collections.abc import Mapping
from pathlib import Path

from local.cloud.endpoint.server import EndpointServer
from local.cloud.lifecycle import Effects
from local.cloud.store import SqliteStore
from local.cluster.access import user_of
from local.cluster.authn import Key, TokenError, verify
from local.cluster.certificates import Authority
from local.cluster.charts import ChartMirror
from local.cluster.cloud_facts import CLUSTER
from local.cluster.cluster import SimulatedCluster
from local.cluster.executables import executables
from local.cluster.files import private_directory, write_private
from local.cluster.http_server import HttpRequest, HttpResponse, HttpServer, json_response
from local.cluster.identity import ProcessIdentity, resident_mib
from local.cluster.kubeconfigs import write_certificate_kubeconfig
from local.cluster.layout import SupervisorFiles
from local.cluster.locking import hold
from local.cluster.managers.managers import sources_of
from local.cluster.ports import LOOPBACK, PortBook
from local.cluster.status import ProcessStatus, Status
from local.cluster.tunnel import Tunnel
from local.paths import StatePaths
from local.toolchain.errors import ToolchainError

_LOG = logging.getLogger("local.cluster.supervisor")
_POLL_SECONDS = 0.2
_UNAUTHORIZED = 401
_NOT_FOUND = 404


class Supervisor:
    """One environment's daemon."""

    def __init__(self, paths: StatePaths, binaries: Mapping[str, Path]) -> None:
        self._paths = paths
        self._files = SupervisorFiles(paths)
        self._binaries = binaries
        self._store = SqliteStore(paths.account)
        self._clusters: dict[str, tuple[SimulatedCluster, asyncio.Task[None]]] = {}
        self._token = secrets.token_urlsafe(32)
        self._stopping = asyncio.Event()
        self._ports = PortBook(self._files.ports).reserve("http", "webhook", "tunnel", "aws")
        self._tunnel = Tunnel(self._ports["tunnel"], self._inside)
        self._charts = ChartMirror(sources_of)
        # A connection of its own: the reconciler learns of changes that other connections make.
        self._calls = SqliteStore(paths.account)
        self._aws = EndpointServer(self._calls, self._ports["aws"], Effects.SUPERVISOR)

    async def run(self) -> None:
        """Serve and reconcile until told to stop, or until the state directory is gone; then end every process."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        authority = Authority(self._files.pki, "slipway simulation supervisor CA")
        http = HttpServer(self._serve, self._ports["http"])
        webhook = HttpServer(self._authenticate, self._ports["webhook"], _webhook_tls(authority))
        await http.start()
        await webhook.start()
        await self._tunnel.start()
        self._aws.start()
        self._announce()
        try:
            await self._reconcile(authority)
        finally:
            await self._stop_clusters()
            await http.stop()
            await webhook.stop()
            await self._tunnel.stop()
            self._aws.stop()
            self._calls.close()
            self._store.close()
            _LOG.info("stopped")

    def _announce(self) -> None:
        identity = ProcessIdentity.of(os.getpid())
        record = {
            **(identity.to_json() if identity else {"pid": os.getpid()}),
            "url": f"http://{LOOPBACK}:{self._ports['http']}",
            "token": self._token,
        }
        write_private(self._files.record, json.dumps(record))
        _LOG.info("supervisor %d serves %s", os.getpid(), record["url"])

    def _is_recorded(self) -> bool:
        try:
            record = json.loads(self._files.record.read_text())
        except FileNotFoundError:
            return False
        except (OSError, ValueError):
            # Too many open files, for one, says nothing about it.
            return True
        return bool(record["pid"] == os.getpid())

    async def _reconcile(self, authority: Authority) -> None:
        version = -1
        while not self._stopping.is_set():
            if not self._is_recorded():
                # Nobody could find or end this process any more.
                _LOG.warning("%s does not name this supervisor any more: it ends", self._files.record)
                return
            try:
                version = self._look(authority, version)
            except sqlite3.Error as error:
                _LOG.warning("the account cannot be read now: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _POLL_SECONDS)

    def _look(self, authority: Authority, version: int) -> int:
        current = self._store.data_version()
        if current != version:
            for cluster, _ in self._clusters.values():
                cluster.wake()
        self._sync_clusters(authority)
        return current

    def _sync_clusters(self, authority: Authority) -> None:
        for name in [name for name, (_, task) in self._clusters.items() if task.done()]:
            _, task = self._clusters.pop(name)
            error = None if task.cancelled() else task.exception()
            if error:
                _LOG.error("cluster %s: the reconciler failed and starts again", name, exc_info=error)
        for item in self._store.find(CLUSTER):
            if item.id in self._clusters:
                continue
            webhook = self._webhook_kubeconfig(authority, item.id)
            directory = self._paths.clusters / item.id
            cluster = SimulatedCluster(self._store, item.id, directory, self._binaries, webhook)
            task = asyncio.create_task(cluster.run(), name=f"cluster {item.id}")
            self._clusters[item.id] = (cluster, task)

    def _inside(self, port: int) -> int | None:
        """Where a published endpoint leads to for a client that is in the network."""
        found = (cluster.port_inside(port) for cluster, _ in self._clusters.values())
        return next((target for target in found if target is not None), None)

    async def _stop_clusters(self) -> None:
        tasks = [task for _, task in self._clusters.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _webhook_kubeconfig(self, authority: Authority, cluster: str) -> Path:
        pair = authority.client("webhook-client", "kube-apiserver")
        server = f"https://{LOOPBACK}:{self._ports['webhook']}/authenticate/{cluster}"
        path = self._files.directory / f"webhook-{cluster}.kubeconfig"
        return write_certificate_kubeconfig(path, server, authority.pem, pair)

    async def _serve(self, request: HttpRequest) -> HttpResponse:
        path = request.path.partition("?")[0]
        if path.startswith("/charts/"):
            # Packing a chart for the first time takes a second: the loop serves tokens meanwhile.
            return await asyncio.to_thread(self._charts.serve, path.removeprefix("/charts/"))
        if not secrets.compare_digest(request.headers.get("authorization", ""), f"Bearer {self._token}"):
            return HttpResponse(_UNAUTHORIZED, b"a token is needed; it is in the supervisor's record file\n")
        if path == "/status":
            return json_response((await self._status()).to_json())
        return HttpResponse(_NOT_FOUND, b"no such page\n")

    async def _status(self) -> Status:
        living = [cluster for cluster, _ in self._clusters.values()]
        clusters = await asyncio.gather(*(cluster.status() for cluster in living))
        own = ProcessStatus(
            name="supervisor",
            pid=os.getpid(),
            ports=dict(self._ports),
            memory_mib=resident_mib(os.getpid()),
            log=str(self._files.log),
            ready=True,
        )
        planes = [await cluster.plane.processes() for cluster in living if cluster.plane]
        processes = [own, *(process for plane in planes for process in plane)]
        return Status(
            environment=self._paths.environment,
            running=True,
            ready=all(process.ready for process in processes),
            state_directory=str(self._paths.root),
            processes=processes,
            clusters=clusters,
            charts_mirror=f"http://{LOOPBACK}:{self._ports['http']}/charts",
        )

    async def _authenticate(self, request: HttpRequest) -> HttpResponse:
        name = request.path.partition("?")[0].rpartition("/")[2]
        review = json.loads(request.body)
        status: dict[str, object]
        try:
            status = {"authenticated": True, "user": await self._user(name, review["spec"]["token"])}
        except TokenError as error:
            _LOG.info("cluster %s: token refused: %s", name, error)
            status = {"authenticated": False, "error": str(error)}
        answer = {"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}
        return json_response(answer)

    async def _user(self, cluster: str, token: str) -> dict[str, object]:
        keys: list[str] = []

        def key_of(identifier: str) -> Key | None:
            found = self._store.credentials_of_key(identifier)
            keys.append(identifier)
            return Key(found.secret_access_key, found.principal) if found else None

        # The account's own region is where it began; a stack may stand in any.
        known = self._store.get("eks:Cluster", cluster)
        region = known.region if known is not None else self._store.region
        principal = verify(token, cluster, region, key_of, dt.datetime.now(dt.UTC))
        user = user_of(self._store, cluster, principal, keys[-1])
        if user is None:
            raise TokenError(f"no access entry of the cluster admits {principal}")
        running = self._clusters.get(cluster)
        if running and running[0].inside:
            await running[0].inside.sync_access()
        extra = {name: list(values) for name, values in user.extra.items()}
        return {"username": user.name, "uid": principal, "groups": list(user.groups), "extra": extra}


def _webhook_tls(authority: Authority) -> ssl.SSLContext:
    pair = authority.server("webhook", (LOOPBACK, "localhost"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.pair.certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(str(pair.certificate), str(pair.key))
    return context


def serve(environment: str) -> None:
    """Run the supervisor of ``environment`` in this process until it is told to stop.

    Raises:
        local.toolchain.errors.ToolchainError: executables are missing.
        SystemExit: another supervisor serves the environment.
    """
    paths = StatePaths.of(environment)
    private_directory(paths.root)
    binaries = executables()
    if hold(SupervisorFiles(paths).lock) is None:
        raise SystemExit(f"error: another supervisor serves the environment {environment}")

    async def main() -> None:
        await Supervisor(paths, binaries).run()

    asyncio.run(main())


def main() -> None:
    """Entry point of ``python -m local.cluster.supervisor``."""
    parser = argparse.ArgumentParser(description="Supervisor of a simulated environment, in the foreground.")
    parser.add_argument("--environment", default="local")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Every request of a thousand nodes would be a line.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        serve(parser.parse_args().environment)
    except ToolchainError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
