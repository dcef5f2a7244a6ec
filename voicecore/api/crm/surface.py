"""The surface as a whole: its table, its limits, its document and its page."""

from __future__ import annotations

from voicecore.api.crm import later
from voicecore.api.crm.analytics import AnalyticsHandlers
from voicecore.api.crm.assistant import AssistantHandlers
from voicecore.api.crm.auth import SURFACE, AuthHandlers
from voicecore.api.crm.calls import CallHandlers
from voicecore.api.crm.contacts import ContactHandlers
from voicecore.api.crm.errors import ErrorResponse, render_error
from voicecore.api.crm.knowledge import KnowledgeHandlers
from voicecore.api.crm.providers import ProviderHandlers
from voicecore.api.crm.webhooks import WebhookHandlers
from voicecore.api.documents import documented
from voicecore.api.kit import Surface
from voicecore.api.limiter import Allowance, limit_headers
from voicecore.api.links import Links
from voicecore.dealings import Dealings
from voicecore.domain.accounts import Principal
from voicecore.records import Records

ROOT = "/crm"
LIMITS = {  # §9, "CRM Read Operations" are the standard
    "authentication": "10 per minute",
    "standard": "1000 per minute",
    "write": "100 per minute",
    "ai": "50 per minute",
    "uploads": "20 per minute",
    "bulk": "5 per minute",
}


def build(*, records: Records, dealings: Dealings, public_url: str = "") -> Surface:
    """`public_url`: how clients reach us; "" takes each request's own."""
    accounts, customers, center = records.accounts, dealings.customers, dealings.contact_center
    auth = AuthHandlers(accounts)
    handlers = (
        auth,
        ContactHandlers(customers, center.activities),
        AssistantHandlers(dealings.conversations, center.advisor, center.moods, customers),
        ProviderHandlers(center.telephony),
        CallHandlers(
            records.calls,
            records.agents,
            accounts,
            customers,
            dealings.outbound,
            dealings.transfers,
            Links(records.tokens, public_url),
        ),
        AnalyticsHandlers(center.figures, accounts),
        KnowledgeHandlers(dealings.knowledge),
        WebhookHandlers(dealings.webhooks),
    )

    async def authenticate(token: str) -> Principal:
        return await accounts.authenticate(token, SURFACE)

    surface = Surface(
        name=SURFACE,
        title="NeuraCRM API",
        version="1.0.0",
        description="Contacts, calls, knowledge and the assistant of a CRM with a call centre. Times are UTC.",
        routes=[*(route for part in handlers for route in part.routes()), *later.routes()],
        limits=LIMITS,
        limit_headers=_limit_headers,
        render_error=render_error,
        authenticate=authenticate,
        admit=auth.admit,
        error_shape=ErrorResponse,
        root=ROOT,
        prefix=ROOT,
    )
    return documented(surface, public_url)


def _limit_headers(allowance: Allowance) -> dict[str, str]:
    """With the document's fourth: how many seconds until the window begins anew."""
    return limit_headers(allowance) | {"X-RateLimit-Retry-After": str(allowance.retry_after_s)}
