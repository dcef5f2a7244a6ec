"""Document 001: call data, running calls, figures, keywords, intents and appointments, made from calls and their
analyses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from api_server import Server
from dashboard_desk import Board, login, register

from pipelines.events import EndReason
from voicecore.domain import instants
from voicecore.storage.schema import calls, concurrency_samples

LISTS = (
    *("/webhook-calls", "/active-calls", "/concurrent-calls/timeseries", "/agent-distribution", "/call-ended-reasons"),
    *("/keywords", "/intent-analysis", "/appointments"),
)


async def analysed(server: Server) -> None:
    """Every call that is over has its analysis."""
    await server.writer.flush()
    while await server.dealings.analyst.step():
        pass
    await server.dealings.analyst.idle()


async def report(server: Server, who: str, agent_id: str, **facts: Any) -> str:
    """A call that an agent elsewhere held, to a client of document 002; its id."""
    credentials = {"email": who, "password": who.partition("@")[0] + "-password"}
    answer = await server.client.post("/receptionist/api/auth/login", json=credentials)
    headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
    found = await (await server.client.get("/receptionist/api/clients", headers=headers)).json()
    body = {"client_id": found["clients"][0]["id"], **facts}
    answer = await server.client.post("/receptionist/api/calls", json=body, headers=headers)
    assert answer.status == 201, await answer.text()
    return str((await answer.json())["call"]["id"])


async def test_a_new_workspace_has_empty_arrays_and_zeros(server: Server) -> None:
    board = await register(server)
    for path in LISTS:
        assert await board.get(path) == [], path
    assert await board.get("/concurrent-calls") == {"current": 0, "peak": 0}
    assert await board.get("/dashboard-summary") == {
        "totalCalls": 0, "answeredCalls": 0, "missedCalls": 0, "averageDuration": 0, "totalDuration": 0,
    }  # fmt: skip
    nobody = Board(server)
    for path in (*LISTS, "/concurrent-calls", "/dashboard-summary"):
        assert list(await nobody.ask("GET", path, 401)) == ["error"]


async def test_finished_calls_are_a_bare_array_newest_first(server: Server) -> None:
    board = await login(server, "ada@one.example")
    await analysed(server)
    rows = await board.get("/webhook-calls")
    assert [list(row) for row in rows] == [
        ["id", "customer_phone", "customer_name", "duration", "call_summary", "ended_reason", "recording_url",
         "created_at"]
    ] * 3  # fmt: skip
    newest, failed, first = rows
    assert (newest["customer_phone"], newest["duration"], newest["recording_url"]) == ("client:alice", 0, None)
    assert newest["call_summary"] == "Missed call from client:alice."
    assert (failed["ended_reason"], failed["customer_phone"]) == ("pipeline-failed", "+491701111111")
    assert first["ended_reason"] == "customer-ended-call"
    assert (first["customer_phone"], first["customer_name"], first["duration"]) == ("+49 30 1234567", "Max", 180)
    assert first["created_at"] == int(datetime(2026, 1, 20, 15, tzinfo=UTC).timestamp())
    assert "Max called" in first["call_summary"]
    assert "Check-up" in first["call_summary"]
    assert await board.get("/webhook-calls", limit=1, offset=1) == [failed]
    assert await board.get("/webhook-calls", limit=5000) == rows
    assert await board.get("/webhook-calls", offset=3) == []
    for wrong in ({"limit": "0"}, {"limit": "x"}, {"offset": "-1"}):
        assert list(await board.ask("GET", "/webhook-calls", 400, params=wrong)) == ["error"]
    assert [row["customer_phone"] for row in await (await login(server, "bob@two.example")).get("/webhook-calls")] == [
        "+49301234567"
    ]


async def test_running_calls_are_apart_and_counted(server: Server) -> None:
    board, other = await login(server, "ada@one.example"), await login(server, "bob@two.example")
    agent = await server.agents.get(await board.workspace(), "agent_1")
    answered = server.log.open(agent, from_number="+15550001")
    answered.answered()
    ringing = server.log.open(agent, from_number="+15550002")
    await server.writer.flush()
    newest, oldest = await board.get("/active-calls")
    assert newest == {
        "id": ringing.call.uid, "customer_phone": "+15550002", "status": "ringing",
        "started_at": int(ringing.call.created_at.timestamp()),
    }  # fmt: skip
    assert (oldest["id"], oldest["status"]) == (answered.call.uid, "in-progress")
    assert len(await board.get("/webhook-calls")) == 3
    assert await other.get("/active-calls") == []
    assert (await board.get("/concurrent-calls"))["current"] == 2
    assert (await other.get("/concurrent-calls"))["current"] == 0
    ringing.ended(EndReason.CALLER_HANGUP, 0.0)
    answered.ended(EndReason.CALLER_HANGUP, 10.0)
    await server.writer.flush()
    assert await board.get("/active-calls") == []
    assert len(await board.get("/webhook-calls")) == 5
    assert (await board.get("/concurrent-calls"))["current"] == 0


async def concurrent(server: Server, board: Board, begins: datetime, seconds: list[tuple[int, int]]) -> None:
    """Finished calls from … to … seconds after an instant."""
    agent = await server.agents.get(await board.workspace(), "agent_1")
    for first, last in seconds:
        journal = server.log.open(agent, from_number="+15550003")
        journal.answered()
        journal.ended(EndReason.CALLER_HANGUP, 0.0)
        await server.writer.flush()
        answered, ended = begins + timedelta(seconds=first), begins + timedelta(seconds=last)
        moments = {"created_at": begins, "answered_at": answered, "ended_at": ended}
        async with server.database.write() as connection:
            await connection.execute(sa.update(calls).where(calls.c.uid == journal.call.uid).values(moments))


async def test_the_timeseries_shows_the_most_at_once_and_the_peak_stays(server: Server) -> None:
    board = await login(server, "ada@one.example")
    now = instants.now().replace(second=0, microsecond=0)
    begins = now - timedelta(minutes=10)
    await concurrent(server, board, begins, [(0, 90), (10, 30), (30, 50), (40, 130), (300, 310)])
    await server.records.concurrency.step()
    points = await board.get("/concurrent-calls/timeseries")
    assert len(points) == 1000  # there were calls long ago: no gap since
    assert list(points[0]) == ["timestamp", "count"]
    moments, counts = [point["timestamp"] for point in points], [point["count"] for point in points]
    assert moments == list(range(moments[0], moments[0] + 60_000, 60))
    first = moments.index(int(begins.timestamp()))
    assert first in (1000 - 11, 1000 - 12)  # up to now
    assert counts[first : first + 6] == [3, 2, 1, 0, 0, 1]
    assert sum(counts) == 7
    again = await board.get("/concurrent-calls/timeseries", granularity="minute", limit=1000)
    assert again[-900:-20] == points[points.index(again[-900]) :][:880]  # a minute may have begun
    assert len(await board.get("/concurrent-calls/timeseries", limit=7)) == 7
    for granularity, length in (("hour", 3600), ("day", 86400)):
        series = await board.get("/concurrent-calls/timeseries", granularity=granularity)
        assert max(point["count"] for point in series) == 3
        assert all(point["timestamp"] % length == 0 for point in series)
    assert await board.get("/concurrent-calls") == {"current": 0, "peak": 3}
    for wrong in ({"granularity": "second"}, {"limit": "0"}, {"limit": "many"}):
        assert list(await board.ask("GET", "/concurrent-calls/timeseries", 400, params=wrong)) == ["error"]
    assert await (await login(server, "bob@two.example")).get("/concurrent-calls") == {"current": 0, "peak": 1}


async def test_counting_again_changes_nothing(server: Server) -> None:
    board = await login(server, "ada@one.example")
    await concurrent(server, board, instants.now() - timedelta(minutes=10), [(0, 90), (10, 30)])
    await server.records.concurrency.step()

    async def samples() -> list[Any]:
        columns = [column for column in concurrency_samples.c if column.name != "seq"]
        async with server.database.read() as connection:
            query = sa.select(*columns).order_by(concurrency_samples.c.seq)
            return list((await connection.execute(query)).all())

    before = await samples()
    again = type(server.records.concurrency)(server.database)
    await again.step()
    assert await samples() == before
    assert before


async def test_the_summary_adds_up(server: Server) -> None:
    board = await login(server, "ada@one.example")
    assert await board.get("/dashboard-summary") == {
        "totalCalls": 3, "answeredCalls": 1, "missedCalls": 2, "averageDuration": 63, "totalDuration": 190,
    }  # fmt: skip


async def test_shares_are_of_the_same_total(server: Server) -> None:
    board = await login(server, "ada@one.example")
    await analysed(server)
    assert await board.get("/agent-distribution") == [
        {"agent_name": "Reception", "call_count": 2, "percentage": 66.7},
        {"agent_name": "Unknown", "call_count": 1, "percentage": 33.3},
    ]
    assert await board.get("/call-ended-reasons") == [
        {"ended_reason": "customer-ended-call", "count": 2, "percentage": 66.7},
        {"ended_reason": "pipeline-failed", "count": 1, "percentage": 33.3},
    ]
    one = [{"ended_reason": "customer-ended-call", "count": 1, "percentage": 100.0}]
    # The second call is of the 21st in Berlin.
    assert await board.get("/call-ended-reasons", end_date="2026-01-20") == one
    assert await board.get("/call-ended-reasons", start_date="2026-01-22T08:00:00Z") == one
    assert await board.get("/call-ended-reasons", start_date="2026-01-22T08:00:01Z") == []
    # The last second counts, as times are shown in whole ones: "created_at" of a call finds it.
    begins = "2026-01-22T08:00:00Z"
    assert await board.get("/call-ended-reasons", start_date=begins, end_date=begins) == one
    both = await board.get("/call-ended-reasons", start_date="2026-01-20", end_date="2026-01-21")
    assert [row["percentage"] for row in both] == [50.0, 50.0]
    for wrong in ("yesterday", "2026-13-01", "20-01-2026"):
        body = await board.ask("GET", "/call-ended-reasons", 400, params={"start_date": wrong})
        assert body == {"error": "start_date must be an ISO 8601 date"}
    turned = {"start_date": "2026-01-21", "end_date": "2026-01-20"}
    body = await board.ask("GET", "/call-ended-reasons", 400, params=turned)
    assert body == {"error": "end_date must not be before start_date"}
    intents = await board.get("/intent-analysis")
    assert sum(row["count"] for row in intents) == 3
    assert {row["intent"]: row["percentage"] for row in intents} == {
        "no_conversation": 66.7, "book_appointment": 33.3,
    }  # fmt: skip


async def test_keywords_count_moods(server: Server) -> None:
    board = await login(server, "ada@one.example")
    said = (
        "Customer: Great, thank you, the price is wonderful.",
        "Customer: The price is terrible, I am very angry.",
        "Customer: What is the price of it?",
    )
    for line in said:
        await report(server, "ada@one.example", "agent_1", transcript=f"{line}\nAgent: Goodbye.")
    await analysed(server)
    found = {row["keyword"]: row for row in await board.get("/keywords")}
    pricing = found["pricing"]
    assert list(pricing) == [
        "keyword", "count", "positive_count", "neutral_count", "negative_count", "avg_sentiment", "last_detected_at",
    ]  # fmt: skip
    assert [pricing[name] for name in list(pricing)[1:5]] == [3, 1, 1, 1]
    assert -1 <= pricing["avg_sentiment"] <= 1
    assert 0 <= instants.now().timestamp() - pricing["last_detected_at"] < 600
    assert all(
        row["count"] == row["positive_count"] + row["neutral_count"] + row["negative_count"] for row in found.values()
    )
    assert (await board.get("/keywords"))[0]["keyword"] == "pricing"
    assert await (await login(server, "bob@two.example")).get("/keywords") == []


async def test_appointments_that_were_made_in_calls(server: Server) -> None:
    board = await login(server, "ada@one.example")
    [early] = await board.get("/appointments")
    assert early["quality_score"] == 0  # not judged yet
    await analysed(server)
    [row] = await board.get("/appointments")
    (call,) = [row for row in await board.get("/webhook-calls") if row["customer_name"] == "Max"]
    assert list(row) == [
        "id", "call_id", "customer_phone", "appointment_date", "appointment_time", "appointment_type", "quality_score",
        "created_at",
    ]  # fmt: skip
    assert row["call_id"] == call["id"]
    assert (row["appointment_date"], row["appointment_time"]) == ("2030-01-22", "10:00 AM")  # nine in UTC, in Berlin
    assert (row["appointment_type"], row["customer_phone"]) == ("Check-up", "+49301234567")
    assert row["quality_score"] in range(1, 6)
    assert isinstance(row["created_at"], int)
    assert await (await login(server, "bob@two.example")).get("/appointments") == []


async def test_switching_analysis_off_stops_it(server: Server) -> None:
    board = await login(server, "ada@one.example")
    await analysed(server)
    await board.post("/addons/toggle", addonType="openai_analysis", enabled=False)
    off = await report(server, "ada@one.example", "agent_1", transcript="Customer: What does it cost?")
    await analysed(server)
    await board.post("/addons/toggle", addonType="openai_analysis", enabled=True)
    on = await report(server, "ada@one.example", "agent_1", transcript="Customer: What does it cost?")
    await analysed(server)
    summaries = {row["id"]: row["call_summary"] for row in await board.get("/webhook-calls")}
    assert summaries[off] == ""
    assert "What does it cost?" in summaries[on]
