from __future__ import annotations

import random
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest

from config.agents import shipped_agents
from pipelines.brain.knowledge import Article, KnowledgeIndex
from pipelines.brain.policy import ANSWERS

AGENTS = {agent.id: agent for agent in shipped_agents()}


def index(agent_id: str) -> KnowledgeIndex:
    articles = AGENTS[agent_id].knowledge
    return KnowledgeIndex([Article(a.title, a.title, a.content, a.tags, a.questions) for a in articles])


@pytest.mark.parametrize("agent_id", sorted(AGENTS))
def test_every_example_wording_finds_its_own_article(agent_id: str) -> None:
    found = index(agent_id)
    for article in AGENTS[agent_id].knowledge:
        for question in article.questions:
            best = found.search(question)[0]
            assert (best.article_id, best.score >= ANSWERS) == (article.title, True), question


def test_most_wordings_survive_a_lost_and_a_stray_word() -> None:
    rng, found, right, total = random.Random(7), index("receptionist"), 0, 0
    for article in AGENTS["receptionist"].knowledge:
        for question in article.questions:
            words = question.split()
            words.pop(rng.randrange(len(words)))
            words.insert(rng.randrange(len(words) + 1), rng.choice(("the", "chair", "and", "people")))
            hits = found.search(" ".join(words))
            right += bool(hits) and hits[0].article_id == article.title
            total += 1
    assert right / total >= 0.75


@pytest.mark.parametrize("text", ["", "purple elephants dance", "uh um the", "tell me a joke"])
def test_what_nobody_wrote_about_is_not_answered(text: str) -> None:
    assert all(hit.score < ANSWERS for hit in index("receptionist").search(text))


def test_a_search_in_five_hundred_articles_is_quick(record_property: Callable[[str, object], None]) -> None:
    articles: list[Any] = [
        Article(str(n), f"Subject {n} of things", f"Text {n}", (f"tag{n}",), (f"how about matter {n}",))
        for n in range(500)
    ]
    found = KnowledgeIndex(articles)
    started = perf_counter()
    assert found.search("how about matter 321")[0].article_id == "321"
    record_property("ms", (perf_counter() - started) * 1000)
