"""Who may talk to the explorer: a browser of this machine that was once given the address with the token.

Four walls. The ``Host`` of every request names the loopback address (against DNS rebinding). The token in
the first address becomes a cookie that no other site can send (``SameSite=Strict``) and no script can read.
What changes something must come from one of our own pages (``Origin``), for cookies do not tell ports apart.
The content security policy lets pages load nothing but our own files.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

TOKEN = "token"  # noqa: S105 - a parameter's name
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
)
_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_SAFE = frozenset({"GET", "HEAD"})
_LOG_IN = "This page belongs to somebody else. Open the address that `foveal explore` printed.\n"

_Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Guard:
    """The secrets of one explorer.

    Attributes
    ----------
    token
        What the printed address carries.
    session
        What the cookie carries; another secret, so that an old address in a history tells nothing of it.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def protect(self, app: FastAPI) -> None:
        """Put the walls round an application."""

        @app.middleware("http")
        async def guarded(request: Request, call_next: _Next) -> Response:
            response = self._refusal(request) or self._entrance(request) or await call_next(request)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

    def _refusal(self, request: Request) -> Response | None:
        if _host(request.headers.get("host", "")) not in _NAMES:
            return PlainTextResponse("The explorer answers to the loopback address only.\n", 421)
        if request.method not in _SAFE and not _is_own(request):
            return PlainTextResponse("Only the explorer's own pages may change something.\n", 403)
        return None

    def _entrance(self, request: Request) -> Response | None:
        given = request.query_params.get(TOKEN)
        if given is not None and request.method == "GET":
            return self._log_in(request) if _same(given, self.token) else PlainTextResponse(_LOG_IN, 403)
        if _same(request.cookies.get(cookie_name(request), ""), self.session):
            return None
        return PlainTextResponse(_LOG_IN, 401)

    def _log_in(self, request: Request) -> Response:
        """Trade the token for the cookie and take it out of the address."""
        rest = [
            (name, value)
            for name, value in parse_qsl(request.url.query, keep_blank_values=True)
            if name != TOKEN
        ]
        place = "/" + request.url.path.lstrip("/")  # //host would lead elsewhere
        response = RedirectResponse(place + (f"?{urlencode(rest)}" if rest else ""), 303)
        response.set_cookie(cookie_name(request), self.session, httponly=True, samesite="strict", path="/")
        return response


def cookie_name(request: Request) -> str:
    """Name the cookie: explorers on several ports of a host share cookies, and must not overwrite them."""
    return f"foveal-{urlsplit('//' + request.headers.get('host', '')).port or 80}"


def _host(text: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if port != 0 else ""


def _is_own(request: Request) -> bool:
    origin = request.headers.get("origin", "")
    return hmac.compare_digest(origin.encode(), f"http://{request.headers.get('host', '')}".encode())


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())
