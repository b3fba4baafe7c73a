"""Notices that the link to the server has gone silent, and cuts it, so that nothing waits for an answer for ever.

TCP notices a peer that is gone, in about 20 seconds. It does not notice a proxy or a tunnel that still takes packets
and passes nothing on, and no time limit on a statement tells a long one from a dead link. So a thread asks the server
something trivial on a session of the run; when the answer stays away, every connection of this process to that server
is cut, and whoever waits on one gets the error of a lost connection. Knows neither runs nor stages.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdconsole.errors import SdconsoleError

PAUSE_SECONDS = 5.0
"""Between two questions."""
PATIENCE_SECONDS = 20.0
"""How long an answer may take: as long as TCP itself waits for a lost packet's receipt (`tcp_user_timeout`)."""


@contextmanager
def watched_link(session: int, ask: Callable[[], None]) -> Iterator[None]:
    """While the block runs, `ask` is called every few seconds and must come back in time.

    session: the file descriptor of the connection that `ask` uses; local sockets are not watched. What `ask` raises
    ends the watching and nothing else: whoever needs that connection next is told.
    """
    with _socket_of(session) as connection:
        server = _far_end(connection)
    if server is None:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(server, ask, over), name="link", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(server: tuple[str, int], ask: Callable[[], None], over: threading.Event) -> None:
    while not over.wait(PAUSE_SECONDS):
        silence = threading.Timer(PATIENCE_SECONDS, cut_connections, [server])
        silence.daemon = True
        silence.start()
        try:
            ask()
        except SdconsoleError:
            return
        finally:
            silence.cancel()


def cut_connections(server: tuple[str, int]) -> int:
    """Shuts down every TCP connection of this process to that address and port; their owners close them. How many."""
    cut = 0
    for path in Path("/dev/fd").iterdir():
        with suppress(OSError), _socket_of(int(path.name)) as connection:  # closed meanwhile, or no socket
            if _far_end(connection) == server:
                connection.shutdown(socket.SHUT_RDWR)
                cut += 1
    return cut


def _socket_of(descriptor: int) -> socket.socket:
    """A second handle of the same socket. Raises OSError where there is none."""
    return socket.socket(fileno=os.dup(descriptor))


def _far_end(connection: socket.socket) -> tuple[str, int] | None:
    """Address and port; None where it is no TCP connection."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    address, port = connection.getpeername()[:2]
    return str(address), int(port)
