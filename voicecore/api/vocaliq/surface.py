"""The surface as a whole: its table, its limits, its document and its page."""

from __future__ import annotations

from pathlib import Path

import msgspec
from aiohttp import web

from voicecore.api import openapi
from voicecore.api.kit import Auth, Exchange, Route, Surface
from voicecore.api.mount import json_response
from voicecore.api.vocaliq.agents import AgentHandlers
from voicecore.api.vocaliq.auth import SURFACE, AuthHandlers
from voicecore.api.vocaliq.calendar import CalendarHandlers
from voicecore.api.vocaliq.calls import CallHandlers, LiveCalls
from voicecore.api.vocaliq.errors import ErrorResponse, render_error
from voicecore.domain.accounts import Principal
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.appointments import Appointments
from voicecore.services.calls import Calls
from voicecore.services.tokens import Tokens

LIMITS = {"standard": 100, "audio": 20, "calls": 10}  # requests a minute, document "Rate Limiting"
PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def build(
    *,
    accounts: Accounts,
    agents: Agents,
    calls: Calls,
    live: LiveCalls,
    appointments: Appointments,
    tokens: Tokens,
    recordings: Path,
    public_url: str = "",
) -> Surface:
    """`recordings`: their directory. `public_url`: how clients reach us; "" takes each request's own."""
    handlers = (
        AuthHandlers(accounts),
        AgentHandlers(agents),
        CallHandlers(calls, live, accounts, tokens, recordings, public_url),
        CalendarHandlers(appointments, calls),
    )

    async def authenticate(token: str) -> Principal:
        return await accounts.authenticate(token, SURFACE)

    surface = Surface(
        name=SURFACE,
        title="VocalIQ API",
        version="1.2.0",
        description="Calls, agents and appointments of a voice agent server. Times are UTC.",
        routes=[route for part in handlers for route in part.routes()],
        limits=LIMITS,
        render_error=render_error,
        authenticate=authenticate,
        error_shape=ErrorResponse,
        prefix="/api/v1",
    )
    return msgspec.structs.replace(surface, routes=[*surface.routes, *_documents(surface, public_url)])


def _documents(surface: Surface, public_url: str) -> list[Route]:
    """`/openapi.json` and `/docs` for the surface; open to all, limited like the rest."""

    async def spec(exchange: Exchange) -> web.StreamResponse:
        base = public_url.rstrip("/") or str(exchange.http.url.origin())
        return json_response(openapi.document(surface, base))

    async def docs(exchange: Exchange) -> web.StreamResponse:
        text = openapi.page(surface, "/openapi.json")
        return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)

    return [
        Route(
            method="GET",
            path=path,
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
