"""The surface as a whole: its table, its limits, its document and its page."""

from __future__ import annotations

import uuid

from voicecore.api.documents import documented
from voicecore.api.kit import Surface
from voicecore.api.links import Links
from voicecore.api.portal.auth import SURFACE, AuthHandlers
from voicecore.api.portal.business import BusinessHandlers
from voicecore.api.portal.company import CompanyHandlers
from voicecore.api.portal.errors import ErrorResponse, render_error
from voicecore.api.portal.later import LaterHandlers
from voicecore.api.portal.paging import Pager
from voicecore.api.portal.words import BASE
from voicecore.dealings import Dealings
from voicecore.domain.accounts import Principal
from voicecore.records import Records

# Document "Rate Limiting": by user, by address, by user.
LIMITS = {"standard": "60 per minute", "auth": "5 per minute", "exports": "10 per hour"}


def build(*, records: Records, dealings: Dealings, public_url: str = "") -> Surface:
    """`public_url`: how clients reach us; "" takes each request's own."""
    links, pager = Links(records.tokens, public_url), Pager(public_url)
    handlers = (
        AuthHandlers(records.accounts, records.people),
        CompanyHandlers(records, dealings, links, pager),
        BusinessHandlers(records, dealings, links, pager),
        LaterHandlers(),
    )

    async def authenticate(token: str) -> Principal:
        return await records.accounts.authenticate(token, SURFACE)

    surface = Surface(
        name=SURFACE,
        title="Business Portal API",
        version="2.0.0",
        description="Calls, appointments, customers and team of a company. Times are UTC.",
        routes=[route for part in handlers for route in part.routes()],
        limits=LIMITS,
        render_error=render_error,
        authenticate=authenticate,
        error_shape=ErrorResponse,
        prefix=BASE,
        by_address=frozenset({"auth"}),
        new_request_id=lambda: str(uuid.uuid4()),
    )
    return documented(surface, public_url, BASE)
