"""The HTTP server: signature, operation, handler, reply; nothing that is not modelled is answered."""

import datetime as dt
import logging
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from local.cloud.endpoint import calls  # noqa: F401 - registers the handlers
from local.cloud.endpoint.messages import HttpReply, HttpRequest
from local.cloud.endpoint.registry import CALLS, Asked, LostResponseError, is_read
from local.cloud.endpoint.shapes import ShapeError
from local.cloud.endpoint.signature import verify
from local.cloud.endpoint.wire import SERVICES, api_of, parse, refusal, reply
from local.cloud.lifecycle import Effects
from local.cloud.model import ApiError
from local.cloud.store import SqliteStore

_LOG = logging.getLogger(__name__)
LOOPBACK: Final = "127.0.0.1"
_MAX_BODY_BYTES: Final = 1 << 20
_IDLE_SECONDS: Final = 60.0


class Endpoint:
    """Answers requests over one account; knows no sockets.

    Args:
        store: the account; its own connection when a server's threads use it.
        effects: whether deletions are left to a supervisor.
    """

    def __init__(self, store: SqliteStore, effects: Effects = Effects.INSTANT) -> None:
        self._store = store
        self._effects = effects

    def answer(self, request: HttpRequest) -> HttpReply:
        """The reply to ``request``, refusals included.

        Raises:
            LostResponseError: a planted fault: the connection is to be dropped.
        """
        service, request_id = api_of(request), str(uuid.uuid4())
        try:
            return self._answer(service, request, request_id)
        except ApiError as error:
            return refusal(service, request, error, request_id)
        except ShapeError as error:
            _LOG.error("%s %s: the reply is not what the service model says: %s", service, request.target, error)
            return refusal(service, request, ApiError("InternalFailure", str(error), status=500), request_id)

    def _answer(self, service: str, request: HttpRequest, request_id: str) -> HttpReply:
        caller = verify(request, self._store.credentials_of_key, dt.datetime.now(dt.UTC))
        if service not in SERVICES:
            raise _not_modelled(service, "any call", f"services: {', '.join(SERVICES)}")
        parsed = parse(service, request)
        handler = CALLS.get((service, parsed.operation.name))
        if handler is None:
            known = ", ".join(sorted(name for one, name in CALLS if one == service))
            raise _not_modelled(service, parsed.operation.name, f"calls of {service}: {known}")
        asked = Asked(
            store=self._store,
            caller=caller,
            operation=parsed.operation,
            parameters=parsed.parameters,
            effects=self._effects,
        )
        answer = asked.read(service, handler) if is_read(parsed.operation.name) else handler(asked)
        return reply(parsed, answer, request_id)


def _not_modelled(service: str, operation: str, known: str) -> ApiError:
    message = f"{service} {operation} is not modelled by the simulated account and nothing is made up; {known}"
    return ApiError("NotModelled", message, status=400)


class EndpointServer:
    """Serves an account's file on one loopback port, in threads; ``port`` 0 takes a free one."""

    def __init__(self, store: SqliteStore, port: int = 0, effects: Effects = Effects.INSTANT) -> None:
        endpoint = Endpoint(store, effects)
        self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(endpoint))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="aws-endpoint", daemon=True)

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL is to be."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; the store stays open, it is the caller's."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
                self.send_error(413)
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = HttpRequest(self.command, self.path, headers, self.rfile.read(int(length)))
            try:
                made = endpoint.answer(request)
            except LostResponseError:
                self.close_connection = True
                return
            except Exception:  # noqa: BLE001 - one bad request must not end the server; it is logged with its traceback
                _LOG.exception("%s %s", self.command, self.path.partition("?")[0])
                made = HttpReply(500, b"internal error, see the supervisor's log\n")
            self.send_response(made.status)
            for name, value in {**made.headers, "Content-Length": str(len(made.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(made.body)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _serve  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            _LOG.debug(format, *args)

    return Handler
