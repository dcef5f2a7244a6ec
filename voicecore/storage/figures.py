"""Sums over calls, made by the database: what analytics show. Which calls, says the same filter as for lists."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.call_sums import CallTotals
from voicecore.domain.calls import CallFilter, Outcome, Sentiment
from voicecore.storage.calls import narrowed
from voicecore.storage.schema import calls
from voicecore.storage.sums import summed

_MEAN = (sa.func.sum, sa.func.count)  # what can be added


async def totals(connection: AsyncConnection, organization_uid: str, wanted: CallFilter) -> CallTotals:
    column = calls.c
    succeeded = sa.case((column.success.is_(None), column.outcome == Outcome.COMPLETED.value), else_=column.success)

    def counted(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count(sa.case((condition, 1)))

    query = sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(column.duration_s), 0.0),
        counted(succeeded),
        counted(column.outcome == Outcome.COMPLETED.value),
        counted(column.sentiment == Sentiment.POSITIVE.value),
        counted(column.sentiment == Sentiment.NEGATIVE.value),
        *(figure(stage) for stage in (column.stt_ms, column.llm_ms, column.tts_ms) for figure in _MEAN),
    )
    (row,) = await summed(connection, query, narrowed(organization_uid, wanted))
    number, duration_s, good, completed, positive, negative, *stages = row
    stt, llm, tts = (stages[at] / stages[at + 1] if stages[at + 1] else None for at in (0, 2, 4))
    return CallTotals(
        calls=number,
        duration_s=duration_s,
        succeeded=good,
        completed=completed,
        positive=positive,
        negative=negative,
        stt_ms=stt,
        llm_ms=llm,
        tts_ms=tts,
    )


async def outcomes(connection: AsyncConnection, organization_uid: str, wanted: CallFilter) -> dict[Outcome, int]:
    """How the listed calls ended; outcomes that none had are left out."""
    conditions = [*narrowed(organization_uid, wanted), calls.c.outcome.is_not(None)]
    query = sa.select(calls.c.outcome, sa.func.count()).group_by(calls.c.outcome)
    return {Outcome(word): number for word, number in await summed(connection, query, conditions, keys=1)}
