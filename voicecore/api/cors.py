"""Browsers of other origins: which pages may call this server (Fetch standard, "CORS protocol"). Off unless origins are
named. Identity is a bearer token that a page has to hold, never a cookie, so credentials are not allowed to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import hdrs, web

ANY = "*"
METHODS = "GET, POST, PUT, PATCH, DELETE"
# What clients of the documents may send besides the headers that every page may.
HEADERS = (
    "Authorization, Content-Type, Range, X-Request-ID, X-Requested-With, X-Tenant-ID, X-Company-ID, X-Organization-ID,"
    " Accept-Language, Idempotency-Key"
)
EXPOSED = (
    "X-Request-ID, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Retry-After,"
    " Content-Disposition, Content-Range, Accept-Ranges, WWW-Authenticate,"
    " X-API-Deprecation, X-API-Deprecation-Date, X-API-Deprecation-Info"
)
MAX_AGE_S = 600
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def cors(origins: Sequence[str]) -> Any:
    """A middleware, to stand before all others. `origins` as browsers send them ("https://app.example.com"), or "*"."""
    allowed = frozenset(origin.rstrip("/") for origin in origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        welcome = origin is not None and (ANY in allowed or origin in allowed)
        preflight = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        response: web.StreamResponse
        if preflight and welcome:
            response = web.Response(status=204)
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = METHODS
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = HEADERS
            response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(MAX_AGE_S)
        else:
            response = await handler(request)
        if not response.prepared:
            response.headers.add(hdrs.VARY, hdrs.ORIGIN)
            if welcome and origin is not None:
                response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = ANY if ANY in allowed else origin
                response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED
        return response

    return middleware
