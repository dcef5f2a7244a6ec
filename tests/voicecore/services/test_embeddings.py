"""Finding articles by what they mean: over a real socket to the provider, on every kind of database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from database_copies import Copies

from benchmarks.emulators.base import Fault
from benchmarks.emulators.openai import KEY, OpenaiEmulator
from config.knowledge import EmbeddingSettings
from pipelines.errors import ConfigError, KeyRefused, StageError
from pipelines.secrets import NoStore
from voicecore.domain import instants
from voicecore.domain.accounts import Organization
from voicecore.domain.ids import new_uid
from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.embedding import embeddings
from voicecore.services.embeddings import AT_ONCE, FAILURES, Embeddings
from voicecore.services.knowledge import KnowledgeBase, NewArticle
from voicecore.storage import records, tenants
from voicecore.storage.database import Database
from voicecore.storage.schema import knowledge_articles, organizations

SEED = Path(__file__).parents[1] / "api" / "seed.yaml"
PARKING = NewArticle(title="Parking", content="The garage is behind the house.")
DOGS = NewArticle(title="Dogs", content="A dog may come with you.", category="pets")
VEHICLE = "leave my automobile"  # says "parking", and has no word of the article
PUPPY = "bringing puppies and a puppy"


class Desk:
    """Two organizations' knowledge, the vectors of it, and who makes them."""

    def __init__(self, database: Database, emulator: OpenaiEmulator, made: Embeddings, of: list[Organization]) -> None:
        self.database, self.emulator, self.embeddings = database, emulator, made
        self.knowledge = KnowledgeBase(database, made)
        self.one, self.two = (organization.uid for organization in of)

    async def found(self, question: str, **narrowed: Any) -> list[str]:
        hits = await self.knowledge.search(self.one, question, **narrowed)
        assert all(0 < hit.score <= 1 for hit in hits)
        return [hit.article.title for hit in hits]

    async def rows(self) -> list[Any]:
        async with self.database.read() as connection:
            return list((await connection.execute(sa.text("SELECT * FROM article_embeddings ORDER BY seq"))).all())

    async def do(self, statement: Any) -> None:
        async with self.database.write() as connection:
            await connection.execute(statement)


Made = Callable[..., Awaitable[Embeddings]]


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenaiEmulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with OpenaiEmulator() as emulator:
        yield emulator


@pytest.fixture
async def database(tmp_path: Path, copies: Copies, database_kind: str) -> AsyncIterator[Database]:
    async with copies.copy(database_kind, tmp_path, SEED) as url:
        opened = await Database.open(url, alone=True)
        yield opened
        await opened.close()


@pytest.fixture
async def make(database: Database, emulator: OpenaiEmulator) -> AsyncIterator[Made]:
    all_made = []

    async def made(**changes: Any) -> Embeddings:
        plain: dict[str, Any] = {"provider": "openai", "base_url": f"{emulator.url}/v1", "deadline_ms": 10_000}
        one = await embeddings(EmbeddingSettings(**(plain | changes)), NoStore(), database)
        assert one is not None
        all_made.append(one)
        return one

    yield made
    for one in all_made:
        await one.close()


@pytest.fixture
async def desk(database: Database, emulator: OpenaiEmulator, make: Made) -> Desk:
    async with database.read() as connection:
        of = await tenants.all_organizations(connection)
    return Desk(database, emulator, await make(), of)


async def test_other_words_for_the_same_find_the_article(desk: Desk) -> None:
    for organization in (desk.one, desk.two):
        await desk.knowledge.add(organization, PARKING)
    await desk.knowledge.add(desk.one, DOGS)
    assert await desk.found(VEHICLE) == []  # there are no vectors yet
    assert await desk.found("parking") == ["Parking"]
    assert await desk.embeddings.update() == 3
    assert await desk.embeddings.update() == 0
    assert await desk.found(VEHICLE) == ["Parking"]
    assert await desk.found(PUPPY) == ["Dogs"]
    assert await desk.found("the weather tomorrow") == []
    hits = await desk.knowledge.search(desk.two, VEHICLE)
    assert [hit.article.organization_uid for hit in hits] == [desk.two]
    assert await desk.knowledge.search(desk.two, PUPPY) == []


async def test_both_scores_count(desk: Desk) -> None:
    await desk.knowledge.add(desk.one, PARKING)
    words = (await desk.knowledge.search(desk.one, "the house"))[0].score
    by_words = (await desk.knowledge.search(desk.one, "garage for a vehicle"))[0].score
    await desk.embeddings.update()
    assert (await desk.knowledge.search(desk.one, "garage for a vehicle"))[0].score > by_words
    assert (await desk.knowledge.search(desk.one, "the house"))[0].score >= words
    assert await desk.found(VEHICLE, threshold=0.99) == []
    assert await desk.found("parking", threshold=0.9) == ["Parking"]


async def test_what_may_not_answer_is_not_found_by_its_meaning_either(desk: Desk) -> None:
    over = msgspec.structs.replace(PARKING, valid_until=instants.now() - timedelta(days=1))
    await desk.knowledge.add(desk.one, over)
    dogs = await desk.knowledge.add(desk.one, DOGS)
    await desk.embeddings.update()
    assert await desk.found(VEHICLE) == []
    assert await desk.found(PUPPY, category="pets") == ["Dogs"]
    assert await desk.found(PUPPY, category="cars") == []
    assert await desk.found(PUPPY, only=(dogs.external_id,)) == ["Dogs"]
    assert await desk.found(PUPPY, only=("kb_other",)) == []


async def test_in_a_large_collection_too(desk: Desk, make: Made) -> None:
    small = await make(dimensions=256)
    knowledge, now = KnowledgeBase(desk.database, small), instants.now()
    await knowledge.add(desk.one, PARKING)
    async with desk.database.write() as connection:
        for number in range(250):
            article = KnowledgeArticle(
                uid=new_uid(),
                organization_uid=desk.one,
                external_id=f"kb_{number}",
                title=f"Product{number}",
                content=f"Item{number} is on shelf{number}",
                created_at=now,
                updated_at=now,
            )
            await records.insert(connection, knowledge_articles, article)
    while await small.update() == AT_ONCE:
        pass
    (hit,) = await knowledge.search(desk.one, VEHICLE)
    assert (hit.article.title, hit.score > 0.4) == ("Parking", True)
    assert (await knowledge.search(desk.one, "what about item217"))[0].article.title == "Product217"
    assert await knowledge.search(desk.one, VEHICLE, category="none") == []


async def test_a_changed_article_gets_another_vector_and_one_that_is_gone_has_none(desk: Desk) -> None:
    article = await desk.knowledge.add(desk.one, PARKING)
    await desk.knowledge.add(desk.two, PARKING)
    await desk.embeddings.update()
    assert await desk.found(VEHICLE) == ["Parking"]
    this = knowledge_articles.c.uid == article.uid
    new = {"title": "Dogs", "content": "A dog may come.", "updated_at": instants.now()}
    await desk.do(sa.update(knowledge_articles).where(this).values(**new))
    assert await desk.embeddings.update() == 1
    assert (await desk.found(VEHICLE), await desk.found(PUPPY)) == ([], ["Dogs"])
    assert len(await desk.rows()) == 2
    await desk.do(sa.delete(knowledge_articles).where(this))
    assert [row.organization_uid for row in await desk.rows()] == [desk.two]
    assert await desk.found(PUPPY) == []
    await desk.do(sa.delete(organizations).where(organizations.c.uid == desk.two))
    assert await desk.rows() == []


async def test_what_changed_meanwhile_is_not_stored(desk: Desk) -> None:
    article = await desk.knowledge.add(desk.one, PARKING)
    desk.emulator.first_s = 0.05
    desk.embeddings._next_s = 0.0
    await desk.embeddings.step()
    await desk.emulator.busy()
    later = instants.now() + timedelta(seconds=1)
    await desk.do(sa.update(knowledge_articles).where(knowledge_articles.c.uid == article.uid).values(updated_at=later))
    await desk.embeddings.idle()
    assert await desk.rows() == []
    assert await desk.embeddings.update() == 1
    assert [row.article_uid for row in await desk.rows()] == [article.uid]


async def test_vectors_of_another_process_are_seen(desk: Desk, make: Made) -> None:
    other = await make()
    for number, article in enumerate((PARKING, DOGS)):
        await desk.knowledge.add(desk.one, article)
        assert await other.update() == 1
        assert await desk.found((VEHICLE, PUPPY)[number]) == [article.title]


async def test_each_model_has_its_own(desk: Desk, make: Made) -> None:
    await desk.knowledge.add(desk.one, PARKING)
    await desk.embeddings.update()
    other = await make(model="another", dimensions=256)
    assert await other.meanings(desk.one, VEHICLE) == {}
    assert await other.update() == 1
    assert len(await other.meanings(desk.one, VEHICLE)) == 1
    assert [(row.model, len(row.vector)) for row in await desk.rows()] == [
        ("text-embedding-3-small", 1536 * 4),
        ("another/256", 256 * 4),
    ]


async def test_a_question_waits_no_longer_than_its_deadline(desk: Desk, make: Made) -> None:
    await desk.knowledge.add(desk.one, PARKING)
    await desk.embeddings.update()
    hasty = await make(deadline_ms=20)
    knowledge = KnowledgeBase(desk.database, hasty)
    desk.emulator.fault = Fault.STALL
    asked = len(desk.emulator.requests)
    for number in range(FAILURES + 3):  # words alone decide, and after a few nobody waits any more
        assert [hit.article.title for hit in await knowledge.search(desk.one, f"parking {number}")] == ["Parking"]
    assert len(desk.emulator.requests) - asked == FAILURES
    await desk.emulator.idle()
    desk.emulator.fault = Fault.NONE
    hasty._rest_until_s = 0.0  # the rest is over
    assert await KnowledgeBase(desk.database, await make()).search(desk.one, VEHICLE) != []


async def test_no_question_waits_for_very_many_vectors(desk: Desk, make: Made) -> None:
    await desk.knowledge.add(desk.one, PARKING)
    hasty = await make(deadline_ms=200)
    await hasty.update()
    async with hasty._shelves._one_at_a_time:  # others are being read, of another organization
        assert await hasty.meanings(desk.one, VEHICLE) == {}
    (reading,) = hasty._shelves._loads.values()
    await reading  # it went on
    assert len(await hasty.meanings(desk.one, VEHICLE)) == 1


async def test_a_question_that_was_asked_before_needs_nobody(desk: Desk) -> None:
    await desk.knowledge.add(desk.one, PARKING)
    await desk.embeddings.update()
    asked = len(desk.emulator.requests)
    assert await desk.found(VEHICLE) == await desk.found(f" {VEHICLE}\n") == ["Parking"]
    for nothing in ("", "  ", "?!"):
        assert await desk.found(nothing) == []
    assert len(desk.emulator.requests) - asked == 1


async def test_a_text_that_is_refused_holds_up_nobody(desk: Desk) -> None:
    desk.emulator.refuses = {"endless"}
    await desk.knowledge.add(desk.one, NewArticle(title="Endless", content="an endless story"))
    with pytest.raises(StageError, match="maximum context"):
        await desk.embeddings.update()  # alone it may be the settings that are wrong
    assert await desk.rows() == []
    await desk.knowledge.add(desk.one, PARKING)
    assert await desk.embeddings.update() == 2
    assert [len(row.vector) for row in await desk.rows()] == [0, 1536 * 4]
    assert await desk.embeddings.update() == 0
    assert (await desk.found(VEHICLE), await desk.found("story")) == (["Parking"], ["Endless"])


async def test_trouble_with_articles_is_tried_again_later(desk: Desk) -> None:
    await desk.knowledge.add(desk.one, PARKING)
    for fault in (Fault.UNAUTHORIZED, Fault.RATE_LIMIT, Fault.MALFORMED, Fault.CUT):
        desk.emulator.fault = fault
        await desk.embeddings.step()
        await desk.embeddings.idle()
        asked = len(desk.emulator.requests)
        await desk.embeddings.step()  # not now
        assert (len(desk.emulator.requests), await desk.rows()) == (asked, [])
        desk.embeddings._next_s = 0.0
    desk.emulator.fault = Fault.UNAUTHORIZED
    with pytest.raises(KeyRefused):
        await desk.embeddings.update()
    desk.emulator.fault = Fault.NONE
    await desk.embeddings.step()
    await desk.embeddings.idle()
    assert len(await desk.rows()) == 1


async def test_who_makes_vectors_is_a_setting(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await embeddings(EmbeddingSettings(), NoStore(), database) is None
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for reference, reason in (("env:OPENAI_API_KEY", "OPENAI_API_KEY is not set"), ("sk-itself", "a key itself")):
        with pytest.raises(ConfigError, match=reason) as told:
            await embeddings(EmbeddingSettings(provider="openai", api_key=reference), NoStore(), database)
        assert "sk-itself" not in told.value.message
    with pytest.raises(ValueError, match="alike must be above"):
        EmbeddingSettings(alike=0.1)
    assert "sk-itself" not in repr(EmbeddingSettings(api_key="sk-itself"))
