"""Rows of how many calls ran at once, and the calls that they are counted from."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.calls import HELD_ELSEWHERE, Call, CallStatus
from voicecore.domain.concurrency import Grain, Sample, Stretch
from voicecore.storage import records
from voicecore.storage.schema import calls
from voicecore.storage.schema import concurrency_samples as samples

RUNNING = (CallStatus.RINGING.value, CallStatus.ANSWERED.value)
LONGEST = timedelta(days=1)  # more than any call lasts


async def running(connection: AsyncConnection, organization_uid: str, most: int) -> list[Call]:
    """Newest first."""
    query = sa.select(calls).where(*_runs(organization_uid))
    return await records.every(
        connection, Call, query.order_by(calls.c.created_at.desc(), calls.c.seq.desc()).limit(most)
    )


async def running_count(connection: AsyncConnection, organization_uid: str) -> int:
    return await records.count(connection, calls, _runs(organization_uid))


def _runs(organization_uid: str) -> list[sa.ColumnElement[bool]]:
    return [
        calls.c.organization_uid == organization_uid,
        calls.c.status.in_(RUNNING),
        calls.c.ended_at.is_(None),  # as their status says already: it finds the index of the few
    ]


async def stretches(
    connection: AsyncConnection, first: datetime, before: datetime, organization_uid: str | None = None
) -> list[Stretch]:
    """Of our own calls that ran in that time, of everybody or of one organization."""
    column = calls.c
    ours = [column.answered_at < before, column.transport != HELD_ELSEWHERE]
    if organization_uid is not None:
        ours.append(column.organization_uid == organization_uid)
    over = sa.and_(column.ended_at > first, column.ended_at <= before + LONGEST)
    held = sa.and_(column.status == CallStatus.ANSWERED.value, column.ended_at.is_(None))
    found: list[Stretch] = []
    for which in (over, held):  # each has its index; for both in one question the planner takes neither
        query = sa.select(
            column.organization_uid, column.answered_at.label("begins_at"), column.ended_at.label("ends_at")
        ).where(which, *ours)
        found += await records.every(connection, Stretch, query)
    return found


async def next_end(connection: AsyncConnection, after: datetime) -> datetime | None:
    """Of any call."""
    query = sa.select(sa.func.min(calls.c.ended_at, type_=calls.c.ended_at.type)).where(calls.c.ended_at > after)
    found: datetime | None = (await connection.execute(query)).scalar()
    return found


async def last(connection: AsyncConnection, grain: Grain) -> datetime | None:
    """The newest sample of all organizations."""
    query = sa.select(sa.func.max(samples.c.begins_at, type_=samples.c.begins_at.type))
    found: datetime | None = (await connection.execute(query.where(samples.c.grain == grain.value))).scalar()
    return found


async def raise_to(
    connection: AsyncConnection, organization_uid: str, grain: Grain, peaks: dict[datetime, int]
) -> None:
    """A sample is never less than it was."""
    own = samples.c.organization_uid == organization_uid, samples.c.grain == grain.value
    query = sa.select(samples.c.begins_at, samples.c.peak).where(
        *own, samples.c.begins_at >= min(peaks), samples.c.begins_at <= max(peaks)
    )
    known = {row.begins_at: row.peak for row in (await connection.execute(query)).all()}
    new = [at for at in peaks if at not in known]
    common: dict[str, Any] = {"organization_uid": organization_uid, "grain": grain.value}
    if new:
        rows = [common | {"begins_at": at, "peak": peaks[at]} for at in new]
        await connection.execute(sa.insert(samples), rows)
    for at, peak in peaks.items():
        if known.get(at, peak) < peak:
            await connection.execute(sa.update(samples).where(*own, samples.c.begins_at == at).values(peak=peak))


async def forget(connection: AsyncConnection, grain: Grain, before: datetime) -> None:
    await connection.execute(sa.delete(samples).where(samples.c.grain == grain.value, samples.c.begins_at < before))


async def series(connection: AsyncConnection, organization_uid: str, grain: Grain, first: datetime) -> list[Sample]:
    """From `first` on, the oldest first; where there was no call there is none."""
    query = sa.select(samples.c.begins_at, samples.c.peak).where(
        samples.c.organization_uid == organization_uid, samples.c.grain == grain.value, samples.c.begins_at >= first
    )
    return await records.every(connection, Sample, query.order_by(samples.c.begins_at))


async def any_before(connection: AsyncConnection, organization_uid: str, before: datetime) -> bool:
    query = sa.select(samples.c.seq).where(
        samples.c.organization_uid == organization_uid, samples.c.grain == Grain.DAY.value, samples.c.begins_at < before
    )
    return (await connection.execute(query.limit(1))).first() is not None


async def highest(connection: AsyncConnection, organization_uid: str) -> int:
    """Ever; days are kept for good."""
    query = sa.select(sa.func.max(samples.c.peak)).where(
        samples.c.organization_uid == organization_uid, samples.c.grain == Grain.DAY.value
    )
    return (await connection.execute(query)).scalar() or 0
