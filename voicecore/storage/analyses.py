"""Rows of analyses and their keywords: which calls wait for one, reading in batches, and the counts that lists show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.analyses import Analysis, Keyword, KeywordCount, Share
from voicecore.domain.calls import Call, CallFilter, CallStatus, Sentiment
from voicecore.storage import records
from voicecore.storage.calls import narrowed
from voicecore.storage.memory import YOUNG
from voicecore.storage.schema import agent_versions, agents, call_analyses, call_keywords, calls
from voicecore.storage.sums import summed, young

UNKNOWN = "unknown"  # the intent of a call that has no analysis yet

# --- the work that waits ----------------------------------------------------------------------------


async def any_due(connection: AsyncConnection, at: datetime) -> bool:
    """Asked every second: no write transaction for nothing."""
    query = sa.select(calls.c.seq).where(calls.c.analysis_due_at <= at).limit(1)
    return (await connection.execute(query)).first() is not None


async def claim(connection: AsyncConnection, at: datetime, until: datetime, most: int) -> list[Call]:
    """Calls that wait, for the caller alone until then: if he dies, they wait again."""
    due = calls.c.analysis_due_at
    query = sa.select(calls).where(due <= at).order_by(due).limit(most).with_for_update(skip_locked=True)
    mine = await records.every(connection, Call, query)
    claimed = sa.update(calls).where(calls.c.uid.in_([call.uid for call in mine])).values(analysis_due_at=until)
    await connection.execute(claimed.execution_options(**_young(mine)))
    return mine


async def still_mine(connection: AsyncConnection, call_uids: Sequence[str], until: datetime) -> set[str]:
    """Of the calls that were claimed until then, those that nobody analysed or deleted, and from which nobody took the
    person, since."""
    query = sa.select(calls.c.uid).where(calls.c.uid.in_(call_uids), calls.c.analysis_due_at == until)
    return set((await connection.execute(query.with_for_update())).scalars())


async def store(connection: AsyncConnection, made: Sequence[tuple[Call, Analysis]]) -> None:
    """In place of earlier ones. A sentiment that was reported stands."""
    if not made:
        return
    uids, options = [call.uid for call, _ in made], _young([call for call, _ in made])
    for table in (call_keywords, call_analyses):
        gone = sa.delete(table).where(table.c.call_uid.in_(uids))
        await connection.execute(gone.execution_options(**options))
    await connection.execute(
        sa.insert(call_analyses).execution_options(**options),
        [records.columns_of(call_analyses, analysis) for _, analysis in made],
    )
    keywords = [
        records.columns_of(call_keywords, keyword)
        | {"organization_uid": call.organization_uid, "call_uid": call.uid, "detected_at": call.ended_at}
        for call, analysis in made
        for keyword in analysis.keywords
    ]
    if keywords:
        await connection.execute(sa.insert(call_keywords), keywords)
    sentiment = sa.func.coalesce(calls.c.sentiment, sa.bindparam("mood", type_=sa.String))
    statement = sa.update(calls).where(calls.c.uid == sa.bindparam("row")).execution_options(**options)
    moods = [{"row": call.uid, "mood": analysis.sentiment.value} for call, analysis in made]
    await connection.execute(statement.values(analysis_due_at=None, sentiment=sentiment), moods)


async def leave_out(connection: AsyncConnection, call_uids: Sequence[str]) -> None:
    """They get no analysis."""
    statement = sa.update(calls).where(calls.c.uid.in_(call_uids)).values(analysis_due_at=None)
    await connection.execute(statement.execution_options(**{YOUNG: True}))  # no sum looks at that column


def _young(mine: Sequence[Call]) -> dict[str, bool]:
    return young(min(call.created_at for call in mine)) if mine else {YOUNG: True}


async def forget_persons(connection: AsyncConnection, organization_uid: str, call_uids: Sequence[str]) -> None:
    """Judgements stay, for figures count them; words that say who it was go: all that was written about the call, and
    keywords that came up in no other one. What is being analysed is not stored any more."""
    blank: dict[str, Any] = {"summary": "", "trouble": "", "action_items": [], "structured_outputs": {}}
    await connection.execute(sa.update(call_analyses).where(call_analyses.c.call_uid.in_(call_uids)).values(**blank))
    his = call_keywords.c.call_uid.in_(call_uids)
    everybodys = sa.select(call_keywords.c.keyword).where(
        call_keywords.c.organization_uid == organization_uid, call_keywords.c.call_uid.not_in(call_uids)
    )
    await connection.execute(sa.delete(call_keywords).where(his, call_keywords.c.keyword.not_in(everybodys)))
    await leave_out(connection, call_uids)


# --- reading ----------------------------------------------------------------------------------------


async def of_calls(connection: AsyncConnection, organization_uid: str, call_uids: Sequence[str]) -> dict[str, Analysis]:
    """By call uid; calls without an analysis are left out."""
    if not call_uids:
        return {}
    query = sa.select(call_keywords).where(
        call_keywords.c.organization_uid == organization_uid, call_keywords.c.call_uid.in_(call_uids)
    )
    keywords: dict[str, list[Keyword]] = {}
    for row in (await connection.execute(query.order_by(call_keywords.c.seq))).all():
        keyword = Keyword(keyword=row.keyword, sentiment=Sentiment(row.sentiment), score=row.score)
        keywords.setdefault(row.call_uid, []).append(keyword)
    query = sa.select(call_analyses).where(
        call_analyses.c.organization_uid == organization_uid, call_analyses.c.call_uid.in_(call_uids)
    )
    found: dict[str, Analysis] = {}
    for row in (await connection.execute(query)).all():
        members = {str(name): value for name, value in row._mapping.items()}
        found[row.call_uid] = _loaded(members, keywords.get(row.call_uid, []))
    return found


def _loaded(members: dict[str, Any], keywords: list[Keyword]) -> Analysis:
    known = {name: members[name] for name in Analysis.__struct_fields__ if name in members}
    known |= {name: tuple(members[name]) for name in ("action_items", "topics")}
    return Analysis(**{**known, "sentiment": Sentiment(members["sentiment"]), "keywords": tuple(keywords)})


async def keyword_counts(connection: AsyncConnection, organization_uid: str, most: int) -> list[KeywordCount]:
    """The most frequent first, the alphabet between equals."""
    column = call_keywords.c

    def counted(mood: Sentiment) -> sa.Label[int]:
        return sa.func.count(sa.case((column.sentiment == mood.value, 1))).label(mood.value)

    query = sa.select(
        column.keyword,
        *(counted(mood) for mood in Sentiment),
        sa.func.sum(column.score),
        sa.func.max(column.detected_at, type_=column.detected_at.type),
    ).group_by(column.keyword)
    mine = [column.organization_uid == organization_uid]
    rows = await summed(connection, query, mine, keys=1, began=column.detected_at)
    found = [_count(*row) for row in rows]
    return sorted(found, key=lambda one: (-one.count, one.keyword))[:most]


def _count(keyword: str, *figures: Any) -> KeywordCount:
    *moods, score, last_at = figures
    by_mood = {mood.value: number for mood, number in zip(Sentiment, moods, strict=True)}
    return KeywordCount(keyword=keyword, **by_mood, score=score / sum(moods), last_at=last_at)


# --- shares of the ended calls of a list --------------------------------------------------------------


async def intents(connection: AsyncConnection, organization_uid: str, wanted: CallFilter) -> list[Share]:
    name = sa.func.coalesce(call_analyses.c.intent, UNKNOWN)
    joined = calls.outerjoin(call_analyses, call_analyses.c.call_uid == calls.c.uid)
    return await _shares(connection, organization_uid, wanted, name, joined)


async def reasons(connection: AsyncConnection, organization_uid: str, wanted: CallFilter) -> list[Share]:
    """By the value of `EndReason`."""
    return await _shares(connection, organization_uid, wanted, calls.c.end_reason, calls)


async def agent_names(connection: AsyncConnection, organization_uid: str, wanted: CallFilter) -> list[Share]:
    """By the name that the agent has now; agents that are gone by the id that they had. Agents of the same name count
    together."""
    version = sa.and_(agent_versions.c.agent_uid == agents.c.uid, agent_versions.c.version == agents.c.version)
    joined = calls.outerjoin(agents, agents.c.uid == calls.c.agent_uid).outerjoin(agent_versions, version)
    name = sa.func.coalesce(agent_versions.c.name, calls.c.agent_id)
    return await _shares(connection, organization_uid, wanted, name, joined)


async def _shares(
    connection: AsyncConnection,
    organization_uid: str,
    wanted: CallFilter,
    name: sa.ColumnElement[Any],
    source: sa.FromClause,
) -> list[Share]:
    """The largest first, the alphabet between equals."""
    conditions = [*narrowed(organization_uid, wanted), calls.c.status == CallStatus.ENDED.value]
    labelled = name.label("name")
    query = sa.select(labelled, sa.func.count()).select_from(source).group_by(labelled)
    counts: dict[str, int] = dict(await summed(connection, query, conditions, keys=1))
    total = sum(counts.values())
    shares = [Share(name=word, count=number, total=total) for word, number in counts.items()]
    return sorted(shares, key=lambda share: (-share.count, share.name))
