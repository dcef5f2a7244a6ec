"""What the business knows: adding to it and asking it, as the agent on the telephone does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from voicecore.api.kit import Exchange, Route
from voicecore.api.vocaliq.words import maybe_z, optional_moment, z
from voicecore.domain.accounts import Permission
from voicecore.services.knowledge import KnowledgeBase, NewArticle

Filled = Annotated[str, Meta(min_length=1, pattern=r"\S")]


class ArticleRequest(msgspec.Struct):
    """Without dates it is valid for ever. Dates are ISO 8601, UTC when they name no zone."""

    title: Filled
    content: Filled
    category: str = ""
    tags: list[str] = []
    valid_from: str | None = None
    valid_until: str | None = None


class ArticleShape(msgspec.Struct):
    id: str
    title: str
    content: str
    category: str
    tags: list[str]
    valid_from: str | None
    valid_until: str | None
    created_at: str


class SearchRequest(msgspec.Struct):
    query: Filled
    limit: Annotated[int, Meta(ge=1, le=100)] = 5
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.0


class HitShape(msgspec.Struct):
    id: str
    title: str
    content: str
    score: float
    category: str


class SearchResponse(msgspec.Struct):
    results: list[HitShape]


class KnowledgeHandlers:
    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._knowledge = knowledge

    async def add(self, exchange: Exchange) -> ArticleShape:
        body: ArticleRequest = exchange.body
        until: datetime | None = optional_moment("valid_until", body.valid_until, end_of_day=True)
        wanted = NewArticle(
            title=body.title,
            content=body.content,
            category=body.category,
            tags=tuple(body.tags),
            valid_from=optional_moment("valid_from", body.valid_from),
            valid_until=until,
        )
        article = await self._knowledge.add(exchange.organization_uid, wanted)
        return ArticleShape(
            id=article.external_id,
            title=article.title,
            content=article.content,
            category=article.category,
            tags=list(article.tags),
            valid_from=maybe_z(article.valid_from),
            valid_until=maybe_z(article.valid_until),
            created_at=z(article.created_at),
        )

    async def search(self, exchange: Exchange) -> SearchResponse:
        body: SearchRequest = exchange.body
        hits = await self._knowledge.search(
            exchange.organization_uid, body.query, limit=body.limit, threshold=body.threshold
        )
        return SearchResponse(
            [HitShape(h.article.external_id, h.article.title, h.article.content, h.score, h.article.category)
             for h in hits]
        )  # fmt: skip

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/knowledge", "Knowledge"
        return [
            Route(
                method="POST",
                path=base,
                handler=self.add,
                summary="Add an article; agents know it from the next question on",
                tag=tag,
                body=ArticleRequest,
                response=ArticleShape,
                status=201,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="POST",
                path=f"{base}/search",
                handler=self.search,
                summary="Articles that answer a question and are valid now, best first, scores 0 to 1",
                tag=tag,
                body=SearchRequest,
                response=SearchResponse,
                changes=False,
            ),
        ]
