"""Document 002, calls: the log of agents elsewhere, lists, detail, and calls that this server held itself."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import Server, Start
from receptionist_desk import CALL, Desk, register

from pipelines.events import EndReason
from pipelines.timing import Mark, Turn
from voicecore.domain import instants
from voicecore.storage.schema import calls

ROW = {
    "id", "client_id", "caller_phone", "caller_name", "duration_seconds", "sentiment", "success", "created_at",
}  # fmt: skip
MISSING = {"error": "Client not found"}


async def age(server: Server, call_id: str, days: float) -> None:
    """The call was that long ago."""
    async with server.database.write() as connection:
        at = instants.now() - timedelta(days=days)
        await connection.execute(sa.update(calls).where(calls.c.uid == call_id).values(created_at=at))


async def test_a_logged_call_comes_back_as_documented(server: Server) -> None:
    desk = await register(server)
    client = await desk.client()
    logged = await desk.log(client["id"], **CALL)
    assert set(logged) == {"id", "client_id", "created_at"}
    assert str(uuid.UUID(logged["id"])) == logged["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", logged["created_at"])
    detail = await desk.get(f"/calls/{logged['id']}")
    assert detail == {"call": CALL | logged}
    listed = await desk.get("/calls")
    assert listed == {
        "total": 1, "limit": 50, "offset": 0, "calls": [{name: detail["call"][name] for name in ROW}],
    }  # fmt: skip


async def test_only_the_client_must_be_named(server: Server) -> None:
    desk = await register(server)
    client = await desk.client()
    bare = (await desk.get(f"/calls/{(await desk.log(client['id']))['id']}"))["call"]
    assert bare["success"] is True
    assert (bare["sentiment"], bare["duration_seconds"]) == ("NEUTRAL", 0.0)
    nothing = ("caller_phone", "caller_name", "transcript", "recording_url", "notes", "stt_latency_ms")
    assert {name: bare[name] for name in nothing} == dict.fromkeys(nothing)
    given: dict[str, Any] = {"success": False, "sentiment": "NEGATIVE", "stt_latency_ms": 12.5, "duration_seconds": 0.1}
    call = (await desk.get(f"/calls/{(await desk.log(client['id'], **given))['id']}"))["call"]
    assert {name: call[name] for name in given} == given


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": None},
        {"client_id": 5},
        {"sentiment": "HAPPY"},
        {"duration_seconds": -1},
        {"duration_seconds": "45"},
        {"duration_seconds": 1e300},
        {"stt_latency_ms": -0.1},
        {"success": "yes"},
        {"transcript": ["a"]},
        {"notes": "nul\x00"},
    ],
)
async def test_wrong_facts_are_refused(server: Server, wrong: dict[str, object]) -> None:
    desk = await register(server)
    body = {"client_id": (await desk.client())["id"], **CALL, **wrong}
    answer = await desk.ask("POST", "/calls", 400, json=body)
    assert list(answer) == ["error"]
    assert (await desk.get("/calls"))["total"] == 0


async def test_the_log_takes_no_token_or_a_right_one(server: Server, start: Start) -> None:
    mine, other = await register(server), await register(server, "other@example.com")
    client = await mine.client()
    body = {"client_id": client["id"], "caller_phone": "+1-555-0200"}
    logged = await Desk(server).ask("POST", "/calls", 201, json=body)
    assert (await mine.get(f"/calls/{logged['call']['id']}"))["call"]["client_id"] == client["id"]
    assert await other.ask("POST", "/calls", 404, json=body) == MISSING
    invalid = {"error": "Invalid or expired token"}
    for token in ("", "x", "a.b.c", (mine.token or "")[:-2]):
        assert await Desk(server, token).ask("POST", "/calls", 401, json=body) == invalid
    for client_id in (str(uuid.uuid4()), "no-uuid", "' OR 1=1 --", ""):
        assert await Desk(server).ask("POST", "/calls", 404, json={"client_id": client_id}) == MISSING
    assert (await mine.get("/calls"))["total"] == 1


async def test_the_open_log_can_be_closed(start: Start) -> None:
    server = await start(open_call_log=False)
    desk = await register(server)
    body = {"client_id": (await desk.client())["id"]}
    assert await Desk(server).ask("POST", "/calls", 401, json=body) == {"error": "Invalid or expired token"}
    await desk.ask("POST", "/calls", 201, json=body)


async def test_lists_page_filter_and_count(server: Server) -> None:
    desk = await register(server)
    one, two = await desk.client(), await desk.client()
    ids = [(await desk.log(client["id"]))["id"] for client in (one, two, one, one)]
    await age(server, ids[0], 40)
    await age(server, ids[1], 3)

    async def listed(**query: Any) -> tuple[int, list[str]]:
        answer = await desk.get("/calls", **query)
        assert set(answer) == {"total", "limit", "offset", "calls"}
        assert (answer["limit"], answer["offset"]) == (int(query.get("limit", 50)), int(query.get("offset", 0)))
        assert all(set(row) == ROW for row in answer["calls"])
        return answer["total"], [row["id"] for row in answer["calls"]]

    assert await listed() == (4, [ids[3], ids[2], ids[1], ids[0]])
    assert await listed(limit=2) == (4, [ids[3], ids[2]])
    assert await listed(limit=2, offset=1) == (4, [ids[2], ids[1]])
    assert await listed(offset=4) == (4, [])
    assert await listed(days=30) == (3, [ids[3], ids[2], ids[1]])
    assert await listed(days=1) == (2, [ids[3], ids[2]])
    assert await listed(client_id=one["id"]) == (3, [ids[3], ids[2], ids[0]])
    assert await listed(client_id=one["id"].upper(), days=30, limit=1) == (2, [ids[3]])
    for nobody in (str(uuid.uuid4()), "no-uuid", "' OR 1=1 --"):
        assert await listed(client_id=nobody) == (0, [])
    for query in ({"limit": 0}, {"limit": 501}, {"limit": "x"}, {"offset": -1}, {"days": 0}, {"days": "1.5"}):
        status, body = await desk.ask("GET", "/calls", params=query)
        assert (status, list(body)) == (400, ["error"])
    status, _ = await desk.ask("GET", "/calls", params={"offset": 2**63})
    assert status == 400


async def test_calls_of_this_server_are_there_once_they_are_over(server: Server) -> None:
    desk = await register(server)
    client = await desk.client(phone_number="+1-555-0100")
    journal = server.log.open((await server.agents.route(number="+15550100")).agent, from_number="+1-555-0200")
    marks = dict(zip(Mark, (0.0, 300.0, 450.0, 750.0, 760.0, 960.0, 980.0), strict=True))
    journal.answered()
    journal.turn_finished(Turn(0, 0.0, 1.0, heard_text="Hi, dental here."))
    journal.turn_finished(
        Turn(1, 1.0, 2.0, caller_text="Hëllo?", heard_text="Yes.", generated_text="Yes. No.", marks=marks)
    )
    await server.writer.flush()
    path = f"/calls/{journal.call.uid}"
    assert await desk.ask("GET", path, 404) == {"error": "Call not found"}
    assert (await desk.get("/calls"))["total"] == 0
    journal.recorded("a.wav", rate_hz=8000, duration_ms=1.0, size_bytes=1, peaks=None)
    journal.ended(EndReason.CALLER_HANGUP, 2000.0)
    await server.writer.flush()
    call = (await desk.get(path))["call"]
    assert (call["client_id"], call["caller_phone"], call["success"]) == (client["id"], "+1-555-0200", True)
    assert [call[f"{stage}_latency_ms"] for stage in ("stt", "llm", "tts")] == [150.0, 300.0, 200.0]
    assert call["transcript"] == "Agent: Hi, dental here.\nCustomer: Hëllo?\nAgent: Yes."
    assert call["recording_url"].startswith(str(server.client.make_url("/recordings/rec_")))
    failed = server.log.open((await server.agents.route(number="+15550100")).agent)
    failed.ended(EndReason.PIPELINE_FAILED, 0.0)
    await server.writer.flush()
    assert [row["success"] for row in (await desk.get("/calls"))["calls"]] == [False, True]


async def test_ids_that_name_nothing(server: Server) -> None:
    desk = await register(server)
    for call_id in (str(uuid.uuid4()), "call_1", "1", "%00", "' OR 1=1 --", "🦷", "x" * 2000):
        assert await desk.ask("GET", f"/calls/{call_id}", 404) == {"error": "Call not found"}
        assert await desk.ask("GET", f"/clients/{call_id}", 404) == MISSING
        assert await desk.ask("GET", f"/analytics/client/{call_id}/stats", 404) == MISSING
