"""A TCP proxy before PostgreSQL that breaks the link at a chosen message: resets it, swallows a reply, or goes silent.

Runs an event loop in a thread of its own; `arm` and `heal` may be called from any thread. It reads what the client
sends only to find the message to strike at, and knows nothing else of the protocol.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

How = Literal["reset", "lose the request", "lose the reply", "black hole"]
_BLOCK = 65536


@dataclass(slots=True)
class Strike:
    """Where and how the link breaks: `more` bytes after the client's message that holds `at`, on its connection.

    reset: both sides are reset at once. lose the request: the message does not arrive, both sides are reset. lose the
    reply: it arrives, its answer does not, the client is reset. black hole: nothing is read or sent any more on any
    connection, both sides stay open for ever, and new ones get no answer until `heal`.
    """

    at: bytes
    how: How
    more: int = 0
    fired: int = 0


@dataclass(slots=True, eq=False)
class _Link:
    """One client's connection and the one that was opened to the server for it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    seen: bytes = b""
    left: int | None = None
    """Bytes until the strike; None = the message was not seen yet."""
    reply_lost: bool = False
    silent: bool = False

    def go_silent(self) -> None:
        self.silent = True
        for writer in (self.client, self.server):
            if not writer.transport.is_closing():
                writer.transport.pause_reading()  # type: ignore[attr-defined]

    def reset(self) -> None:
        for writer in (self.client, self.server):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN: what a firewall or a dead machine looks like."""
    found = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass(slots=True)
class Proxy:
    host: str
    port: int
    upstream_port: int
    strike: Strike | None = None
    refusing: bool = False
    """New connections are closed at once."""
    _answering: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set while the link is a black hole for new connections."""
    _never: asyncio.Event = field(default_factory=asyncio.Event)
    _links: set[_Link] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def fired(self) -> int:
        return self.strike.fired if self.strike else 0

    def arm(self, at: bytes, how: How, *, more: int = 0) -> Strike:
        """Strikes once, at the next such message."""
        self.strike = Strike(at, how, more)
        return self.strike

    def heal(self) -> None:
        """New connections work again; those that went silent stay so, and the server keeps its ends of them."""
        self._loop.call_soon_threadsafe(self._answering.set)

    async def serve(self, listening: threading.Event) -> None:
        """For ever."""
        self._answering.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        async with server:
            await self._never.wait()

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        await self._answering.wait()
        if self.refusing:
            _reset(client)
            return
        try:
            answers, server = await asyncio.open_connection(self.host, self.upstream_port)
        except OSError:
            _reset(client)
            return
        link = _Link(client, server)
        self._links.add(link)
        try:
            await asyncio.gather(self._requests(link, reader), self._replies(link, answers))
        except OSError:
            link.reset()
        finally:
            self._links.discard(link)
            client.close()
            server.close()

    async def _requests(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_BLOCK):
            if link.silent:
                await self._never.wait()
            strike = self.strike
            if strike is not None and not strike.fired and self._is_time(link, strike, data):
                strike.fired += 1
                if strike.how == "lose the reply":
                    link.reply_lost = True
                elif strike.how == "black hole":
                    self._answering.clear()
                    for each in self._links:
                        each.go_silent()
                    await self._never.wait()
                else:
                    link.reset()
                    return
            link.server.write(data)
            await link.server.drain()
        link.server.close()

    async def _replies(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_BLOCK):
            if link.silent:
                await self._never.wait()
            if link.reply_lost:
                link.reset()
                return
            link.client.write(data)
            await link.client.drain()
        link.client.close()

    def _is_time(self, link: _Link, strike: Strike, data: bytes) -> bool:
        if link.left is None:
            recent = link.seen + data
            found = recent.find(strike.at)
            link.seen = recent[-len(strike.at) + 1 :] if len(strike.at) > 1 else b""
            if found < 0:
                return False
            link.left = strike.more
            data = recent[found + len(strike.at) :]
        link.left -= len(data)
        return link.left <= 0 or strike.more == 0


@contextmanager
def proxy(host: str, port: int) -> Iterator[Proxy]:
    """A proxy on a free local port until the block ends."""
    made = Proxy(host, 0, port)
    loop = made._loop
    listening = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        serving = loop.create_task(made.serve(listening))
        loop.run_forever()
        left = asyncio.all_tasks(loop) | {serving}
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(asyncio.sleep(0.01))  # lets the closed sockets go
        loop.close()

    thread = threading.Thread(target=run, name="proxy")
    thread.start()
    assert listening.wait(10), "the proxy does not listen"
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
