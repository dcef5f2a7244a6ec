"""Finding the article that answers a question: by its words, and by what it means where somebody says that.

The compiled indices of the last collections are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

import msgspec

from pipelines.brain.knowledge import Article, KnowledgeIndex
from pipelines.brain.words import content_words
from pipelines.errors import ValidationError
from voicecore.domain import instants
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.knowledge import KnowledgeArticle, ScoredArticle
from voicecore.domain.paging import Listing, Page
from voicecore.services.embeddings import Embeddings
from voicecore.storage import knowledge as rows
from voicecore.storage.database import Database

KEPT_INDICES = 32
LONGEST_QUERY = 1000  # characters; nobody asks longer questions
MEANING_WEIGHT = 0.8  # an article that shares no word with the question scores so much at most

Fingerprint = tuple[tuple[int, float], ...]


class NewArticle(msgspec.Struct, frozen=True, kw_only=True):
    """Without dates it is valid for ever."""

    title: str
    content: str
    html: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class KnowledgeBase:
    """`embeddings` None: articles are found by their words alone."""

    def __init__(self, database: Database, embeddings: Embeddings | None = None) -> None:
        self._database = database
        self._embeddings = embeddings
        self._indices: OrderedDict[Fingerprint, KnowledgeIndex] = OrderedDict()

    async def search(
        self,
        organization_uid: str,
        query: str,
        *,
        business_uid: str | None = None,
        only: Sequence[str] = (),
        category: str = "",
        limit: int = 5,
        threshold: float = 0.0,
    ) -> list[ScoredArticle]:
        """Best first, scores 0…1. `only` restricts to articles of these external ids, `category` to those of one,
        when not empty."""
        query = query[:LONGEST_QUERY]
        words = content_words(query)
        meanings = await self._embeddings.meanings(organization_uid, query) if self._embeddings else {}
        wanted = rows.Wanted(organization_uid, business_uid, instants.now(), category, tuple(only))
        async with self._database.read() as connection:
            found = await rows.candidates(connection, self._database.kind, wanted, words)
            others = sorted(meanings.keys() - {article.uid for article in found})
            meant = await rows.among(connection, wanted, others) if others else []
        scores = {hit.article_id: hit.score for hit in self._index(found).search(query, len(found))}
        hits = []
        for article in (*found, *meant):
            score = blended(scores.get(article.uid, 0.0), meanings.get(article.uid, 0.0))
            if score > 0 and score >= threshold:
                hits.append(ScoredArticle(article, score))
        return sorted(hits, key=lambda hit: -hit.score)[:limit]

    async def step(self) -> None:
        """See to the vectors of articles that are new or were changed, if somebody makes vectors."""
        if self._embeddings is not None:
            await self._embeddings.step()

    async def idle(self) -> None:
        """What was begun so is over."""
        if self._embeddings is not None:
            await self._embeddings.idle()

    async def close(self) -> None:
        if self._embeddings is not None:
            await self._embeddings.close()

    async def listing(self, organization_uid: str, category: str, page: Page) -> Listing[KnowledgeArticle]:
        """Those that are valid now, newest first; `category` restricts to those of one when not empty."""
        async with self._database.read() as connection:
            return await rows.listing(connection, organization_uid, category, instants.now(), page)

    async def add(self, organization_uid: str, wanted: NewArticle) -> KnowledgeArticle:
        """For all businesses of the organization; found from the next question on. Raises ValidationError."""
        if wanted.valid_from and wanted.valid_until and wanted.valid_until < wanted.valid_from:
            raise ValidationError("Invalid input data", (("valid_until", "before valid_from"),))
        now = instants.now()
        article = KnowledgeArticle(
            uid=new_uid(),
            organization_uid=organization_uid,
            external_id=new_external_id("kb"),
            created_at=now,
            updated_at=now,
            **msgspec.structs.asdict(wanted),
        )
        async with self._database.write() as connection:
            await rows.add(connection, article)
            found = await rows.find(connection, organization_uid, article.external_id)
        assert found is not None
        return found

    async def articles(self, organization_uid: str, business_uid: str) -> list[KnowledgeArticle]:
        """All that the business may say, for engines that want its vocabulary."""
        async with self._database.read() as connection:
            return await rows.of_business(connection, organization_uid, business_uid)

    def _index(self, articles: list[KnowledgeArticle]) -> KnowledgeIndex:
        fingerprint = tuple((article.seq, article.updated_at.timestamp()) for article in articles)
        index = self._indices.pop(fingerprint, None) or KnowledgeIndex([_indexed(article) for article in articles])
        self._indices[fingerprint] = index
        if len(self._indices) > KEPT_INDICES:
            self._indices.popitem(last=False)
        return index


def blended(lexical: float, meaning: float) -> float:
    """Both 0…1. What one of them lacks the other may give; neither takes from the other."""
    return round(1 - (1 - lexical) * (1 - MEANING_WEIGHT * meaning), 4)


def _indexed(article: KnowledgeArticle) -> Article:
    return Article(article.uid, article.title, article.content, article.tags, article.questions, article.category)
