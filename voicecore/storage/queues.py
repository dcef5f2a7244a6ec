"""Sums over the calls of each line, made by the database."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.calls import CallFilter, Outcome
from voicecore.domain.queues import QueueFigures
from voicecore.storage.calls import narrowed
from voicecore.storage.schema import businesses, calls
from voicecore.storage.sums import summed


async def figures(
    connection: AsyncConnection, organization_uid: str, wanted: CallFilter
) -> list[tuple[str | None, QueueFigures]]:
    """With the name of the line, None for calls that belong to none; the oldest line first."""
    column = calls.c
    answered = column.outcome == Outcome.COMPLETED.value
    # Instants in whole seconds, rounded down at both ends: right in the mean. A call that others report is answered
    # before we hear of it.
    seconds = sa.extract("epoch", column.answered_at) - sa.extract("epoch", column.created_at)
    waited = sa.case((sa.and_(answered, seconds > 0), seconds))
    query = (
        sa.select(
            businesses.c.seq,
            businesses.c.name,
            sa.func.count(),
            sa.func.count(sa.case((answered, 1))),
            sa.func.coalesce(sa.func.sum(waited), 0),
            sa.func.coalesce(sa.func.sum(sa.case((answered, column.duration_s))), 0.0),
        )
        .select_from(calls.outerjoin(businesses, businesses.c.uid == column.business_uid))
        .group_by(businesses.c.seq, businesses.c.name)
    )
    rows = await summed(connection, query, narrowed(organization_uid, wanted), keys=2)
    rows.sort(key=lambda row: (row[0] is None, row[0] or 0))
    return [
        (name, QueueFigures(calls=number, answered=answered, waited_s=float(waits), talked_s=float(talk)))
        for _, name, number, answered, waits, talk in rows
    ]


async def first_call_at(connection: AsyncConnection, organization_uid: str) -> datetime | None:
    query = sa.select(sa.func.min(calls.c.created_at)).where(calls.c.organization_uid == organization_uid)
    found: datetime | None = (await connection.execute(query)).scalar()
    return found
