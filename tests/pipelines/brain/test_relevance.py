"""How often a question finds its article, also misheard, and how rarely another sentence finds one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.brain.knowledge import Article, KnowledgeIndex
from pipelines.brain.words import content_words, stem


@pytest.fixture(scope="module")
def faq() -> Any:
    return yaml.safe_load(Path(__file__).with_name("faq.yaml").read_text())


@pytest.fixture(scope="module")
def index(faq: Any) -> KnowledgeIndex:
    rows = faq["articles"]
    return KnowledgeIndex(
        [Article(r["id"], r["title"], r["content"], tuple(r["tags"]), tuple(r["questions"])) for r in rows]
    )


def found(index: KnowledgeIndex, wanted: str, query: str) -> bool:
    hits = index.search(query, 1)
    return bool(hits) and hits[0].article_id == wanted and hits[0].score > 0.5


@pytest.mark.parametrize(("kind", "least"), [("plain", 0.9), ("misheard", 0.9)])
def test_questions_find_their_article(index: KnowledgeIndex, faq: Any, kind: str, least: float) -> None:
    asked = faq[kind]
    missed = [query for wanted, query in asked if not found(index, wanted, query)]
    assert len(missed) <= (1 - least) * len(asked), missed


def test_other_sentences_find_nothing(index: KnowledgeIndex, faq: Any) -> None:
    wrong = [q for q in faq["unrelated"] if any(hit.score >= 0.5 for hit in index.search(q, 1))]
    assert wrong == []


def test_scores_stay_between_0_and_1(index: KnowledgeIndex, faq: Any) -> None:
    scores = [hit.score for _, query in faq["plain"] for hit in index.search(query, 20)]
    assert all(0 < score <= 1 for score in scores)


def test_no_articles_no_hits() -> None:
    assert KnowledgeIndex([]).search("where can i park", 3) == []


def test_german_words_meet_their_inflections() -> None:
    assert content_words("Wann haben Sie geöffnet?") == ["geoffnet"]
    assert stem("opening") == stem("opened") == stem("opens") == "open"
