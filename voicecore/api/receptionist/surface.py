"""The surface as a whole: its table, its limits, its document and its page."""

from __future__ import annotations

from voicecore.api.documents import documented
from voicecore.api.kit import Surface
from voicecore.api.links import Links
from voicecore.api.receptionist.analytics import AnalyticsHandlers
from voicecore.api.receptionist.auth import SURFACE, AuthHandlers
from voicecore.api.receptionist.calls import CallHandlers
from voicecore.api.receptionist.clients import ClientHandlers
from voicecore.api.receptionist.errors import ErrorResponse, render_error
from voicecore.domain.accounts import Principal
from voicecore.services.accounts import Accounts
from voicecore.services.businesses import Businesses
from voicecore.services.calls import Calls
from voicecore.services.tokens import Tokens

ROOT = "/receptionist"
# The document has no limits yet; who has proven nothing gets one all the same.
LIMITS = {"standard": "", "credentials": "300 per minute", "anonymous": "600 per minute"}


def build(
    *,
    accounts: Accounts,
    businesses: Businesses,
    calls: Calls,
    tokens: Tokens,
    public_url: str = "",
    open_call_log: bool = True,
) -> Surface:
    """`public_url`: how clients reach us; "" takes each request's own. `open_call_log`: calls may be reported
    without a token."""
    handlers = (
        AuthHandlers(accounts),
        ClientHandlers(businesses),
        CallHandlers(calls, Links(tokens, public_url), open_call_log),
        AnalyticsHandlers(calls, businesses),
    )

    async def authenticate(token: str) -> Principal:
        return await accounts.authenticate(token, SURFACE)

    surface = Surface(
        name=SURFACE,
        title="AI Receptionist API",
        version="1.0.0",
        description="Clients, their calls and figures. Times are UTC and do not say so.",
        routes=[route for part in handlers for route in part.routes()],
        limits=LIMITS,
        render_error=render_error,
        authenticate=authenticate,
        error_shape=ErrorResponse,
        root=ROOT,
        prefix=ROOT,
    )
    return documented(surface, public_url)
