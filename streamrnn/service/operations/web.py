"""The small HTTP server: /metrics, /healthz, /readyz. On loopback unless the configuration says otherwise.

A connection gets five seconds, the seventeenth at a time is turned away, and only GET and HEAD are answered.
"""

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client.exposition import choose_encoder

from streamrnn.errors import StreamrnnError
from streamrnn.service.ingest import bind
from streamrnn.service.operations.telemetry import Telemetry

SECONDS = 5.0
CONNECTIONS = 16

_log = structlog.get_logger("streamrnn")

Answer = tuple[int, str, bytes]  # status, content type, body


class Web:
    """The server, running in a thread of its own. Port 0 chooses a free one, which `address` tells."""

    def __init__(self, host: str, port: int, telemetry: Telemetry) -> None:
        try:
            self._server = _Server((host, port), telemetry)
        except OSError as error:
            hint = "choose another metrics.port (0: any that is free), or stop the program that listens there"
            raise StreamrnnError(f"cannot serve metrics on {host}:{port}: {error.strerror}", hint) from None
        self.address = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; a connection that is being served is left to its time limit."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _metrics(telemetry: Telemetry, accept: str) -> Answer:
    encode, kind = choose_encoder(accept)
    return 200, kind, encode(telemetry.registry)


def _health(telemetry: Telemetry, _: str) -> Answer:
    return _json(telemetry.alive, {"alive": telemetry.alive})


def _ready(telemetry: Telemetry, _: str) -> Answer:
    return _json(telemetry.ready, {"ready": telemetry.ready, "checks": dict(telemetry.checks)})


def _absent(_: Telemetry, __: str) -> Answer:
    return 404, "text/plain", b"/metrics /healthz /readyz\n"


def _json(good: bool, content: dict[str, Any]) -> Answer:
    return 200 if good else 503, "application/json", json.dumps(content).encode() + b"\n"


_PAGES: dict[str, Callable[[Telemetry, str], Answer]] = {"/metrics": _metrics, "/healthz": _health, "/readyz": _ready}


class _Page(BaseHTTPRequestHandler):
    server: "_Server"
    timeout = SECONDS
    server_version = "streamrnn"
    sys_version = ""

    def setup(self) -> None:
        """A connection has SECONDS in all, however it spreads what it sends."""
        super().setup()
        self._end = threading.Timer(SECONDS, _shut, [self.connection])  # a daemon, as the thread that makes it
        self._end.start()

    def finish(self) -> None:
        """Nothing is left to do for it."""
        self._end.cancel()
        super().finish()

    def do_GET(self) -> None:
        page = _PAGES.get(self.path.partition("?")[0], _absent)
        try:
            status, kind, body = page(self.server.telemetry, self.headers.get("Accept", ""))
        except Exception:  # a scraper is told, and the next one is served
            _log.error("a page could not be made", page=self.path[:200], exc_info=True)
            status, kind, body = 500, "text/plain", b"this page could not be made; the log has more\n"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged per request."""


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it has gone
        connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTIONS

    def __init__(self, address: tuple[str, int], telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        given = bind.handed().get(f"tcp://{address[0]}:{address[1]}")
        if given is not None:
            self.address_family = socket.AF_UNIX  # of the one that is made here and closed: there may be no network
        super().__init__(address, _Page, bind_and_activate=given is None)
        if given is not None:
            self.socket.close()
            self.socket = socket.socket(fileno=os.dup(given))
            self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
