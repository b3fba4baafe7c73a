"""Serves the console to browsers of this machine. Each tab is a process of its own, which ends with the server."""

from __future__ import annotations

import secrets
import shlex
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from textual_serve.server import Server

from sdconsole.errors import OperationFailed
from sdconsole.interfaces.web.guard import Guard

ADDRESS = "127.0.0.1"
_TEMPLATES = Path(__file__).parent / "templates"


class ConsoleServer(Server):
    """The pages come from this package and from textual-serve's own files: nothing is fetched from elsewhere."""

    def __init__(self, command: str, listening: socket.socket, announce: Callable[[str], object]) -> None:
        port = listening.getsockname()[1]
        super().__init__(command, host=ADDRESS, port=port, title="sdconsole", templates_path=_TEMPLATES)
        self._listening = listening
        self._announce = announce
        self._guard = Guard(secrets.token_urlsafe(24), frozenset({f"{ADDRESS}:{port}"}))

    @property
    def address(self) -> str:
        """What is opened in the browser, once: it carries the token."""
        return f"{self.public_url}/?token={self._guard.token}"

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()
        app.middlewares.append(self._guard.middleware)
        return app

    async def on_startup(self, app: web.Application) -> None:
        self._announce(self.address)

    def run(self) -> None:
        """Until SIGINT or SIGTERM."""
        web.run_app(self._make_app(), sock=self._listening, print=lambda *_: None, shutdown_timeout=2.0)


def listen(port: int) -> socket.socket:
    """A socket on this machine's own address; port 0 = any free one. Raises OperationFailed ("port-taken")."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise OperationFailed(
            "port-taken",
            f"{ADDRESS}:{port} cannot be listened on",
            cause=error.strerror or str(error),
            next_step="sdconsole serve --port 0 takes any free one",
        ) from error
    return listening


def tab_command(state_dir: Path, run_id: str, *, control: bool) -> str:
    """The command line of a tab's process. The shell is replaced by it, so that its parent is the server."""
    words = [sys.executable, "-m", "sdconsole.interfaces.web.tab", str(state_dir), run_id or "-"]
    return "exec " + shlex.join([*words, "control" if control else "look"])
