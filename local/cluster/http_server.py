"""A very small HTTP/1.1 server on the loopback address: status, charts and the token webhook."""

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from local.cluster.ports import LOOPBACK

_LOG = logging.getLogger(__name__)
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error"}
_MAX_BODY_BYTES = 1 << 20
_IDLE_SECONDS = 120.0


@dataclass(frozen=True)
class HttpRequest:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True)
class HttpResponse:
    """One response."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


def json_response(value: object, status: int = 200) -> HttpResponse:
    """``value`` as JSON."""
    return HttpResponse(status, json.dumps(value).encode(), "application/json")


class HttpServer:
    """Serves one handler on one loopback port, with TLS when a context is given."""

    def __init__(self, handler: Handler, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._connection, LOOPBACK, self._port, ssl=self._tls)

    async def stop(self) -> None:
        """Stop listening and end open connections."""
        if self._server:
            self._server.close()
            for writer in list(self._connections):
                writer.close()
            await self._server.wait_closed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _IDLE_SECONDS)
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        words = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "0")
        if len(words) != 3 or not length.isdigit() or int(length) > _MAX_BODY_BYTES:  # noqa: PLR2004 - method, path, version
            _write(writer, HttpResponse(400, b"malformed request\n"), keep=False, head_only=False)
            return False
        body = await reader.readexactly(int(length))
        try:
            response = await self._handler(HttpRequest(words[0], words[1], headers, body))
        except Exception:  # noqa: BLE001 - one bad request must not end the server; it is logged with its traceback
            _LOG.exception("%s %s", words[0], words[1].partition("?")[0])
            response = HttpResponse(500, b"internal error, see the supervisor's log\n")
        keep = headers.get("connection", "").lower() != "close"
        _write(writer, response, keep=keep, head_only=words[0] == "HEAD")
        await writer.drain()
        return keep


def _write(writer: asyncio.StreamWriter, response: HttpResponse, *, keep: bool, head_only: bool) -> None:
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Connection": "keep-alive" if keep else "close",
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head_only else response.body))
