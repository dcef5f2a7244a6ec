"""Finding the article that answers a question. The compiled scorers of the last collections are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from voicecore.domain import instants
from voicecore.domain.knowledge import KnowledgeArticle, ScoredArticle
from voicecore.domain.relevance import Scorer
from voicecore.domain.words import content_words
from voicecore.storage import knowledge as rows
from voicecore.storage.database import Database

KEPT_SCORERS = 32
LONGEST_QUERY = 1000  # characters; nobody asks longer questions

Fingerprint = tuple[tuple[int, float], ...]


class KnowledgeBase:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._scorers: OrderedDict[Fingerprint, Scorer] = OrderedDict()

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
        hits = self._scorer(found).search(query, limit)
        return [hit for hit in hits if hit.score >= threshold]

    async def articles(self, organization_uid: str, business_uid: str) -> list[KnowledgeArticle]:
        """All that the business may say, for engines that want its vocabulary."""
        async with self._database.read() as connection:
            return await rows.of_business(connection, organization_uid, business_uid)

    def _scorer(self, articles: list[KnowledgeArticle]) -> Scorer:
        fingerprint = tuple((article.seq, article.updated_at.timestamp()) for article in articles)
        scorer = self._scorers.pop(fingerprint, None) or Scorer(articles)
        self._scorers[fingerprint] = scorer
        if len(self._scorers) > KEPT_SCORERS:
            self._scorers.popitem(last=False)
        return scorer
