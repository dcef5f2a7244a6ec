"""Salesforce, HubSpot and Dynamics 365: connecting them, and what was sent of calls. One set of handlers, three
shapes of everything.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from voicecore.api.dashboard.integration_shapes import (
    WORDS,
    AuthUrlResponse,
    DisconnectResponse,
    LogDetail,
    detail,
)
from voicecore.api.dashboard.words import base_url
from voicecore.api.kit import Auth, Exchange, Route
from voicecore.domain.accounts import Permission
from voicecore.domain.integrations import TITLES, CrmKind
from voicecore.domain.paging import Page
from voicecore.integrations.office import CrmOffice

MOST = 1000
PRINTABLE = "^[ -~]*$"
CLOSE_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<p>{title} is connected. You can close this window.</p></html>
"""


class InstanceQuery(msgspec.Struct):
    instance_url: Annotated[str, Meta(max_length=2000)] = msgspec.field(name="instanceUrl")


class CallbackQuery(msgspec.Struct):
    """RFC 6749 §4.1.2: a code, or an error. Both values are printable ASCII (appendix A)."""

    state: Annotated[str, Meta(min_length=1, max_length=2000, pattern=PRINTABLE)]
    code: Annotated[str, Meta(max_length=8000, pattern=PRINTABLE)] = ""
    error: Annotated[str, Meta(max_length=200)] = ""


class LogQuery(msgspec.Struct):
    limit: Annotated[int, Meta(ge=1, le=MOST)] = MOST
    offset: Annotated[int, Meta(ge=0, le=10_000_000)] = 0


class IntegrationHandlers:
    """Of one CRM."""

    def __init__(self, kind: CrmKind, office: CrmOffice, public_url: str) -> None:
        self._kind = kind
        self._words = WORDS[kind]
        self._integrations = office.integrations
        self._sync = office.sync
        self._public_url = public_url

    async def initiate(self, exchange: Exchange) -> AuthUrlResponse:
        callback = exchange.http.path.removesuffix("initiate") + "callback"
        return AuthUrlResponse(
            await self._integrations.initiate(
                exchange.who,
                self._kind,
                base_url(self._public_url, exchange) + callback,
                getattr(exchange.query, "instance_url", ""),
            )
        )

    async def callback(self, exchange: Exchange) -> web.Response:
        """A person's browser comes here: it gets a page."""
        query: CallbackQuery = exchange.query
        await self._integrations.complete(self._kind, query.state, query.code, query.error)
        page = CLOSE_PAGE.format(title=TITLES[self._kind])
        headers = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store"}
        return web.Response(text=page, content_type="text/html", charset="utf-8", headers=headers)

    async def status(self, exchange: Exchange) -> Any:
        found = await self._integrations.status(exchange.organization_uid, self._kind)
        return self._words.status(False) if found is None else self._words.state(found)

    async def disconnect(self, exchange: Exchange) -> DisconnectResponse:
        await self._integrations.disconnect(exchange.organization_uid, self._kind)
        return DisconnectResponse(True, f"{TITLES[self._kind]} disconnected successfully")

    async def logs(self, exchange: Exchange) -> Any:
        query: LogQuery = exchange.query
        page = Page(query.offset, query.limit)
        found = await self._sync.listing(exchange.organization_uid, self._kind, page)
        return [self._words.row(log) for log in found.rows]

    async def log(self, exchange: Exchange) -> LogDetail:
        return detail(await self._sync.find(exchange.organization_uid, self._kind, exchange.path("log_id")))

    async def again(self, exchange: Exchange) -> Any:
        log_id = exchange.path("log_id")
        return self._words.row(await self._sync.again(exchange.organization_uid, self._kind, log_id))

    def routes(self) -> list[Route]:
        base, title = f"/api/{self._kind.value}", TITLES[self._kind]
        return [*self._oauth(base, title), *self._history(base, title)]

    def _oauth(self, base: str, title: str) -> list[Route]:
        return [
            Route(
                method="GET",
                path=f"{base}/oauth/initiate",
                handler=self.initiate,
                summary=f"Where the user has to go to connect {title}; he may take ten minutes",
                tag=title,
                query=InstanceQuery if self._kind is CrmKind.DYNAMICS else None,
                response=AuthUrlResponse,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="GET",
                path=f"{base}/oauth/callback",
                handler=self.callback,
                summary=f"Where {title} sends the user back to",
                tag=title,
                query=CallbackQuery,
                media_type="text/html",
                auth=Auth.NONE,
                permission=None,
                limit="callback",
            ),
            Route(
                method="DELETE",
                path=f"{base}/disconnect",
                handler=self.disconnect,
                summary=f"End the connection to {title}; without one nothing happens",
                tag=title,
                response=DisconnectResponse,
                permission=Permission.CONFIGURE,
            ),
        ]

    def _history(self, base: str, title: str) -> list[Route]:
        return [
            Route(
                method="GET",
                path=f"{base}/status",
                handler=self.status,
                summary=f"Whether {title} is connected",
                tag=title,
                response=self._words.status,
            ),
            Route(
                method="GET",
                path=f"{base}/sync-logs",
                handler=self.logs,
                summary=f"Which calls were sent to {title}; newest first",
                tag=title,
                query=LogQuery,
                response=list[self._words.log],  # type: ignore[name-defined]
                retold=True,
            ),
            Route(
                method="GET",
                path=f"{base}/sync-logs/{{log_id}}",
                handler=self.log,
                summary="What became of one call, and why (our addition)",
                tag=title,
                response=LogDetail,
            ),
            Route(
                method="POST",
                path=f"{base}/sync-logs/{{log_id}}/redeliver",
                handler=self.again,
                summary="Send it once more, whatever became of it (our addition)",
                tag=title,
                response=self._words.log,
                permission=Permission.CONFIGURE,
            ),
        ]
