"""Finished calls: lists, one in full, and exports of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pipelines.errors import ValidationError
from voicecore.api.kit import Exchange, Route
from voicecore.api.links import Links
from voicecore.api.parsing import INVALID
from voicecore.api.portal import sheets
from voicecore.api.portal.call_shapes import (
    CallDetailShape,
    CallShape,
    agent_name,
    call_shape,
    detail_shape,
    language,
    sentiment,
)
from voicecore.api.portal.downloads import DownloadHandlers, DownloadResponse
from voicecore.api.portal.lookups import Lookups, Number
from voicecore.api.portal.paging import Paged, PageQuery, Pager
from voicecore.api.portal.words import BASE, optional_day, z
from voicecore.domain import instants
from voicecore.domain.accounts import Permission
from voicecore.domain.calls import CallFilter, CallOrder, CallSort, Outcome
from voicecore.domain.counted import Counted
from voicecore.domain.paging import Page
from voicecore.services.call_file import FINISHED, MISSING, CallCard, CallFile

EXPORT_PAGE = 200  # calls that are read at once

Status = Literal["completed", "missed", "failed"]


class CallFilters(msgspec.Struct, kw_only=True):
    """Dates are days of the company's clock, both included. `search`: part of a number or of a name."""

    search: str | None = None
    status: Status | None = None
    date_from: str | None = None
    date_to: str | None = None
    branch_id: Number | None = None
    staff_id: Number | None = None


class CallQuery(PageQuery, kw_only=True):
    search: str | None = None
    status: Status | None = None
    date_from: str | None = None
    date_to: str | None = None
    branch_id: Number | None = None
    staff_id: Number | None = None
    sort_by: Literal["created_at", "duration", "customer_name"] = "created_at"
    sort_order: Literal["asc", "desc"] | None = None

    def order(self) -> CallOrder:
        """Names from A on, the rest from the newest and longest on, unless it is said."""
        ascending = self.sort_order == "asc" or (self.sort_order is None and self.sort_by == "customer_name")
        return CallOrder(CallSort(self.sort_by), not ascending)


FIELDS: dict[str, Callable[[CallCard], Any]] = {
    "id": lambda card: card.call.seq,
    "uuid": lambda card: card.call.uid,
    "phone_number": lambda card: card.call.party_number,
    "customer_id": lambda card: card.customer.customer.seq if card.customer else None,
    "customer_name": lambda card: (card.customer.customer.name if card.customer else "") or card.call.party_name,
    "customer_email": lambda card: card.customer.customer.email if card.customer else "",
    "duration": lambda card: round(card.call.duration_s),
    "status": lambda card: card.call.outcome.value if card.call.outcome else "",
    "transcript": lambda card: card.transcript,
    "summary": lambda card: card.summary,
    "sentiment": sentiment,
    "appointment_booked": lambda card: bool(card.appointments),
    "created_at": lambda card: z(card.call.created_at),
    "ai_agent": agent_name,
    "language": language,
}


class ExportRequest(msgspec.Struct, kw_only=True):
    format: Literal["csv", "json"] = "csv"
    filters: CallFilters = msgspec.field(default_factory=CallFilters)
    fields: Annotated[list[str], Meta(min_length=1, max_length=100)] = msgspec.field(
        default_factory=lambda: ["id", "phone_number", "customer_name", "duration", "status", "created_at"]
    )


class CallHandlers:
    def __init__(
        self, calls: CallFile, lookups: Lookups, pager: Pager, links: Links, downloads: DownloadHandlers
    ) -> None:
        self._calls = calls
        self._lookups = lookups
        self._pager = pager
        self._links = links
        self._downloads = downloads

    async def listing(self, exchange: Exchange) -> Paged[CallShape]:
        query: CallQuery = exchange.query
        wanted = await self._wanted(exchange, query)
        found = await self._calls.listing(exchange.organization_uid, wanted, query.core(), query.order())
        rows = [call_shape(card, self._recording_url(card, exchange)) for card in found.rows]
        return self._pager.paged(exchange, rows, found.total)

    async def get(self, exchange: Exchange) -> CallDetailShape:
        uid = await self._lookups.of_path_or_uuid(exchange, Counted.CALL, MISSING)
        card = await self._calls.get(exchange.organization_uid, uid)
        return detail_shape(card, self._recording_url(card, exchange))

    async def export(self, exchange: Exchange) -> DownloadResponse:
        body: ExportRequest = exchange.body
        if unknown := [name for name in body.fields if name not in FIELDS]:
            raise ValidationError(INVALID, tuple(("fields", f"must not contain {name[:50]!r}") for name in unknown))
        wanted = await self._wanted(exchange, body.filters, "filters.")
        cards = self._all(exchange.organization_uid, wanted)
        parts = _csv(cards, body.fields) if body.format == "csv" else _json(cards, body.fields)
        return await self._downloads.keep(exchange, "calls-export", body.format, parts)

    async def _wanted(self, exchange: Exchange, given: CallQuery | CallFilters, within: str = "") -> CallFilter:
        """`within`: where the dates stand in the request."""
        tz = await self._lookups.zone(exchange)
        first = optional_day(f"{within}date_from", given.date_from)
        last = optional_day(f"{within}date_to", given.date_to)
        return CallFilter(
            statuses=() if given.status else FINISHED.statuses,
            outcomes=(Outcome(given.status),) if given.status else (),
            search=(given.search or "").strip() or None,
            from_at=instants.day_start(first, tz) if first else None,
            before_at=instants.day_after(last, tz) if last else None,
            business_uid=await self._lookups.wanted(exchange, Counted.BRANCH, given.branch_id),
            resource_uid=await self._lookups.wanted(exchange, Counted.STAFF, given.staff_id),
        )

    async def _all(self, organization_uid: str, wanted: CallFilter) -> AsyncIterator[list[CallCard]]:
        """Page by page, the oldest first: what begins meanwhile comes at the end."""
        offset = 0
        while True:
            page = Page(offset, EXPORT_PAGE)
            found = await self._calls.listing(organization_uid, wanted, page, CallOrder(descending=False))
            yield found.rows
            offset += EXPORT_PAGE
            if offset >= found.total:
                return

    def _recording_url(self, card: CallCard, exchange: Exchange) -> str | None:
        if card.recording is None:
            return card.call.recording_url or None
        return self._links.to(f"/recordings/{card.recording.external_id}.{card.recording.format}", exchange.http)

    def routes(self) -> list[Route]:
        path, tag, see = f"{BASE}/calls", "Calls", Permission.CALLS_VIEW
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Finished calls, the newest first unless sorted otherwise",
                tag=tag,
                query=CallQuery,
                response=Paged[CallShape],
                permission=see,
                retold=True,
            ),
            Route(
                method="POST",
                path=f"{path}/export",
                handler=self.export,
                summary="A file with the asked columns of the calls, to be fetched within a day",
                tag=tag,
                body=ExportRequest,
                response=DownloadResponse,
                permission=see,
                limit="exports",
            ),
            Route(
                method="GET",
                path=f"{path}/{{id}}",
                handler=self.get,
                summary="One finished call, by its number or uuid",
                tag=tag,
                response=CallDetailShape,
                permission=see,
            ),
        ]


async def _csv(pages: AsyncIterator[list[CallCard]], fields: list[str]) -> AsyncIterator[bytes]:
    """With a line of names."""
    yield sheets.lines([fields])
    async for cards in pages:
        yield sheets.lines([FIELDS[name](card) for name in fields] for card in cards)


async def _json(pages: AsyncIterator[list[CallCard]], fields: list[str]) -> AsyncIterator[bytes]:
    """An array of objects, a line each."""
    opening = b"[\n"
    async for cards in pages:
        for card in cards:
            yield opening + msgspec.json.encode({name: FIELDS[name](card) for name in fields})
            opening = b",\n"
    yield b"[]\n" if opening == b"[\n" else b"\n]\n"
