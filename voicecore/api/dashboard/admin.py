"""Figures and users of the whole server, for its administrators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from voicecore.api.dashboard.auth import KnownUserShape
from voicecore.api.dashboard.words import unix
from voicecore.api.kit import Exchange, Route
from voicecore.domain.accounts import Permission
from voicecore.domain.paging import Page
from voicecore.services.platform import Platform


class FiguresShape(msgspec.Struct):
    totalUsers: int  # noqa: N815
    totalCalls: int  # noqa: N815
    activeUsers: int  # noqa: N815


class UserQuery(msgspec.Struct):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    offset: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


class AdminHandlers:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def dashboard(self, exchange: Exchange) -> FiguresShape:
        figures = await self._platform.figures()
        return FiguresShape(totalUsers=figures.users, totalCalls=figures.calls, activeUsers=figures.active_users)

    async def users(self, exchange: Exchange) -> list[KnownUserShape]:
        query: UserQuery = exchange.query
        found = await self._platform.users(Page(query.offset, query.limit))
        return [KnownUserShape(one.uid, one.email, one.name, created_at=unix(one.created_at)) for one in found]

    def routes(self) -> list[Route]:
        base, tag = "/api/admin", "Admin Endpoints"
        return [
            Route(
                method="GET",
                path=f"{base}/dashboard",
                handler=self.dashboard,
                summary="Totals over all workspaces; active users may log in",
                tag=tag,
                response=FiguresShape,
                permission=Permission.PLATFORM,
            ),
            Route(
                method="GET",
                path=f"{base}/users",
                handler=self.users,
                summary="All users, oldest first",
                tag=tag,
                query=UserQuery,
                response=list[KnownUserShape],
                permission=Permission.PLATFORM,
            ),
        ]
