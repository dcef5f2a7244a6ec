"""The trail of who changed what: read page by page, or exported to a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec

from pipelines.errors import ValidationError
from voicecore.api.kit import Exchange, Route
from voicecore.api.parsing import INVALID
from voicecore.api.portal import sheets
from voicecore.api.portal.downloads import DownloadHandlers, DownloadResponse
from voicecore.api.portal.lookups import Lookups, Number
from voicecore.api.portal.paging import Paged, PageQuery, Pager
from voicecore.api.portal.words import BASE, optional_day, z
from voicecore.domain import instants
from voicecore.domain.accounts import Permission
from voicecore.domain.audit import AuditFilter, NamedEntry, Risk
from voicecore.domain.paging import Page
from voicecore.services.audit import Audit

EXPORT_PAGE = 500  # entries that are read at once
RiskWord = Literal["high", "medium", "low"]


class AuditFilters(msgspec.Struct, kw_only=True):
    """Dates are days of the company's clock, both included."""

    user_id: Number | None = None
    action: str | None = None
    model_type: str | None = None
    risk_level: RiskWord | None = None
    date_from: str | None = None
    date_to: str | None = None


class AuditQuery(PageQuery, kw_only=True):
    user_id: Number | None = None
    action: str | None = None
    model_type: str | None = None
    risk_level: RiskWord | None = None
    date_from: str | None = None
    date_to: str | None = None


class AuditExport(AuditFilters, kw_only=True):
    format: Literal["csv", "json"] = "csv"


class AuditUser(msgspec.Struct):
    id: int
    name: str
    email: str


class AuditShape(msgspec.Struct, kw_only=True):
    """`user` is null where nobody is known any more. `changes`: the members that were sent, secrets and what tells of
    persons left out. `source`: the API it came through."""

    id: int
    user_id: int | None
    user: AuditUser | None
    action: str
    model_type: str
    model_id: str | None
    risk_level: str
    changes: dict[str, Any]
    ip_address: str
    user_agent: str
    source: str
    created_at: str


COLUMNS = [name for name in AuditShape.__struct_fields__ if name != "user"]


class AuditHandlers:
    def __init__(self, audit: Audit, lookups: Lookups, pager: Pager, downloads: DownloadHandlers) -> None:
        self._audit = audit
        self._lookups = lookups
        self._pager = pager
        self._downloads = downloads

    async def listing(self, exchange: Exchange) -> Paged[AuditShape]:
        query: AuditQuery = exchange.query
        wanted = await self._wanted(exchange, query)
        found = await self._audit.listing(exchange.organization_uid, wanted, query.core())
        return self._pager.paged(exchange, [_shape(entry) for entry in found.rows], found.total)

    async def export(self, exchange: Exchange) -> DownloadResponse:
        body: AuditExport = exchange.body
        wanted = await self._wanted(exchange, body)
        now = instants.now()
        until = min(wanted.before_at or now, now)  # what is written meanwhile moves no page
        pages = self._all(exchange.organization_uid, msgspec.structs.replace(wanted, before_at=until))
        parts = _csv(pages) if body.format == "csv" else _json(pages)
        return await self._downloads.keep(exchange, "audit-logs-export", body.format, parts)

    async def _wanted(self, exchange: Exchange, given: AuditQuery | AuditFilters) -> AuditFilter:
        tz = await self._lookups.zone(exchange)
        first, last = optional_day("date_from", given.date_from), optional_day("date_to", given.date_to)
        if first and last and last < first:
            raise ValidationError(INVALID, (("date_to", "must not be before date from"),))
        return AuditFilter(
            user_seq=given.user_id,
            action=given.action,
            model_type=given.model_type,
            risk_level=Risk(given.risk_level) if given.risk_level else None,
            from_at=instants.day_start(first, tz) if first else None,
            before_at=instants.day_after(last, tz) if last else None,
        )

    async def _all(self, organization_uid: str, wanted: AuditFilter) -> AsyncIterator[list[AuditShape]]:
        offset, total = 0, 1
        while offset < total:
            found = await self._audit.listing(organization_uid, wanted, Page(offset, EXPORT_PAGE))
            yield [_shape(entry) for entry in found.rows]
            offset, total = offset + EXPORT_PAGE, found.total

    def routes(self) -> list[Route]:
        path, tag = f"{BASE}/audit-logs", "Audit logs"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Who changed what, through whichever API; the newest first",
                tag=tag,
                query=AuditQuery,
                response=Paged[AuditShape],
                permission=Permission.AUDIT_VIEW,
                retold=True,
            ),
            Route(
                method="POST",
                path=f"{path}/export",
                handler=self.export,
                summary="A file of the trail, to be fetched within a day",
                tag=tag,
                body=AuditExport,
                response=DownloadResponse,
                permission=Permission.AUDIT_VIEW,
                limit="exports",
            ),
        ]


def _shape(entry: NamedEntry) -> AuditShape:
    user = None
    if entry.user_seq is not None:
        user = AuditUser(entry.user_seq, entry.user_name or "", entry.user_email or "")
    return AuditShape(
        id=entry.seq,
        user_id=entry.user_seq,
        user=user,
        action=entry.action,
        model_type=entry.model_type,
        model_id=entry.model_id or None,
        risk_level=entry.risk_level.value,
        changes=entry.changes,
        ip_address=entry.ip,
        user_agent=entry.user_agent,
        source=entry.surface,
        created_at=z(entry.created_at),
    )


async def _csv(pages: AsyncIterator[list[AuditShape]]) -> AsyncIterator[bytes]:
    """With a line of names; `changes` as JSON."""
    yield sheets.lines([[*COLUMNS, "user_email"]])
    async for shapes in pages:
        yield sheets.lines(
            [[*(_cell(getattr(s, name)) for name in COLUMNS), s.user.email if s.user else ""] for s in shapes]
        )


def _cell(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value


async def _json(pages: AsyncIterator[list[AuditShape]]) -> AsyncIterator[bytes]:
    """An array of objects, a line each."""
    opening = b"[\n"
    async for shapes in pages:
        for shape in shapes:
            yield opening + msgspec.json.encode(shape)
            opening = b",\n"
    yield b"[]\n" if opening == b"[\n" else b"\n]\n"
