"""The knowledge base: written in HTML, searched and spoken as text."""

from __future__ import annotations

import html
from typing import Annotated

import msgspec
from msgspec import Meta

from pipelines.errors import ValidationError
from voicecore.api.crm.contacts import Named
from voicecore.api.crm.envelope import Many, MetaShape, One, one
from voicecore.api.crm.words import z
from voicecore.api.kit import Exchange, Route
from voicecore.api.parsing import INVALID
from voicecore.domain.accounts import Permission
from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.domain.paging import Page
from voicecore.services.knowledge import KnowledgeBase, NewArticle
from voicecore.services.markup import plain, sanitized

MOST_HITS = 200


class SearchQuery(msgspec.Struct, kw_only=True):
    """Without `query` the newest articles. `page` (our addition): the next `limit` of them."""

    query: str = ""
    category: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class ArticleRequest(msgspec.Struct):
    title: Named
    content: Named
    category: str = ""
    tags: list[str] = []


class ArticleShape(msgspec.Struct):
    """`content` is HTML, with nothing in it that runs. `score` 0 to 1: how well it fits the query; null without
    one."""

    id: int
    title: str
    content: str
    category: str
    tags: list[str]
    score: float | None
    created_at: str
    updated_at: str


class KnowledgeHandlers:
    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._knowledge = knowledge

    async def search(self, exchange: Exchange) -> Many[ArticleShape]:
        query: SearchQuery = exchange.query
        owner, category, limit = exchange.organization_uid, query.category, query.limit
        page = Page((query.page - 1) * limit, limit)
        if query.query.strip():
            hits = await self._knowledge.search(owner, query.query, category=category, limit=MOST_HITS)
            shapes, total = [_shape(hit.article, hit.score) for hit in hits[page.offset :][:limit]], len(hits)
        else:
            found = await self._knowledge.listing(owner, category, page)
            shapes, total = [_shape(article, None) for article in found.rows], found.total
        return Many(True, shapes, MetaShape(query.page, limit, total, -(-total // limit)))

    async def create(self, exchange: Exchange) -> One[ArticleShape]:
        body: ArticleRequest = exchange.body
        clean = sanitized(body.content)
        text = plain(clean)
        if not text:
            raise ValidationError(INVALID, (("content", "has no text"),))
        wanted = NewArticle(title=body.title, content=text, html=clean, category=body.category, tags=tuple(body.tags))
        return one(_shape(await self._knowledge.add(exchange.organization_uid, wanted), None))

    def routes(self) -> list[Route]:
        base, tag = "/api/knowledge-base", "Knowledge base"
        return [
            Route(
                method="GET",
                path=f"{base}/search",
                handler=self.search,
                summary="Articles that answer a question, best first",
                tag=tag,
                query=SearchQuery,
                response=Many[ArticleShape],
            ),
            Route(
                method="POST",
                path=f"{base}/articles",
                handler=self.create,
                summary="Write an article; agents know it from the next question on",
                tag=tag,
                body=ArticleRequest,
                response=One[ArticleShape],
                status=201,
                permission=Permission.CONFIGURE,
                limit="write",
            ),
        ]


def _shape(article: KnowledgeArticle, score: float | None) -> ArticleShape:
    return ArticleShape(
        id=article.seq,
        title=article.title,
        content=article.html or html.escape(article.content, quote=False),
        category=article.category,
        tags=list(article.tags),
        score=score,
        created_at=z(article.created_at),
        updated_at=z(article.updated_at),
    )
