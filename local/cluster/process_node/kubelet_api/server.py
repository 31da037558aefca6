"""The kubelet's HTTPS API of one process node: logs, exec, attach, pods and their resource use.

Only the API server may ask: it shows a client certificate of the cluster's authority, and has checked by then what its
own client may do.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from http import HTTPStatus

from local.cluster.kube import Document
from local.cluster.ports import LOOPBACK
from local.cluster.process_node.kubelet_api import logs, usage
from local.cluster.process_node.kubelet_api.exchange import Channel, Reply, Request, RequestError
from local.cluster.process_node.kubelet_api.sessions import serve_attach, serve_exec
from local.cluster.process_node.seams import ContainerLog, NodeSettings, PodStore, UnknownContainerError

API_SERVER = "kube-apiserver-kubelet-client"
"""Common name of the API server's client certificate; see ``control_plane.KUBELET_CLIENT``."""
_HEAD_BYTES = 1 << 16
_HEAD_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


class KubeletServer:
    """Answers on 127.0.0.1 at ``settings.kubelet_port``."""

    def __init__(self, settings: NodeSettings, store: PodStore) -> None:
        self._settings = settings
        self._store = store
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the certificates cannot be read.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self._settings.authority))
        context.load_cert_chain(str(self._settings.certificate), str(self._settings.key))
        context.verify_mode = ssl.CERT_REQUIRED
        port = self._settings.kubelet_port
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, port, ssl=context, limit=_HEAD_BYTES)

    async def stop(self) -> None:
        """Close all connections."""
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._serve(Channel(reader, writer))
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
            _LOG.debug("kubelet API: %s", error)
        except Exception:  # noqa: BLE001 - one bad request must not end the node; it is logged with its traceback
            _LOG.exception("kubelet API")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, channel: Channel) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await channel.reader.readuntil(b"\r\n\r\n")
        try:
            _authorize(channel)
            reply = await self._answer(Request.parse(head), channel)
        except RequestError as error:
            reply = Reply(str(error).encode() + b"\n", status=error.status)
        if reply:
            await channel.send(reply)

    async def _answer(self, request: Request, channel: Channel) -> Reply | None:
        """A reply, or None when the answer has been streamed."""
        match request.segments:
            case ["healthz"]:
                return Reply(b"ok")
            case ["pods"]:
                return Reply.of({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._pods()})
            case ["metrics", "resource"]:
                return Reply(usage.metrics(await self._store.usage()).encode(), "text/plain; version=0.0.4")
            case ["stats", "summary"]:
                return Reply.of(usage.summary(self._settings.node, await self._store.usage(), _now()))
            case ["containerLogs", namespace, pod, container]:
                await self._logs(request, channel, (namespace, pod, container))
            case ["exec", namespace, pod, container] | ["exec", namespace, pod, _, container]:
                self._known(namespace, pod)
                await serve_exec(request, channel, self._store, (namespace, pod, container))
            case ["attach", namespace, pod, container] | ["attach", namespace, pod, _, container]:
                find = self._finder((namespace, pod, container), previous=False)
                entries = logs.entries(logs.LogOptions(follow=True, tail_lines=0), find)
                await serve_attach(request, channel, entries)
            case _:
                raise RequestError(HTTPStatus.NOT_FOUND, f"a process node does not serve /{'/'.join(request.segments)}")
        return None

    async def _logs(self, request: Request, channel: Channel, where: tuple[str, str, str]) -> None:
        options = logs.LogOptions.of(request, _now())
        pieces = logs.text(options, self._finder(where, previous=options.previous))
        await channel.begin()
        # A client that goes away closes its side; without looking, a silent log would be followed for ever.
        gone = asyncio.create_task(channel.reader.read(1))
        sending = asyncio.create_task(_send_all(pieces, channel))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            for task in (gone, sending):
                task.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)

    def _finder(self, where: tuple[str, str, str], *, previous: bool) -> Callable[[], ContainerLog]:
        """Looks the log up; found once before anything is sent.

        Raises:
            RequestError: there is none.
        """
        namespace, pod, _ = where
        self._known(namespace, pod)
        find = partial(self._store.log, *where, previous=previous)
        try:
            find()
        except UnknownContainerError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from error
        return find

    def _known(self, namespace: str, pod: str) -> None:
        for item in self._store.pods():
            if (item["metadata"]["namespace"], item["metadata"]["name"]) == (namespace, pod):
                return
        raise RequestError(HTTPStatus.NOT_FOUND, f'pod "{pod}" does not exist in namespace "{namespace}" on this node')

    def _pods(self) -> list[Document]:
        return [{"kind": "Pod", "apiVersion": "v1", **item} for item in self._store.pods()]


def _authorize(channel: Channel) -> None:
    certificate = channel.writer.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    if names != [API_SERVER]:
        raise RequestError(HTTPStatus.FORBIDDEN, f"{', '.join(names) or 'nobody'} is not the API server")


async def _send_all(pieces: AsyncIterator[bytes], channel: Channel) -> None:
    async for piece in pieces:
        await channel.more(piece)
    await channel.end()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
