"""How an organization is doing: now, today, and over time in its own time zone. Knows nothing of the machine."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from pipelines.errors import ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import Organization
from voicecore.domain.call_sums import CallTotals
from voicecore.domain.calls import CallFilter, Outcome
from voicecore.domain.monitoring import Bucket, Live
from voicecore.storage import figures
from voicecore.storage import monitoring as rows
from voicecore.storage.database import Database

Grouping = Literal["hour", "day", "week"]
MOST_BUCKETS = 1000


class Today(msgspec.Struct, frozen=True):
    """`response_ms` is the mean wait for an answer; None without answered turns."""

    live: Live
    totals: CallTotals
    response_ms: float | None
    appointments: int


class Series(msgspec.Struct, frozen=True):
    """`whole` is the sum of `buckets`, of which there is one for each hour, day or week."""

    whole: Bucket
    buckets: list[Bucket]


class Monitoring:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def today(self, organization: Organization) -> Today:
        tz = instants.zone(organization.timezone)
        now = instants.now()
        begin = instants.day_start(now.astimezone(tz).date(), tz)
        wanted = CallFilter(outcomes=tuple(Outcome), from_at=begin)
        async with self._database.read() as connection:
            quarters = await rows.quarters(connection, organization.uid, begin, now + timedelta(days=1))
            return Today(
                live=await rows.live(connection, organization.uid),
                totals=await figures.totals(connection, organization.uid, wanted),
                response_ms=await rows.response_ms(connection, organization.uid, begin),
                appointments=sum(quarter.appointments for quarter in quarters),
            )

    async def series(self, organization: Organization, begin: datetime, end: datetime, by: Grouping) -> Series:
        """`end` does not belong to it. Raises ValidationError for too many groups."""
        tz = instants.zone(organization.timezone)
        starts = _starts(begin, end, by, tz)
        async with self._database.read() as connection:
            quarters = await rows.quarters(connection, organization.uid, begin, end)
        found = {start: Bucket(start=start) for start in starts}
        whole = Bucket(start=begin)
        for quarter in quarters:
            start = _start(quarter.start, by, tz)
            found[start] = found.get(start, Bucket(start=start)) + quarter
            whole += quarter
        return Series(whole, [found[start] for start in sorted(found)])


def _start(at: datetime, by: Grouping, tz: ZoneInfo) -> datetime:
    """Of the hour, day or week that an instant belongs to."""
    local = at.astimezone(tz)
    if by == "hour":
        return at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    day = local.date()
    return instants.day_start(day - timedelta(days=day.weekday()) if by == "week" else day, tz)


def _starts(begin: datetime, end: datetime, by: Grouping, tz: ZoneInfo) -> list[datetime]:
    """Of all groups of a span. Raises ValidationError."""
    starts: list[datetime] = []
    at = _start(begin, by, tz)
    while at < end:
        starts.append(at)
        if len(starts) > MOST_BUCKETS:
            reason = f"more than {MOST_BUCKETS} groups"
            raise ValidationError("Invalid input data", (("group_by", reason),))
        # Days are 23 to 25 hours long: from noon on, the next one begins within 24.
        ahead = {"hour": timedelta(hours=1), "day": timedelta(hours=36), "week": timedelta(days=7, hours=12)}[by]
        at = _start(at + ahead, by, tz)
    return starts
