"""Who may talk to the browser console: somebody with the token, by this machine's own name, from its own page."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

COOKIE = "sdconsole"
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """`hosts` are the values of the Host header that are us; any other is a page that only pretends to be."""

    token: str
    hosts: frozenset[str]

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def guarded(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            refused = self._refuse(request)
            if refused:
                return web.Response(status=403, text=f"refused: {refused}\n")
            given = request.query.get("token")
            if given is not None:
                return self._let_in()
            response = await handler(request)
            if not response.prepared:
                response.headers.update(_HEADERS)
            return response

        return guarded

    def _refuse(self, request: web.Request) -> str:
        """Why not, in words; "" when the request is welcome."""
        if request.headers.get("Host", "") not in self.hosts:
            return "this name is not the server's own"
        origin = request.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.hosts:
            return "another page asks"
        given = request.query.get("token", request.cookies.get(COOKIE, ""))
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            return "open the address that sdconsole serve printed"
        return ""

    def _let_in(self) -> web.Response:
        """The token goes into a cookie and out of the address."""
        response = web.Response(status=303, headers={"Location": "/", **_HEADERS})
        response.set_cookie(COOKIE, self.token, httponly=True, samesite="Strict", path="/")
        return response
