"""A report over a time as a file: the figures of the analytics, section by section."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from voicecore.api.kit import Exchange, Route
from voicecore.api.portal import pdf, sheets
from voicecore.api.portal.analytics import AnalyticsHandlers
from voicecore.api.portal.downloads import DownloadHandlers, DownloadResponse
from voicecore.api.portal.figure_shapes import summary
from voicecore.api.portal.lookups import Number
from voicecore.api.portal.periods import PeriodQuery, PeriodWord, Time
from voicecore.api.portal.words import BASE, Given
from voicecore.domain.accounts import Permission
from voicecore.services.trading import Scope, Trading

Section = Literal["summary", "calls", "appointments", "revenue", "goals"]
Table = list[tuple[str, Any]]  # what is measured, and how much


class ReportRequest(msgspec.Struct, kw_only=True):
    """`type` is the report's name; what is in it, `sections` say."""

    type: Annotated[Given, Meta(max_length=100)] = "comprehensive"
    period: PeriodWord | None = None
    date_from: str | None = None
    date_to: str | None = None
    branch_id: Number | None = None
    format: Literal["pdf", "csv", "json"] = "pdf"
    sections: Annotated[list[Section], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["summary", "calls", "appointments", "revenue", "goals"]
    )

    def time(self) -> PeriodQuery:
        return PeriodQuery(period=self.period, date_from=self.date_from, date_to=self.date_to, branch_id=self.branch_id)


class ReportHandlers:
    def __init__(self, analytics: AnalyticsHandlers, trading: Trading, downloads: DownloadHandlers) -> None:
        self._analytics = analytics
        self._trading = trading
        self._downloads = downloads

    async def export(self, exchange: Exchange) -> DownloadResponse:
        body: ReportRequest = exchange.body
        time, scope = await self._analytics.scope(exchange, body.time())
        found: dict[str, Any] = {name: await self._section(name, time, scope) for name in dict.fromkeys(body.sections)}
        write = {"pdf": _pdf, "csv": _csv, "json": _json}[body.format]
        content = write(f"{body.type.capitalize()} report", time, found)
        return await self._downloads.keep(exchange, "analytics-export", body.format, _once(content))

    async def _section(self, name: Section, time: Time, scope: Scope) -> Any:
        """Plain data."""
        if name == "summary":
            return msgspec.to_builtins(summary(await self._trading.trade(scope)))
        if name == "calls":
            return msgspec.to_builtins(await self._analytics.of_calls(time, scope))
        if name == "appointments":
            return msgspec.to_builtins(await self._analytics.of_appointments(time, scope))
        if name == "revenue":
            return msgspec.to_builtins(await self._analytics.of_revenue(time, scope))
        return []  # nobody can have goals yet

    def routes(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=f"{BASE}/analytics/export",
                handler=self.export,
                summary="A report as a file, to be fetched within a day",
                tag="Analytics",
                body=ReportRequest,
                response=DownloadResponse,
                permission=Permission.ANALYTICS_VIEW,
                limit="exports",
            )
        ]


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _bounds(time: Time) -> tuple[str, str]:
    """The first and the last day."""
    first, after = (at.astimezone(time.tz).date() for at in (time.span.start, time.span.end))
    return first.isoformat(), (after - timedelta(days=1)).isoformat()


def _json(title: str, time: Time, found: dict[str, Any]) -> bytes:
    first, last = _bounds(time)
    whole = {"title": title, "period": time.word, "date_from": first, "date_to": last, "sections": found}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2)


def _csv(title: str, time: Time, found: dict[str, Any]) -> bytes:
    flat = [(section, name, value) for section, content in found.items() for name, value in _flat(content)]
    return sheets.lines([("section", "figure", "value"), *flat])


def _pdf(title: str, time: Time, found: dict[str, Any]) -> bytes:
    first, last = _bounds(time)
    lines = [pdf.Line(title, heading=True), pdf.Line(f"{first} to {last}")]
    for section, content in found.items():
        lines.append(pdf.Line(section.capitalize(), heading=True))
        flat = _flat(content)
        lines += [pdf.Line(f"{name.replace('_', ' ').replace('.', ': ')}: {value}") for name, value in flat]
        if not flat:
            lines.append(pdf.Line("None"))
    return pdf.document(lines)


def _flat(content: Any, path: str = "") -> Table:
    """Nested figures as lines: objects by their members, rows by their names, dates and months."""
    if isinstance(content, dict):
        return [line for name, value in content.items() for line in _flat(value, f"{path}.{name}" if path else name)]
    if isinstance(content, list):
        return [line for row in content for line in _row(row, path)]
    return [(path, content)]


def _row(row: dict[str, Any], path: str) -> Table:
    named = next(key for key in ("name", "date", "month", "hour") if key in row)
    rest = {key: value for key, value in row.items() if key not in (named, "id") and value}
    return _flat(rest, f"{path}.{row[named]}")
