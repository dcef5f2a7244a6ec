"""`/openapi.json` and `/docs` of a surface: open to all, limited like the rest."""

from __future__ import annotations

import msgspec
from aiohttp import web

from voicecore.api import openapi
from voicecore.api.kit import Auth, Exchange, Route, Surface
from voicecore.api.mount import json_response

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def documented(surface: Surface, public_url: str, below: str = "") -> Surface:
    """The surface with its documents, `below` a path that follows its root. `public_url`: how clients reach us; ""
    takes each request's own."""

    async def spec(exchange: Exchange) -> web.StreamResponse:
        base = public_url.rstrip("/") or str(exchange.http.url.origin())
        return json_response(openapi.document(surface, base + surface.root))

    async def docs(exchange: Exchange) -> web.StreamResponse:
        text = openapi.page(surface, f"{surface.root}{below}/openapi.json")
        return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)

    documents = [
        Route(
            method="GET",
            path=below + path,
            handler=handler,
            summary=summary,
            tag="Documents",
            media_type=kind,
            auth=Auth.NONE,
            permission=None,
        )
        for path, handler, summary, kind in (
            ("/openapi.json", spec, "This description as OpenAPI 3.1", "application/json"),
            ("/docs", docs, "This description as a page", "text/html"),
        )
    ]
    return msgspec.structs.replace(surface, routes=[*surface.routes, *documents])
