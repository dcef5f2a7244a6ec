"""Rows of knowledge articles, and which of them are worth scoring for a question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.domain.paging import Listing, Page
from voicecore.storage import records
from voicecore.storage.engines import EngineKind
from voicecore.storage.schema import knowledge_articles

SCORE_ALL = 200  # up to this many articles every one is scored: misheard words are in no index
CANDIDATES = 200


class Wanted(msgspec.Struct, frozen=True):
    """Which articles may answer: those that are valid at `at`, and of the business, the category and the external ids
    where some are named."""

    organization_uid: str
    business_uid: str | None
    at: datetime
    category: str = ""
    only: tuple[str, ...] = ()


def _valid(organization_uid: str, at: datetime, category: str) -> list[sa.ColumnElement[bool]]:
    """`category` "" is any."""
    column = knowledge_articles.c
    return [
        *([column.category == category] if category else []),
        column.organization_uid == organization_uid,
        sa.or_(column.valid_from.is_(None), column.valid_from <= at),
        sa.or_(column.valid_until.is_(None), column.valid_until >= at),
    ]


async def listing(
    connection: AsyncConnection, organization_uid: str, category: str, at: datetime, page: Page
) -> Listing[KnowledgeArticle]:
    """Valid at `at`, newest first; `category` "" is any."""
    conditions = _valid(organization_uid, at, category)
    query = sa.select(knowledge_articles).where(*conditions).order_by(knowledge_articles.c.seq.desc())
    found = await records.every(connection, KnowledgeArticle, query.offset(page.offset).limit(page.count))
    return Listing(found, await records.count(connection, knowledge_articles, conditions))


def _wanted(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    column = knowledge_articles.c
    conditions = _valid(wanted.organization_uid, wanted.at, wanted.category)
    if wanted.business_uid is not None:
        conditions.append(sa.or_(column.business_uid.is_(None), column.business_uid == wanted.business_uid))
    if wanted.only:
        conditions.append(column.external_id.in_(wanted.only))
    return conditions


async def candidates(
    connection: AsyncConnection, kind: EngineKind, wanted: Wanted, words: list[str]
) -> list[KnowledgeArticle]:
    """Articles that may answer: all of a small collection, the index's best of a large one."""
    column = knowledge_articles.c
    conditions = _wanted(wanted)
    if await records.count(connection, knowledge_articles, conditions) > SCORE_ALL:
        if not words:
            return []
        sql, query_text = kind.full_text(words)
        bound = sa.text(sql).bindparams(words=query_text, organization=wanted.organization_uid, count=CANDIDATES)
        found = (await connection.execute(bound)).scalars().all()
        conditions.append(column.seq.in_(found))
    query = sa.select(knowledge_articles).where(*conditions).order_by(column.seq)
    return await records.every(connection, KnowledgeArticle, query)


async def among(connection: AsyncConnection, wanted: Wanted, uids: Sequence[str]) -> list[KnowledgeArticle]:
    """Those of them that may answer."""
    column = knowledge_articles.c
    query = sa.select(knowledge_articles).where(*_wanted(wanted), column.uid.in_(uids))
    return await records.every(connection, KnowledgeArticle, query.order_by(column.seq))


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
