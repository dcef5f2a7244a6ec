"""Document 004, calls: list filters, detail, recordings, and what another organization sees of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_server import Server

from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.machines.speculation import Ledger
from pipelines.timing import Mark, Turn
from voicecore.domain.calls import Peaks

DOCUMENTED = {
    "id",
    "sid",
    "direction",
    "status",
    "duration",
    "from_number",
    "to_number",
    "agent_id",
    "recording_url",
    "transcript",
    "metadata",
    "created_at",
    "ended_at",
}


async def get(server: Server, path: str, who: str = "ada@one.example", **query: Any) -> Any:
    response = await server.client.get(path, headers=await server.headers(who), params=query)
    body = await response.json()
    assert response.status == 200, body
    return body


async def test_detail_answers_as_documented(server: Server) -> None:
    call = await get(server, "/api/v1/calls/call_1")
    assert set(call) >= DOCUMENTED
    assert (call["status"], call["duration"], call["direction"]) == ("completed", 180, "inbound")
    assert (call["created_at"], call["ended_at"]) == ("2026-01-20T15:00:00Z", "2026-01-20T15:03:00Z")
    assert call["metadata"] == {"customer_id": "cust_789", "ключ": "значение 🦷"}
    assert call["transcript"]["messages"] == [
        {"role": "agent", "content": "Hi from One Dental", "timestamp": "2026-01-20T15:00:00Z"},
        {"role": "customer", "content": "What time is it", "timestamp": "2026-01-20T15:00:12Z"},
        {"role": "agent", "content": "It is", "timestamp": "2026-01-20T15:00:12Z"},
    ]
    answered = call["turns"][1]
    assert answered["interrupted"]
    assert answered["generated_text"] == "It is three"
    assert sum(answered["stages"].values()) == answered["response_latency_ms"] == 400
    assert call["stages"]["stt"] | {} == {
        "num": 1, "min": 20, "max": 20, "p50": 20, "p90": 20, "p95": 20, "p99": 20,
    }  # fmt: skip
    assert [a["id"] for a in call["appointments"]] == ["apt_1"]
    assert call["end_reason"] == "caller_hangup"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["call_3", "call_2", "call_1"]),
        ({"status": "completed"}, ["call_1"]),
        ({"status": "failed"}, ["call_3", "call_2"]),
        ({"status": "in-progress"}, []),
        ({"direction": "outbound"}, ["call_2"]),
        ({"agent_id": "agent_1"}, ["call_2", "call_1"]),
        ({"agent_id": "agent_1' OR '1'='1"}, []),
        ({"phone_number": "1234567"}, ["call_1"]),
        ({"phone_number": "030 123-45"}, ["call_1"]),
        ({"phone_number": "0049 30"}, ["call_2", "call_1"]),
        ({"phone_number": "alice"}, ["call_3"]),
        ({"phone_number": "%"}, []),
        ({"date_from": "2026-01-21"}, ["call_3", "call_2"]),  # call_2 is past midnight in Berlin
        ({"date_to": "2026-01-20"}, ["call_1"]),
        ({"date_to": "2026-01-22"}, ["call_3", "call_2", "call_1"]),
        ({"date_from": "2026-01-20T15:00:00Z", "date_to": "2026-01-20T15:00:01Z"}, ["call_1"]),
        ({"date_from": "2026-01-20T15:00:00Z", "date_to": "2026-01-20T15:00:00Z"}, ["call_1"]),
        ({"date_from": "2026-01-20T16:00:01+01:00", "date_to": "2026-01-21T00:30:00.5+01:00"}, ["call_2"]),
        ({"status": "failed", "direction": "outbound", "phone_number": "170"}, ["call_2"]),
        ({"page": "2", "limit": "2"}, ["call_1"]),
        ({"page": "9"}, []),
    ],
)
async def test_list_filters(server: Server, query: dict[str, str], expected: list[str]) -> None:
    body = await get(server, "/api/v1/calls", **query)
    assert [item["id"] for item in body["items"]] == expected
    if "page" in query:
        assert body["total"] == 3
        assert body["pages"] == (2 if "limit" in query else 1)
    else:
        assert body["total"] == len(expected)


async def test_a_plus_that_arrives_as_a_space_is_an_offset(server: Server) -> None:
    body = await get(server, "/api/v1/calls", date_from="2026-01-22T08:59:59 01:00")
    assert [item["id"] for item in body["items"]] == ["call_3"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "done"}, "status"),
        ({"direction": "sideways"}, "direction"),
        ({"date_from": "yesterday"}, "date_from"),
        ({"date_to": "2026-13-01"}, "date_to"),
        ({"date_to": "9999-12-31T23:59:59-14:00"}, "date_to"),
        ({"page": "0"}, "page"),
        ({"page": "x"}, "page"),
        ({"page": "99999999999999999999"}, "page"),
        ({"limit": "101"}, "limit"),
        ({"phone_number": "\x00"}, "query"),
    ],
)
async def test_list_refuses(server: Server, query: dict[str, str], field: str) -> None:
    response = await server.client.get("/api/v1/calls", headers=await server.headers(), params=query)
    body = await response.json()
    assert response.status == 422
    assert body["error"]["code"] == "VALIDATION_ERROR"
    assert [detail["field"] for detail in body["error"]["details"]] == [field]


async def test_another_organization_sees_nothing(server: Server) -> None:
    bob = await server.headers("bob@two.example")
    for path in ("/api/v1/calls/call_1", "/api/v1/calls/call_%27", "/api/v1/calls/%00", "/api/v1/calls/ключ"):
        response = await server.client.get(path, headers=bob)
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "NOT_FOUND"
    body = await get(server, "/api/v1/calls", "bob@two.example", agent_id="agent_1")
    assert body["total"] == 0
    body = await get(server, "/api/v1/calls", "bob@two.example")
    assert [item["id"] for item in body["items"]] == ["call_9"]


async def place_call(server: Server) -> str:
    """A whole call through the journal, with a recording of 1000 bytes."""
    routed = await server.agents.route(agent_id="agent_1")
    journal = server.log.open(routed.agent, sid="CA77", from_number="+49301234567", transport="twilio")
    journal.answered()
    journal.event(CallEvent(EventKind.CALL_STARTED, 0.0))
    marks = {Mark.SPEECH_END: 900.0, Mark.ENDPOINT: 1200.0, Mark.FIRST_FRAME: 1500.0}
    journal.turn_finished(Turn(0, 0.0, 2000.0, "hi", "hello there", "hello", marks=marks))
    (server.recordings / "77.wav").write_bytes(bytes(range(250)) * 4)
    peaks = Peaks(per_second=10, caller=(0.5,), agent=(0.25,))
    journal.recorded("77.wav", rate_hz=8000, duration_ms=2000, size_bytes=1000, peaks=peaks)
    journal.ended(EndReason.CALLER_HANGUP, 2000.0)
    await server.writer.flush()
    return journal.call.external_id


async def test_recordings_are_served_by_token_by_signature_and_in_ranges(server: Server) -> None:
    call = await get(server, f"/api/v1/calls/{await place_call(server)}")
    assert call["recording"]["peaks"] == {"per_second": 10, "caller": [0.5], "agent": [0.25]}
    assert call["events"] == [{"kind": "call.started", "at_ms": 0, "turn": None, "data": {}}]
    url = call["recording_url"]
    path = url.removeprefix(str(server.client.make_url("")).rstrip("/"))
    whole = await server.client.get(path)
    assert (whole.status, whole.content_type, len(await whole.read())) == (200, "audio/wav", 1000)
    part = await server.client.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status, await part.read()) == (206, bytes(range(10, 20)))
    bare = path.partition("?")[0]
    assert (await server.client.get(bare)).status == 401
    assert (await server.client.get(bare, headers=await server.headers())).status == 200
    assert (await server.client.get(bare, headers=await server.headers("bob@two.example"))).status == 404
    assert (await server.client.get(path[:-1] + ("0" if path[-1] != "0" else "1"))).status == 401
    assert (await server.client.get(bare + "?expires=9&signature=")).status == 401
    other = server.tokens.sign_url("/recordings/rec_other.wav", datetime.now(UTC) + timedelta(hours=1))
    assert (await server.client.get(other)).status == 404
    expired = server.tokens.sign_url(bare, datetime.now(UTC) - timedelta(seconds=1))
    assert (await server.client.get(expired)).status == 401


async def test_what_speculation_gained_and_cost_by_turn_call_and_agent(server: Server) -> None:
    ledgers = [Ledger(), Ledger(hits=1, saved_ms=230.5), Ledger(misses=2, tokens_wasted=90, characters_wasted=7)]
    call_ids = []
    for number in ("agent_1", "agent_1"):
        journal = server.log.open((await server.agents.route(agent_id=number)).agent)
        journal.answered()
        for index, ledger in enumerate(ledgers):
            journal.turn_finished(Turn(index, 0.0, 2000.0, speculation=ledger))
        journal.ended(EndReason.CALLER_HANGUP, 2000.0)
        call_ids.append(journal.call.external_id)
    await server.writer.flush()
    call = await get(server, f"/api/v1/calls/{call_ids[0]}")
    figures = {"started": 3, "hits": 1, "misses": 2, "saved_ms": 230.5, "tokens_wasted": 90, "characters_wasted": 7}
    assert call["speculation"] == figures
    assert [turn["speculation"]["started"] for turn in call["turns"]] == [0, 1, 2]
    assert call["turns"][1]["speculation"]["saved_ms"] == 230.5
    listed = await get(server, "/api/v1/calls", limit=1)
    assert listed["items"][0]["speculation"] == figures
    twice = {name: 2 * value for name, value in figures.items()}
    by_agent = {item.pop("agent_id"): item for item in (await get(server, "/api/v1/speculation"))["items"]}
    assert by_agent["agent_1"] == twice
    assert {item["started"] for agent, item in by_agent.items() if agent != "agent_1"} <= {0}
    assert (await get(server, "/api/v1/speculation", agent_id="agent_1"))["items"] == [{"agent_id": "agent_1", **twice}]
    assert (await get(server, "/api/v1/speculation", agent_id="agent_1", date_to="2026-01-22"))["items"][0]["hits"] == 0
    others = (await get(server, "/api/v1/speculation", "bob@two.example"))["items"]
    assert all(item["started"] == 0 for item in others)


async def test_a_recording_outside_its_directory_is_not_served(server: Server) -> None:
    routed = await server.agents.route(agent_id="agent_1")
    journal = server.log.open(routed.agent)
    journal.recorded("../secret", rate_hz=8000, duration_ms=1, size_bytes=1, peaks=None)
    await server.writer.flush()
    call = await get(server, f"/api/v1/calls/{journal.call.external_id}")
    assert call["status"] == "initiated"
    path = call["recording_url"].removeprefix(str(server.client.make_url("")).rstrip("/"))
    assert (await server.client.get(path)).status == 404


async def test_starting_a_call(server: Server) -> None:
    headers = await server.headers()
    path = "/api/v1/calls/outbound/start"
    assert (await server.client.post(path, json={})).status == 401
    refused = await server.client.post(path, headers=await server.headers("dora@one.example"), json={})
    assert refused.status == 403
    wanted = {
        "to_number": "+49 30 1234567",
        "agent_id": "agent_1",
        "campaign_id": "campaign_456",
        "scheduled_time": "2024-01-20T16:00:00+01:00",
        "metadata": {"customer_id": "cust_789", "purpose": "appointment_reminder"},
    }
    response = await server.client.post(path, headers=headers, json=wanted)
    started = await response.json()
    assert response.status == 201, started
    assert started == {
        "call_id": started["call_id"],
        "sid": started["sid"],
        "status": "initiated",
        "to_number": "+49 30 1234567",
        "from_number": "+15550100000",
        "webhook_url": str(server.client.make_url("/webhooks/twilio/voice")),
        "estimated_start": "2024-01-20T15:00:00Z",
    }
    call = await get(server, f"/api/v1/calls/{started['call_id']}")
    assert (call["status"], call["direction"], call["sid"]) == ("initiated", "outbound", started["sid"])
    assert call["metadata"] == wanted["metadata"] | {"campaign_id": "campaign_456"}
    assert call["ended_at"] is None
    body = await get(server, "/api/v1/calls", status="initiated")
    assert [item["id"] for item in body["items"]] == [started["call_id"]]
    refused = await server.client.post(f"/api/v1/calls/{started['call_id']}/transfer", headers=headers,
                                       json={"target": "2001"})  # fmt: skip
    assert refused.status == 409
    other = await server.headers("bob@two.example")
    path = f"/api/v1/calls/{started['call_id']}/hangup"
    assert (await server.client.post(path, headers=other)).status == 404
    ended = await (await server.client.post(path, headers=headers)).json()
    assert (ended["status"], ended["end_reason"]) == ("failed", "cancelled")
