"""One request to the kubelet's API and its answer; HTTP/1.1 as the API server speaks it, without request bodies."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})
"""What Go's strconv.ParseBool takes for true; the API server sends ``true`` to some paths and ``1`` to others."""
_WORDS = 3


class RequestError(Exception):
    """The request cannot be served: ``status`` and a message for whoever asked."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request's head."""

    method: str
    segments: Sequence[str]
    """The path's parts, decoded."""
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    """Names in lower case."""
    head: bytes
    """As it came, for those who speak another protocol from here on."""

    @staticmethod
    def parse(head: bytes) -> "Request":
        """Take a head apart.

        Raises:
            RequestError: it is none.
        """
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        words = first.split(" ")
        if len(words) != _WORDS:
            raise RequestError(HTTPStatus.BAD_REQUEST, "malformed request")
        target = urlsplit(words[1])
        pairs = (line.partition(":") for line in lines)
        return Request(
            method=words[0],
            segments=tuple(unquote(part) for part in target.path.split("/") if part),
            query=parse_qs(target.query, keep_blank_values=True),
            headers={name.strip().lower(): value.strip() for name, _, value in pairs},
            head=head,
        )

    def value(self, name: str) -> str:
        """A query parameter; "" when it is not there."""
        return next(iter(self.query.get(name, ())), "")

    def flag(self, name: str) -> bool:
        """A boolean query parameter."""
        return self.value(name) in _TRUE

    def number(self, name: str) -> int | None:
        """A whole, not negative number.

        Raises:
            RequestError: something else.
        """
        text = self.value(name)
        if not text:
            return None
        if not text.isdecimal():
            raise RequestError(HTTPStatus.BAD_REQUEST, f"{name}: {text!r} is not a whole number of at least 0")
        return int(text)

    @property
    def wants_websocket(self) -> bool:
        """Whether the client asks to go on as a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"


@dataclass(frozen=True)
class Reply:
    """A short answer."""

    body: bytes
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK

    @staticmethod
    def of(value: object) -> "Reply":
        """``value`` as JSON."""
        return Reply(json.dumps(value).encode(), JSON)


@dataclass(frozen=True)
class Channel:
    """The connection that a request came on."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, reply: Reply) -> None:
        """An answer of known length."""
        length = f"Content-Length: {len(reply.body)}\r\n"
        self.writer.write(_head(reply.status, reply.content_type, length) + reply.body)
        await self.writer.drain()

    async def begin(self, content_type: str = TEXT) -> None:
        """Begin an answer whose end is not known yet."""
        self.writer.write(_head(HTTPStatus.OK, content_type, "Transfer-Encoding: chunked\r\n"))
        await self.writer.drain()

    async def more(self, body: bytes) -> None:
        """A part of it; at once."""
        if body:
            self.writer.write(b"%x\r\n%b\r\n" % (len(body), body))
            await self.writer.drain()

    async def end(self) -> None:
        """Its end."""
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


def _head(status: HTTPStatus, content_type: str, length: str) -> bytes:
    first = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
    return f"{first}{length}Connection: close\r\n\r\n".encode()
