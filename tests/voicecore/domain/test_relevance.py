"""How often a question finds its article, also misheard, and how rarely another sentence finds one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.domain.relevance import Scorer
from voicecore.domain.words import content_words, stem

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def faq() -> Any:
    return yaml.safe_load(Path(__file__).with_name("faq.yaml").read_text())


@pytest.fixture(scope="module")
def scorer(faq: Any) -> Scorer:
    return Scorer(
        [
            KnowledgeArticle(
                uid=row["id"],
                organization_uid="o",
                external_id=row["id"],
                title=row["title"],
                content=row["content"],
                tags=tuple(row["tags"]),
                questions=tuple(row["questions"]),
                created_at=NOW,
                updated_at=NOW,
            )
            for row in faq["articles"]
        ]
    )


def found(scorer: Scorer, wanted: str, query: str) -> bool:
    hits = scorer.search(query, 1)
    return bool(hits) and hits[0].article.uid == wanted and hits[0].score > 0.5


@pytest.mark.parametrize(("kind", "least"), [("plain", 0.9), ("misheard", 0.9)])
def test_questions_find_their_article(scorer: Scorer, faq: Any, kind: str, least: float) -> None:
    asked = faq[kind]
    missed = [query for wanted, query in asked if not found(scorer, wanted, query)]
    assert len(missed) <= (1 - least) * len(asked), missed


def test_other_sentences_find_nothing(scorer: Scorer, faq: Any) -> None:
    wrong = [q for q in faq["unrelated"] if any(hit.score >= 0.5 for hit in scorer.search(q, 1))]
    assert wrong == []


def test_scores_stay_between_0_and_1(scorer: Scorer, faq: Any) -> None:
    scores = [hit.score for _, query in faq["plain"] for hit in scorer.search(query, 20)]
    assert all(0 < score <= 1 for score in scores)


def test_no_articles_no_hits() -> None:
    assert Scorer([]).search("where can i park", 3) == []


def test_german_words_meet_their_inflections() -> None:
    assert content_words("Wann haben Sie geöffnet?") == ["geoffnet"]
    assert stem("opening") == stem("opened") == stem("opens") == "open"
