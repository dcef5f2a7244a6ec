"""The surface as a whole: its table, its limits, its document and its page."""

from __future__ import annotations

from pathlib import Path

from voicecore.api.documents import documented
from voicecore.api.kit import Surface
from voicecore.api.links import Links
from voicecore.api.vocaliq.agents import AgentHandlers
from voicecore.api.vocaliq.audio import AudioHandlers
from voicecore.api.vocaliq.auth import SURFACE, AuthHandlers
from voicecore.api.vocaliq.calendar import CalendarHandlers
from voicecore.api.vocaliq.call_control import CallControlHandlers
from voicecore.api.vocaliq.calls import CallHandlers
from voicecore.api.vocaliq.conversation import ConversationHandlers
from voicecore.api.vocaliq.customers import CustomerHandlers
from voicecore.api.vocaliq.errors import ErrorResponse, render_error
from voicecore.api.vocaliq.gdpr import GdprHandlers
from voicecore.api.vocaliq.knowledge import KnowledgeHandlers
from voicecore.api.vocaliq.monitoring import MonitoringHandlers
from voicecore.api.vocaliq.organizations import OrganizationHandlers
from voicecore.api.vocaliq.webhooks import WebhookHandlers
from voicecore.dealings import Dealings
from voicecore.domain.accounts import Principal
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.appointments import Appointments
from voicecore.services.calls import Calls
from voicecore.services.tokens import Tokens

LIMITS = {"standard": "100 per minute", "audio": "20 per minute", "calls": "10 per minute"}  # "Rate Limiting"


def build(
    *,
    accounts: Accounts,
    agents: Agents,
    calls: Calls,
    appointments: Appointments,
    tokens: Tokens,
    recordings: Path,
    dealings: Dealings,
    public_url: str = "",
) -> Surface:
    """`recordings`: their directory. `public_url`: how clients reach us; "" takes each request's own."""
    links = Links(tokens, public_url)
    handlers = (
        AuthHandlers(accounts),
        AgentHandlers(agents),
        CallControlHandlers(dealings.outbound, dealings.transfers, calls, accounts, links, public_url),
        CallHandlers(calls, accounts, recordings, links),
        CalendarHandlers(appointments, calls),
        OrganizationHandlers(dealings.organizations),
        CustomerHandlers(dealings.customers),
        KnowledgeHandlers(dealings.knowledge),
        AudioHandlers(dealings.audio, links),
        ConversationHandlers(dealings.conversations, links),
        MonitoringHandlers(dealings.monitoring, accounts, dealings.machine),
        GdprHandlers(dealings.privacy, links),
        WebhookHandlers(dealings.webhooks),
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
    return documented(surface, public_url)
