"""``heddle watch``: the page of a run while it goes on, for browsers of this machine."""

import json
import sys
from collections.abc import Callable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from flows.report.live import Live, WatchError, shell
from hw.spec.errors import HeddleError

__all__ = ["serve"]

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")     # by which a browser may ask; else any page could, by a name that leads here


def serve(folder: Path, port: int, ready: Callable[[str], None]) -> None:
    """Answer until the process is interrupted; ``ready`` is told the address. Port 0 is any that is free.

    Raises
    ------
    WatchError
        If the folder holds no run, or the port is taken.
    """
    live = Live(folder)
    try:
        server = _Server(live, port)
    except OSError as error:
        raise WatchError(f"port {port}: {error.strerror}; name another with --port") from error
    with server:
        ready(f"http://{HOST}:{server.server_address[1]}/")
        server.serve_forever(poll_interval=0.2)


class _Server(ThreadingHTTPServer):
    """For this machine alone."""

    def __init__(self, live: Live, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.live = live

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            raise


class _Handler(BaseHTTPRequestHandler):
    """The page, what changes in it, and in the end the report."""

    server: _Server

    def do_GET(self) -> None:
        live = self.server.live
        if self.headers.get("Host", "").rpartition(":")[0] not in NAMES:
            self._answer(403, "text/plain", b"ask by 127.0.0.1")
        elif self.path == "/":
            self._answer(200, "text/html", live.report if live.done else shell().encode())
        elif self.path == "/live":
            self._answer(200, "application/json", json.dumps(_now(live)).encode())
        else:
            self._answer(404, "text/plain", b"there is no such page")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: who watches reads the page."""

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)


def _now(live: Live) -> dict[str, object]:
    try:
        return {"done": live.done, "html": live.body()}
    except HeddleError as error:
        return {"done": False, "html": f"<p class='bad'>{escape(str(error))}</p>"}
