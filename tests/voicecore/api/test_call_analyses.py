"""Analyses of finished calls: made once, found again after a restart, by words or by the agent's model, and forgotten
with the person."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from api_server import Server

from pipelines.events import EndReason
from pipelines.timing import Turn
from voicecore.domain import instants
from voicecore.domain.analyses import Analysis, Method
from voicecore.domain.calls import Sentiment
from voicecore.services.analyst import AT_ONCE, LEASE, Analyst
from voicecore.storage import analyses as rows
from voicecore.storage.schema import call_analyses, call_keywords, calls

ADA = "ada@one.example"
PRICE = "Great, what does a check-up cost?"
OPINION = {
    "summary": "The customer asked for the price of a check-up.", "intent": "inquiry", "sentiment_score": 0.8,
    "quality_score": 5, "action_items": ["Send the price list"], "topics": ["pricing"],
    "keywords": [{"keyword": "Check-Up", "sentiment_score": 0.5}, {"keyword": "price", "sentiment_score": -0.4}],
    "structured_outputs": {"asked_for": "price"},
}  # fmt: skip


async def organization(server: Server, external_id: str = "org_one") -> str:
    async with server.database.read() as connection:
        query = sa.text("SELECT uid FROM organizations WHERE external_id = :id")
        return str((await connection.execute(query, {"id": external_id})).scalar_one())


async def held(server: Server, caller: str = PRICE, number: str = "+49301234567") -> str:
    """A call of ours that is over; its uid."""
    agent = await server.agents.get(await organization(server), "agent_1")
    journal = server.log.open(agent, from_number=number)
    journal.answered()
    journal.turn_finished(
        Turn(index=0, started_ms=0.0, caller_text=caller, generated_text="Eighty.", heard_text="Eighty.")
    )
    journal.ended(EndReason.CALLER_HANGUP, 5000.0)
    await server.writer.flush()
    return journal.call.uid


async def all_done(server: Server) -> int:
    analyst, taken = server.dealings.analyst, 0
    while found := await analyst.step():
        taken += found
    await analyst.idle()
    return taken


async def of(server: Server, call_uid: str) -> Analysis | None:
    return await server.records.analyses.of(await organization(server), call_uid)


async def count(server: Server, table: sa.Table) -> int:
    async with server.database.read() as connection:
        return int((await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


async def configured(server: Server, **config: Any) -> None:
    headers = await server.headers(ADA)
    answer = await server.client.put("/api/v1/agents/agent_1", json={"config": config}, headers=headers)
    assert answer.status == 200, await answer.text()


def model(*texts: str, **more: Any) -> dict[str, Any]:
    options = {"texts": list(texts), "first_token_ms": 0, "tokens_per_s": 1e9, **more}
    return {"analysis": "model", "stages": {"llm": {"provider": "simulated", "options": {"llm": options}}}}


async def test_each_call_is_analysed_once(server: Server) -> None:
    uid = await held(server)
    assert await of(server, uid) is None
    assert await all_done(server) == 5  # and the four of the seed
    found = await of(server, uid)
    assert found is not None
    assert (found.method, found.intent, found.sentiment) == (Method.WORDS, "inquiry", Sentiment.POSITIVE)
    assert {"pricing", "check-up"} <= {one.keyword for one in found.keywords}
    assert await all_done(server) == 0
    assert await of(server, uid) == found
    assert await server.records.analyses.of(await organization(server, "org_two"), uid) is None
    batch = await server.records.analyses.of_calls(await organization(server), [uid, "nothing"])
    assert batch == {uid: found}


async def test_what_waits_is_bounded_and_outlives_the_process(server: Server) -> None:
    await all_done(server)
    uids = [await held(server) for _ in range(AT_ONCE + 3)]
    now = instants.now()
    async with server.database.append() as connection:  # a process takes one, and dies
        [lost] = await rows.claim(connection, now, now + LEASE, 1)
    assert await server.dealings.analyst.step() == AT_ONCE
    assert await server.dealings.analyst.step() == len(uids) - 1 - AT_ONCE
    assert await of(server, lost.uid) is None
    async with server.database.append() as connection:  # when its lease is over
        await connection.execute(sa.update(calls).where(calls.c.uid == lost.uid).values(analysis_due_at=now))
    another = Analyst(server.database, server.engines)
    assert await another.step() == 1
    await another.close()
    assert await of(server, lost.uid) is not None
    assert len(await server.records.analyses.of_calls(await organization(server), uids)) == len(uids)


async def test_two_processes_make_one_analysis(server: Server) -> None:
    uid = await held(server)
    another = Analyst(server.database, server.engines)
    taken = await server.dealings.analyst.step() + await another.step()
    await another.close()
    assert taken == await count(server, call_analyses) == 5
    assert await of(server, uid) is not None


async def test_a_reported_sentiment_stands_and_others_are_filled(server: Server) -> None:
    await all_done(server)
    plain, angry = await held(server), await held(server)
    async with server.database.append() as connection:
        await connection.execute(sa.update(calls).where(calls.c.uid == angry).values(sentiment="negative"))
    await all_done(server)
    async with server.database.read() as connection:
        query = sa.select(calls.c.uid, calls.c.sentiment).where(calls.c.uid.in_([plain, angry]))
        found = {row.uid: row.sentiment for row in (await connection.execute(query)).all()}
    assert found == {plain: "positive", angry: "negative"}
    judged = await of(server, angry)
    assert judged is not None
    assert judged.sentiment is Sentiment.NEGATIVE
    assert judged.sentiment_score < 0


async def test_the_native_detail_shows_sentiment_and_topics_beside_the_clients_metadata(server: Server) -> None:
    headers = await server.headers(ADA)
    before = await (await server.client.get("/api/v1/calls/call_1", headers=headers)).json()
    await all_done(server)
    after = await (await server.client.get("/api/v1/calls/call_1", headers=headers)).json()
    assert before["metadata"] == {"customer_id": "cust_789", "ключ": "значение 🦷"}
    assert after["metadata"] == before["metadata"] | {"sentiment": "neutral", "topics": after["metadata"]["topics"]}
    assert isinstance(after["metadata"]["topics"], list)
    asked = await held(server)
    await all_done(server)
    async with server.database.read() as connection:
        query = sa.select(calls.c.external_id).where(calls.c.uid == asked)
        external_id = (await connection.execute(query)).scalar_one()
    shown = await (await server.client.get(f"/api/v1/calls/{external_id}", headers=headers)).json()
    assert shown["metadata"] == {"sentiment": "positive", "topics": ["pricing"]}


async def test_the_agents_model_judges_where_it_is_asked_to(server: Server) -> None:
    await all_done(server)
    await configured(server, **model("```json\n" + json.dumps(OPINION) + "\n```"))
    uid = await held(server)
    await all_done(server)
    found = await of(server, uid)
    assert found is not None
    assert (found.method, found.trouble, found.summary) == (Method.MODEL, "", OPINION["summary"])
    assert (found.intent, found.topics, found.quality_score) == ("inquiry", ("pricing",), 5)
    assert [(one.keyword, one.sentiment.value) for one in found.keywords] == [
        ("check-up", "positive"), ("price", "negative"),
    ]  # fmt: skip
    assert found.structured_outputs["asked_for"] == "price"
    assert found.structured_outputs["customer"]["phone"] == "+49301234567"  # facts are the records'


async def test_a_model_that_fails_or_babbles_leaves_it_to_the_words(server: Server) -> None:
    await all_done(server)
    wrong = (
        model("I think the customer was happy."),
        model(json.dumps(OPINION | {"sentiment_score": 7})),
        model(json.dumps(OPINION | {"intent": "Book an appointment!"})),
        model(json.dumps(OPINION | {"summary": "NUL \x00"})),
        model("{}", failure_rate=1),
    )
    for config in wrong:
        await configured(server, **config)
        uid = await held(server)
        await all_done(server)
        found = await of(server, uid)
        assert found is not None
        assert (found.method, found.intent) == (Method.WORDS, "inquiry"), config
        assert found.trouble, config


async def test_forgetting_a_person_reaches_what_was_written_about_his_calls(server: Server) -> None:
    headers = await server.headers(ADA)
    mine = await held(server, "What does a check-up cost? Zanzibar is far. I love Zanzibar.")
    await held(server, "What does a check-up cost?", number="+15551234")
    await all_done(server)
    before = await of(server, mine)
    assert before is not None
    assert "zanzibar" in {one.keyword for one in before.keywords}
    waiting = await held(server, "Do you like Zanzibar?")
    now = instants.now()
    async with server.database.append() as connection:
        [taken] = await rows.claim(connection, now, now + LEASE, 1)
    body = {"customer_id": "cust_1", "anonymize": True, "keep_statistics": True}
    answer = await server.client.post("/api/v1/gdpr/delete", json=body, headers=headers)
    assert answer.status in (200, 202), await answer.text()
    after = await of(server, mine)
    assert after is not None
    assert (after.summary, after.action_items, after.structured_outputs) == ("", (), {})
    assert "zanzibar" not in {one.keyword for one in after.keywords}
    assert "pricing" in {one.keyword for one in after.keywords}  # others asked that, too
    assert (after.intent, after.sentiment, after.quality_score) == (
        before.intent, before.sentiment, before.quality_score,
    )  # fmt: skip
    assert taken.uid == waiting
    async with server.database.read() as connection:
        assert not await rows.still_mine(connection, [taken.uid], now + LEASE)  # what was being judged is not stored


async def test_deleting_calls_deletes_their_analyses(server: Server) -> None:
    await held(server)
    await all_done(server)
    assert await count(server, call_keywords) > 0
    async with server.database.write() as connection:
        await connection.execute(sa.delete(calls))
    assert await count(server, call_analyses) == await count(server, call_keywords) == 0


async def test_an_export_holds_the_analyses(server: Server) -> None:
    await all_done(server)
    headers = await server.headers(ADA)
    body = {"customer_id": "cust_1", "include": ["calls"]}
    asked = await (await server.client.post("/api/v1/gdpr/export", json=body, headers=headers)).json()
    await server.dealings.privacy.step()
    content = json.loads((server.directory / "exports" / f"{asked['export_id']}.json").read_text())
    shown = {call["id"]: call["analysis"] for call in content["calls"]}
    assert "Max called" in shown["call_1"]["summary"]
    assert not {"uid", "organization_uid", "call_uid"} & set(shown["call_1"])
