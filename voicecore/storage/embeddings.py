"""Rows of articles' vectors. What is new always has a higher `seq` than everything before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.ids import new_uid
from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.storage import records
from voicecore.storage.schema import article_embeddings, knowledge_articles

# As text, so that nothing remembers the answer: it is many megabytes, and whoever asks keeps it himself.
_VECTORS = sa.text(
    "SELECT seq, article_uid, vector FROM article_embeddings"
    " WHERE organization_uid = :organization AND model = :model AND seq > :after ORDER BY seq LIMIT :count"
)


class Extent(msgspec.Struct, frozen=True):
    """Of an organization's vectors; another one where any was added, changed or removed."""

    count: int
    newest: int  # seq


class Embedded(msgspec.Struct, frozen=True):
    article_uid: str
    written_at: datetime  # the article's updated_at
    vector: bytes


async def due(connection: AsyncConnection, model: str, count: int) -> list[KnowledgeArticle]:
    """Articles of all organizations without a vector of what they say now, oldest first."""
    made = article_embeddings.c
    ours = sa.and_(made.article_uid == knowledge_articles.c.uid, made.model == model)
    stale = sa.or_(made.uid.is_(None), made.written_at != knowledge_articles.c.updated_at)
    query = sa.select(knowledge_articles).outerjoin(article_embeddings, ours).where(stale)
    return await records.every(connection, KnowledgeArticle, query.order_by(knowledge_articles.c.seq).limit(count))


async def put(connection: AsyncConnection, model: str, embedded: Sequence[Embedded]) -> None:
    """In place of older ones. An article that is gone, or says something else by now, gets none."""
    made, article = article_embeddings.c, knowledge_articles.c
    for one in embedded:
        old = sa.delete(article_embeddings).where(made.article_uid == one.article_uid, made.model == model)
        await connection.execute(old)
        values = {
            "uid": sa.literal(new_uid(), sa.String(36)),
            "organization_uid": article.organization_uid,
            "article_uid": article.uid,
            "model": sa.literal(model, sa.String(300)),
            "vector": sa.literal(one.vector, sa.LargeBinary()),
            "written_at": article.updated_at,
        }
        source = sa.select(*values.values()).where(article.uid == one.article_uid, article.updated_at == one.written_at)
        await connection.execute(sa.insert(article_embeddings).from_select(list(values), source))


async def extent(connection: AsyncConnection, organization_uid: str, model: str) -> Extent:
    made = article_embeddings.c
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(made.seq), 0)).where(
        made.organization_uid == organization_uid, made.model == model
    )
    count, newest = (await connection.execute(query)).one()
    return Extent(count, newest)


async def vectors(
    connection: AsyncConnection, organization_uid: str, model: str, after: int, count: int
) -> list[tuple[int, str, bytes]]:
    """(seq, the article's uid, vector), the next so many that are newer than `after`."""
    bound = _VECTORS.bindparams(organization=organization_uid, model=model, after=after, count=count)
    return [(row.seq, row.article_uid, row.vector) for row in (await connection.execute(bound)).all()]
