"""Finding the article that answers a question. The compiled indices of the last collections are kept."""

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
from voicecore.storage import knowledge as rows
from voicecore.storage.database import Database

KEPT_INDICES = 32
LONGEST_QUERY = 1000  # characters; nobody asks longer questions

Fingerprint = tuple[tuple[int, float], ...]


class NewArticle(msgspec.Struct, frozen=True, kw_only=True):
    """Without dates it is valid for ever."""

    title: str
    content: str
    category: str = ""
    tags: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class KnowledgeBase:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._indices: OrderedDict[Fingerprint, KnowledgeIndex] = OrderedDict()

    async def search(
        self,
        organization_uid: str,
        query: str,
        *,
        business_uid: str | None = None,
        only: Sequence[str] = (),
        limit: int = 5,
        threshold: float = 0.0,
    ) -> list[ScoredArticle]:
        """Best first, scores 0…1. `only` restricts to articles of these external ids when not empty."""
        query = query[:LONGEST_QUERY]
        words = content_words(query)
        async with self._database.read() as connection:
            found = await rows.candidates(
                connection, self._database.kind, organization_uid, business_uid, words, instants.now()
            )
        if only:
            found = [article for article in found if article.external_id in only]
        by_uid = {article.uid: article for article in found}
        hits = self._index(found).search(query, limit)
        return [ScoredArticle(by_uid[hit.article_id], hit.score) for hit in hits if hit.score >= threshold]

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
        return article

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


def _indexed(article: KnowledgeArticle) -> Article:
    return Article(article.uid, article.title, article.content, article.tags, article.questions, article.category)
