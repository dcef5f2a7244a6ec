"""Sums over calls, made by the database: what analytics show. Which calls, says the same filter as for lists."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.call_sums import CallTotals
from voicecore.domain.calls import CallFilter, Outcome, Sentiment
from voicecore.storage.calls import narrowed
from voicecore.storage.columns import Instant
from voicecore.storage.schema import calls


async def totals(connection: AsyncConnection, organization_uid: str, wanted: CallFilter) -> CallTotals:
    column = calls.c
    succeeded = sa.case((column.success.is_(None), column.outcome == Outcome.COMPLETED.value), else_=column.success)

    def counted(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count(sa.case((condition, 1)))

    query = sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(column.duration_s), 0.0),
        counted(succeeded),
        counted(column.sentiment == Sentiment.POSITIVE.value),
        counted(column.sentiment == Sentiment.NEGATIVE.value),
        sa.func.avg(column.stt_ms),
        sa.func.avg(column.llm_ms),
        sa.func.avg(column.tts_ms),
    ).where(*narrowed(organization_uid, wanted))
    number, duration_s, good, positive, negative, stt, llm, tts = (await connection.execute(query)).one()
    return CallTotals(
        calls=number,
        duration_s=duration_s,
        succeeded=good,
        positive=positive,
        negative=negative,
        stt_ms=stt,
        llm_ms=llm,
        tts_ms=tts,
    )


async def per_day(
    connection: AsyncConnection, organization_uid: str, wanted: CallFilter, days: list[tuple[date, datetime, datetime]]
) -> list[tuple[date, int]]:
    """`days` with their first instant and that of the next day. The newest first, without those that had no call."""
    columns = sa.column("day", sa.String), sa.column("begins", Instant()), sa.column("ends", Instant())
    spans = sa.values(*columns, name="spans").data([(d.isoformat(), b, e) for d, b, e in days]).cte("days")
    within = sa.and_(calls.c.created_at >= spans.c.begins, calls.c.created_at < spans.c.ends)
    query = (
        sa.select(spans.c.day, sa.func.count())
        .join_from(spans, calls, sa.and_(within, *narrowed(organization_uid, wanted)))
        .group_by(spans.c.day)
        .order_by(spans.c.day.desc())
    )
    return [(date.fromisoformat(day), number) for day, number in (await connection.execute(query)).all()]
