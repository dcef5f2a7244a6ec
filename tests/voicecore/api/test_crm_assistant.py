"""Document 003, the assistant, the chat and the sentiment of texts."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from api_server import PIPELINE, Server
from crm_desk import ARTICLE, BOB, Crm, login

from config.schema import StageSettings
from pipelines.engines import EngineRoom
from voicecore.services.agents import AgentPatch
from voicecore.services.text_moods import TextMoods

UPSET = "I'm very disappointed with the service. The response time is unacceptable."


async def organization_uid(server: Server) -> str:
    async with server.database.read() as connection:
        query = sa.text("SELECT uid FROM organizations WHERE external_id = 'org_one'")
        return str((await connection.execute(query)).scalar_one())


async def test_the_assistant_answers_with_advice(server: Server) -> None:
    crm = await login(server)
    body = {"context": "lead_qualification", "lead_id": 123, "question": "What's the best approach for this lead?"}
    data = (await crm.ask("POST", "/ai/assistant", 200, json=body))["data"]
    assert set(data) == {"response", "confidence", "suggestions", "next_steps"}
    assert data["response"]
    assert 0 <= data["confidence"] <= 1
    assert data["suggestions"]
    assert data["next_steps"]
    await crm.made("/knowledge-base/articles", ARTICLE)
    asked = {"question": "How do I reset a password?"}
    known = (await crm.ask("POST", "/ai/assistant", 200, json=asked))["data"]
    assert known["confidence"] > data["confidence"]
    assert known["suggestions"] == ["How to Reset Password: To reset your password..."]
    booking = {"question": "I would like to book a check-up tomorrow"}
    assert "Book the appointment" in (await crm.ask("POST", "/ai/assistant", 200, json=booking))["data"]["next_steps"]


async def test_a_chat_is_one_conversation_of_the_agent(server: Server) -> None:
    crm = await login(server)
    context = {"deal_id": 123, "lead_score": 85, "industry": "technology"}
    body = {"message": "When are you open?", "context": context}
    first = (await crm.ask("POST", "/ai/chat", 200, json=body))["data"]
    assert first["intent"] == "opening_hours"
    second = await crm.ask(
        "POST", "/ai/chat", 200, json={"message": "Thank you", "conversation_id": first["conversation_id"]}
    )
    assert second["data"]["conversation_id"] == first["conversation_id"]
    async with server.database.read() as connection:
        talks = (await connection.execute(sa.text("SELECT messages, metadata FROM conversations"))).all()
        files = (await connection.execute(sa.text("SELECT count(*) FROM audio_files"))).scalar_one()
    assert len(talks) == 1
    assert "technology" not in str(talks)  # what one is told of the matter is not kept
    assert files == 0
    bob = await login(server, BOB)
    stolen = {"message": "Hello", "conversation_id": first["conversation_id"]}
    await bob.refused("POST", "/ai/chat", 404, "RESOURCE_NOT_FOUND", json=stolen)


async def test_a_context_that_means_nothing_is_refused(server: Server) -> None:
    crm, bob = await login(server), await login(server, BOB)
    foreign = (await bob.made("/contacts", {"name": "Foreign"}))["id"]
    for contact in (foreign, 0, -1, 10**20, "x", True):
        body = {"message": "Hello", "context": {"contact_id": contact}}
        error = await crm.refused("POST", "/ai/chat", 400, "AI_INVALID_CONTEXT", json=body)
        assert error["details"]["field"] == "context"
    for wrong in ({"context": {"x": "y" * 30_000}, "message": "Hello"},):
        await crm.refused("POST", "/ai/chat", 400, "AI_INVALID_CONTEXT", json=wrong)
    body = {"question": "Hello?", "context": "x" * 101}
    await crm.refused("POST", "/ai/assistant", 400, "AI_INVALID_CONTEXT", json=body)
    await crm.refused("POST", "/ai/assistant", 400, "VALIDATION_ERROR", json={"context": "lead_qualification"})
    await crm.refused("POST", "/ai/chat", 400, "VALIDATION_ERROR", json={"message": "Hi", "context": "text"})
    mine = (await crm.made("/contacts", {"name": "Mine"}))["id"]
    await crm.ask("POST", "/ai/chat", 200, json={"message": "Hello", "context": {"contact_id": mine}})


async def test_without_an_agent_the_ai_is_unavailable(server: Server) -> None:
    await Crm(server).refused("POST", "/ai/chat", 401, "AUTHENTICATION_FAILED", json={"message": "Hi"})
    body = {"email": "new@three.example", "password": "new-password", "name": "New"}
    assert (await server.client.post("/receptionist/api/auth/register", json=body)).status == 201
    crm = await login(server, "new@three.example")
    for path, asked in (("/ai/chat", {"message": "Hi"}), ("/ai/assistant", {"question": "Hi?"})):
        await crm.refused("POST", path, 503, "AI_SERVICE_UNAVAILABLE", json=asked)
    assert (await crm.ask("POST", "/sentiment-analysis/analyze", 200, json={"text": UPSET}))["success"] is True


async def test_the_sentiment_of_a_text(server: Server) -> None:
    crm = await login(server)
    body = {"text": UPSET, "context": "support_ticket"}
    data = (await crm.ask("POST", "/sentiment-analysis/analyze", 200, json=body))["data"]
    assert set(data) == {"sentiment", "confidence", "score", "key_phrases", "urgency", "suggested_action"}
    assert (data["sentiment"], data["urgency"]) == ("negative", "high")
    assert -1 <= data["score"] < 0 < data["confidence"] <= 1
    assert {"disappointed", "unacceptable", "response time"} <= set(data["key_phrases"])
    assert data["suggested_action"] == "Escalate to senior support agent"
    words = {}
    for text in ("Thank you, that was wonderful!", "The parcel is blue.", "Das war leider furchtbar"):
        found = (await crm.ask("POST", "/sentiment-analysis/analyze", 200, json={"text": text}))["data"]
        words[text] = found["sentiment"]
        assert (found["score"] > 0) is (found["sentiment"] == "positive")
    assert list(words.values()) == ["positive", "neutral", "negative"]
    for wrong in ({}, {"text": ""}, {"text": " "}, {"text": 5}, {"text": "x" * 20_001}):
        error = await crm.refused("POST", "/sentiment-analysis/analyze", 400, "VALIDATION_ERROR", json=wrong)
        assert error["details"]["field"] == "text"


async def test_the_agents_model_judges_where_the_agent_asks_for_it(server: Server) -> None:
    owner = await organization_uid(server)
    judged = (
        '{"score": -0.9, "confidence": 0.75, "key_phrases": ["blue"], "urgency": "high", "suggested_action": "Run"}'
    )
    for said, expected in ((f"```json\n{judged}\n```", ("negative", "Run")), ("I refuse.", ("neutral", "Answer in"))):
        talking = StageSettings(provider="simulated", options={"llm": {"texts": [said], "first_token_ms": 0}})
        engines = EngineRoom({"test": msgspec.structs.replace(PIPELINE, llm=talking)}, "test")
        moods = TextMoods(engines, server.briefings)
        await server.agents.upsert(owner, "agent_1", AgentPatch(config={"analysis": "words"}))
        assert (await moods.read(owner, "The parcel is blue.", "")).sentiment == "neutral"
        await server.agents.upsert(owner, "agent_1", AgentPatch(config={"analysis": "model"}))
        mood = await moods.read(owner, "The parcel is blue.", "support_ticket")
        assert (mood.sentiment, mood.suggested_action[: len(expected[1])]) == expected
        await engines.close()
