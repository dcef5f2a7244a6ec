"""Rows of knowledge articles, and which of them are worth scoring for a question."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.storage import records
from voicecore.storage.engines import EngineKind
from voicecore.storage.schema import knowledge_articles

SCORE_ALL = 200  # up to this many articles every one is scored: misheard words are in no index
CANDIDATES = 200


async def candidates(
    connection: AsyncConnection,
    kind: EngineKind,
    organization_uid: str,
    business_uid: str | None,
    words: list[str],
    at: datetime,
) -> list[KnowledgeArticle]:
    """Articles valid at `at` that may answer: all of a small collection, the index's best of a large one."""
    column = knowledge_articles.c
    conditions: list[sa.ColumnElement[bool]] = [
        column.organization_uid == organization_uid,
        sa.or_(column.valid_from.is_(None), column.valid_from <= at),
        sa.or_(column.valid_until.is_(None), column.valid_until >= at),
    ]
    if business_uid is not None:
        conditions.append(sa.or_(column.business_uid.is_(None), column.business_uid == business_uid))
    if await records.count(connection, knowledge_articles, conditions) > SCORE_ALL:
        if not words:
            return []
        sql, query_text = kind.full_text(words)
        bound = sa.text(sql).bindparams(words=query_text, organization=organization_uid, count=CANDIDATES)
        found = (await connection.execute(bound)).scalars().all()
        conditions.append(column.seq.in_(found))
    query = sa.select(knowledge_articles).where(*conditions).order_by(column.seq)
    return await records.every(connection, KnowledgeArticle, query)


async def add(connection: AsyncConnection, article: KnowledgeArticle) -> None:
    await records.insert(connection, knowledge_articles, article)


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> KnowledgeArticle | None:
    column = knowledge_articles.c
    query = sa.select(knowledge_articles).where(
        column.organization_uid == organization_uid, column.external_id == external_id
    )
    return await records.first(connection, KnowledgeArticle, query)


async def of_business(connection: AsyncConnection, organization_uid: str, business_uid: str) -> list[KnowledgeArticle]:
    """Its own and those that belong to all businesses of the organization."""
    column = knowledge_articles.c
    query = sa.select(knowledge_articles).where(
        column.organization_uid == organization_uid,
        sa.or_(column.business_uid.is_(None), column.business_uid == business_uid),
    )
    return await records.every(connection, KnowledgeArticle, query.order_by(column.seq))
