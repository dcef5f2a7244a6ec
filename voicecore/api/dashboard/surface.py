"""The surface as a whole: its table, its limits, its document and its page."""

from __future__ import annotations

from typing import Protocol

from voicecore.api.dashboard.admin import AdminHandlers
from voicecore.api.dashboard.analytics import AnalyticsHandlers
from voicecore.api.dashboard.appointments import AppointmentHandlers
from voicecore.api.dashboard.assistants import AssistantHandlers
from voicecore.api.dashboard.auth import SURFACE, AuthHandlers
from voicecore.api.dashboard.calls import CallHandlers
from voicecore.api.dashboard.errors import ErrorResponse, render_error
from voicecore.api.dashboard.features import FeatureHandlers
from voicecore.api.dashboard.inbound import InboundHandlers
from voicecore.api.dashboard.integrations import IntegrationHandlers
from voicecore.api.dashboard.outbound import OutboundHandlers
from voicecore.api.dashboard.workspaces import WorkspaceHandlers
from voicecore.api.documents import documented
from voicecore.api.kit import Route, Surface
from voicecore.api.links import Links
from voicecore.dealings import Dealings
from voicecore.domain.accounts import Principal
from voicecore.domain.integrations import CrmKind
from voicecore.records import Records

ROOT = "/dashboard"
# The document says that there are limits, not which.
LIMITS = {
    "standard": "1000 per minute",  # by user
    "credentials": "300 per minute",  # by address, as the next one
    "callback": "300 per minute",
    "receiver": "1200 per minute",  # by address: what others post to inbound webhooks
    "translation": "60 per minute",  # by user
}


class Part(Protocol):
    def routes(self) -> list[Route]: ...


def build(*, records: Records, dealings: Dealings, public_url: str = "") -> Surface:
    """`public_url`: how clients reach us; "" takes each request's own."""
    handlers: tuple[Part, ...] = (  # a line for each part
        AuthHandlers(records.accounts),
        WorkspaceHandlers(dealings.workspaces),
        AssistantHandlers(dealings.assistants),
        InboundHandlers(dealings.inbound, ROOT, public_url),
        OutboundHandlers(dealings.webhooks),
        FeatureHandlers(dealings.workspaces, dealings.translation, dealings.shelf),
        AdminHandlers(dealings.platform),
        CallHandlers(records.calls, records.concurrency, Links(records.tokens, public_url)),
        AnalyticsHandlers(records.calls, records.analyses, dealings.organizations),
        AppointmentHandlers(records.appointments, records.analyses),
        *(IntegrationHandlers(kind, dealings.crm, public_url) for kind in CrmKind),
    )

    async def authenticate(token: str) -> Principal:
        return await dealings.workspaces.entered(await records.accounts.authenticate(token, SURFACE))

    surface = Surface(
        name=SURFACE,
        title="Voice AI Performance & Configuration Dashboard API",
        version="1.0.0",
        description="Workspaces, their assistants, calls and figures. Times of records are unix seconds.",
        routes=[route for part in handlers for route in part.routes()],
        limits=LIMITS,
        render_error=render_error,
        authenticate=authenticate,
        error_shape=ErrorResponse,
        root=ROOT,
        prefix=ROOT,
    )
    return documented(surface, public_url)
