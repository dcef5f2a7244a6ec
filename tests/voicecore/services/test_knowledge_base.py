"""Searching knowledge in the database: tenants, validity, narrowing, large collections."""

from __future__ import annotations

from voicecore.domain import instants
from voicecore.domain.ids import new_uid
from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.services.agents import RoutedAgent
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.receptionist_ports import AgentKnowledge
from voicecore.storage import records
from voicecore.storage.database import Database
from voicecore.storage.schema import knowledge_articles


async def test_the_port_finds_its_own_articles_only(database: Database, one: RoutedAgent, two: RoutedAgent) -> None:
    knowledge = KnowledgeBase(database)
    mine = await AgentKnowledge(knowledge, one).search("where can i park")
    theirs = await AgentKnowledge(knowledge, two).search("where can i park")
    assert [(h.article_id, h.content) for h in mine] == [("kb_park", "Park behind the house.")]
    assert [h.content for h in theirs] == ["No parking at all."]
    assert mine[0].score > 0.5


async def test_what_is_no_longer_valid_is_not_said(database: Database, one: RoutedAgent) -> None:
    found = await KnowledgeBase(database).search(one.agent.organization_uid, "are you closed at christmas")
    assert [hit.article.external_id for hit in found] == []


async def test_narrowing_and_threshold(database: Database, one: RoutedAgent) -> None:
    knowledge, uid = KnowledgeBase(database), one.agent.organization_uid
    assert await knowledge.search(uid, "parking", only=("kb_other",)) == []
    assert len(await knowledge.search(uid, "parking", only=("kb_park",))) == 1
    assert await knowledge.search(uid, "parking for elephants and giraffes", threshold=0.9) == []
    for strange in ("", "???", '"" OR *', "NEAR(", "x" * 100_000, "'; DROP TABLE knowledge_fts"):
        assert await knowledge.search(uid, strange) == []


async def test_a_large_collection_goes_through_the_index(database: Database, one: RoutedAgent) -> None:
    now, uid = instants.now(), one.agent.organization_uid
    async with database.write() as connection:
        for number in range(300):
            article = KnowledgeArticle(
                uid=new_uid(),
                organization_uid=uid,
                external_id=f"kb_{number}",
                title=f"Product {number}",
                content=f"Article number {number} costs {number} dollars",
                tags=(f"model{number}",),
                created_at=now,
                updated_at=now,
            )
            await records.insert(connection, knowledge_articles, article)
    knowledge = KnowledgeBase(database)
    assert (await knowledge.search(uid, "what about model217"))[0].article.external_id == "kb_217"
    assert (await knowledge.search(uid, "where can i park my car"))[0].article.external_id == "kb_park"
    assert await knowledge.search(uid, '"NEAR( OR * AND') == []
