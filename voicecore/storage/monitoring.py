"""Counts for live figures and for figures over time, made by the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.calls import CallStatus, Outcome
from voicecore.domain.monitoring import Bucket, Live
from voicecore.storage.bookings import REVENUE
from voicecore.storage.columns import epoch_s
from voicecore.storage.schema import appointments, calls, turns
from voicecore.storage.sums import summed

GRAIN_S = 900  # a quarter of an hour: every time zone's hours and days begin at one


async def live(connection: AsyncConnection, organization_uid: str) -> Live:
    query = (
        sa.select(calls.c.status, sa.func.count())
        .where(
            calls.c.organization_uid == organization_uid,
            calls.c.status != CallStatus.ENDED.value,
            calls.c.ended_at.is_(None),  # as their status says already: it finds the index of the few
        )
        .group_by(calls.c.status)
    )
    counts = {row[0]: int(row[1]) for row in (await connection.execute(query)).all()}
    running = counts.get(CallStatus.RINGING, 0) + counts.get(CallStatus.ANSWERED, 0)
    return Live(running, counts.get(CallStatus.QUEUED, 0) + counts.get(CallStatus.SCHEDULED, 0))


async def response_ms(connection: AsyncConnection, organization_uid: str, since: datetime) -> float | None:
    """Mean over the answered turns of calls that began since then."""
    query = (
        sa.select(sa.func.avg(turns.c.response_latency_ms))
        .join(calls, calls.c.uid == turns.c.call_uid)
        .where(calls.c.organization_uid == organization_uid, calls.c.created_at >= since)
    )
    return (await connection.execute(query)).scalar()


async def quarters(
    connection: AsyncConnection,
    organization_uid: str,
    begin: datetime,
    end: datetime,
) -> list[Bucket]:
    """Ended calls and appointments by the quarter of an hour in which they began or were booked; none without any."""
    found: dict[int, Bucket] = {}
    good = sa.case((calls.c.success.is_(None), calls.c.outcome == Outcome.COMPLETED.value), else_=calls.c.success)
    figures: dict[str, sa.ColumnElement[Any]] = {
        "calls": sa.func.count(),
        "succeeded": sa.func.count(sa.case((good, 1))),
        "duration_s": sa.func.coalesce(sa.func.sum(calls.c.duration_s), 0.0),
    }
    ended = calls.c.status == CallStatus.ENDED.value
    booked: dict[str, sa.ColumnElement[Any]] = {"appointments": sa.func.count(), "revenue": REVENUE}
    for table, columns, more in ((calls, figures, [ended]), (appointments, booked, [])):
        quarter = (epoch_s(table.c.created_at) // GRAIN_S).label("quarter")
        query = sa.select(quarter, *(figure.label(name) for name, figure in columns.items())).group_by(quarter)
        mine, at = table.c.organization_uid == organization_uid, table.c.created_at
        conditions = [mine, at >= begin, at < end, *more]
        if table is calls:
            rows = await summed(connection, query, conditions, keys=1)
        else:
            rows = [tuple(row) for row in (await connection.execute(query.where(*conditions))).all()]
        for number, *sums in rows:
            bucket = Bucket(
                start=datetime.fromtimestamp(number * GRAIN_S, UTC), **dict(zip(columns, sums, strict=True))
            )
            found[number] = found[number] + bucket if number in found else bucket
    return [found[quarter] for quarter in sorted(found)]
