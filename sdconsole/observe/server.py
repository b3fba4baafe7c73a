"""`/metrics` over HTTP for this machine only: bound to a loopback address, and deaf to requests for other hosts.

A web page that makes a name of its own point to 127.0.0.1 could otherwise read it through the browser.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from sdconsole.errors import OperationFailed, from_os_error

ADDRESS = "127.0.0.1"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NAMES = frozenset({"127.0.0.1", "localhost"})


class _Handler(BaseHTTPRequestHandler):
    """GET /metrics and nothing else."""

    server_version = "sdconsole"
    sys_version = ""
    timeout = 10.0
    read: ClassVar[Callable[[], bytes]]
    told: ClassVar[Callable[[str], None]]

    def do_GET(self) -> None:
        host, _, port = self.headers.get("Host", "").partition(":")
        if host.lower() not in _NAMES or (port and port != str(self.connection.getsockname()[1])):
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"this server answers for 127.0.0.1 only\n", "text/plain")
        elif self.path == "/metrics":
            self._metrics()
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"/metrics\n", "text/plain")

    def _metrics(self) -> None:
        try:
            content = type(self).read()
        except (OperationFailed, OSError) as error:
            type(self).told(str(error))
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"the metrics cannot be read\n", "text/plain")
            return
        self._answer(HTTPStatus.OK, content, CONTENT_TYPE)

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives
        """A request is no news."""


def metrics_server(port: int, read: Callable[[], bytes], told: Callable[[str], None]) -> ThreadingHTTPServer:
    """A server that is bound and not yet serving; port 0 = any. `told` gets what went wrong.

    Raises OperationFailed ("file-error") when the port is taken.
    """
    handler = type("Handler", (_Handler,), {"read": staticmethod(read), "told": staticmethod(told)})
    try:
        server = ThreadingHTTPServer((ADDRESS, port), handler)
    except OSError as error:
        raise from_os_error(error, f"port {port} of {ADDRESS} cannot be used") from error
    server.daemon_threads = True
    return server
