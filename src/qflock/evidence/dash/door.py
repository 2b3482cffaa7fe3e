"""Who may see the page: who has its token, came by its own name, and only reads."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse, RedirectResponse, Response

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer that has no stricter ones: no page of others can show it, read it, or learn its address."""


class Door:
    """An application behind a token, which is the first part of every path.

    A page of others can make a browser ask this server by a name of theirs (DNS rebinding) and read what
    it answers; so the name that was asked for has to be a number, localhost, or the one that the server was
    started by.
    """

    def __init__(self, app: Any, token: str, host: str) -> None:
        """Stand before an application.

        Args:
            app: an ASGI application; it sees paths without the token.
            token: the secret.
            host: that the server was started by.
        """
        self._app, self._token, self._host = app, token, host.lower()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            return

        async def careful(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                there = {name.lower() for name, _ in headers}
                more = ((n.lower().encode(), v.encode()) for n, v in HEADERS.items())
                message = {**message, "headers": headers + [pair for pair in more if pair[0] not in there]}
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, careful)
            return
        path = "/" + scope["path"].lstrip("/").partition("/")[2]
        await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, careful)

    def _refusal(self, scope: Any) -> Response | None:
        """The answer to who may not see the page; None for who may."""
        if not self._known(scope):
            return PlainTextResponse(
                "This page has another name; take the address that qflock dash printed.\n", 421
            )
        if scope["method"] != "GET":
            return PlainTextResponse("Here things are only read.\n", 405, {"Allow": "GET"})
        given, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode()):
            return PlainTextResponse(
                "No token, or not the one; take the address that qflock dash printed.\n", 403
            )
        return None if slash else RedirectResponse(f"/{self._token}/")

    def _known(self, scope: Any) -> bool:
        """Whether the Host header is a name of this server."""
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            return False
        try:
            parts = urlsplit(f"//{given[0]}")
            name, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.netloc != given[0] or "@" in given[0]:
            return False
        if name in ("localhost", self._host):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not is_loopback(self._host)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    Args:
        host: a number, or a name.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
