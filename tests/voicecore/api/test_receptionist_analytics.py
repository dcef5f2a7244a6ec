"""Document 002, analytics: the figures, their members and their rounding."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from api_server import Server
from receptionist_desk import register

from voicecore.domain import instants
from voicecore.storage.schema import calls


async def test_without_calls_everything_is_there_and_zero(server: Server) -> None:
    desk = await register(server)
    assert await desk.get("/analytics/dashboard") == {
        "total_calls": 0, "total_duration": 0.0, "success_rate": 0.0, "avg_sentiment": "NEUTRAL", "total_clients": 0,
    }  # fmt: skip
    assert await desk.get("/analytics/calls-per-day") == {"data": []}
    assert await desk.get("/analytics/sentiment") == {"POSITIVE": 0, "NEGATIVE": 0, "NEUTRAL": 0}
    client = await desk.client()
    stats = await desk.get(f"/analytics/client/{client['id']}/stats")
    assert stats == {
        "client_id": client["id"], "client_name": client["name"], "total_calls": 0, "total_duration": 0.0,
        "success_rate": 0.0, "avg_stt_latency_ms": 0.0, "avg_llm_latency_ms": 0.0, "avg_tts_latency_ms": 0.0,
    }  # fmt: skip


async def test_totals_add_up(server: Server) -> None:
    desk, other = await register(server), await register(server, "other@example.com")
    one, two = await desk.client(), await desk.client()
    await other.log((await other.client())["id"], duration_seconds=1000, sentiment="NEGATIVE")
    facts: list[dict[str, Any]] = [
        {"duration_seconds": 45.5, "sentiment": "POSITIVE", "stt_latency_ms": 150, "llm_latency_ms": 300},
        {"duration_seconds": 30, "sentiment": "POSITIVE", "stt_latency_ms": 140.4, "success": False},
        {"duration_seconds": 0.1, "sentiment": "NEGATIVE"},
    ]
    for given in facts:
        await desk.log(one["id"], **given)
    await desk.log(two["id"])
    assert await desk.get("/analytics/dashboard") == {
        "total_calls": 4, "total_duration": 75.6, "success_rate": 75.0, "avg_sentiment": "POSITIVE", "total_clients": 2,
    }  # fmt: skip
    assert await desk.get("/analytics/sentiment") == {"POSITIVE": 2, "NEGATIVE": 1, "NEUTRAL": 1}
    stats = await desk.get(f"/analytics/client/{one['id']}/stats")
    assert stats == {
        "client_id": one["id"], "client_name": one["name"], "total_calls": 3, "total_duration": 75.6,
        "success_rate": 66.7, "avg_stt_latency_ms": 145.2, "avg_llm_latency_ms": 300.0, "avg_tts_latency_ms": 0.0,
    }  # fmt: skip
    assert all(isinstance(stats[name], float) for name in stats if name.startswith(("avg", "success", "total_d")))


async def test_the_average_sentiment_is_the_most_frequent(server: Server) -> None:
    desk = await register(server)
    client = await desk.client()
    for word, expected in (
        ("NEGATIVE", "NEGATIVE"),
        ("POSITIVE", "NEUTRAL"),  # one each: neither
        ("POSITIVE", "POSITIVE"),
        ("NEUTRAL", "POSITIVE"),
        ("NEUTRAL", "POSITIVE"),  # two good, two neutral, one bad: the good outweigh
        ("NEUTRAL", "NEUTRAL"),
    ):
        await desk.log(client["id"], sentiment=word)
        assert (await desk.get("/analytics/dashboard"))["avg_sentiment"] == expected


async def test_days_are_those_of_the_times_shown_newest_first(server: Server) -> None:
    desk = await register(server)
    client = await desk.client()
    ids = [(await desk.log(client["id"]))["id"] for _ in range(5)]
    midnight = datetime.combine(instants.now().date(), time.min, UTC)
    second = timedelta(seconds=1)
    moments = [midnight, midnight - second, midnight - timedelta(days=1), midnight - timedelta(days=1) - second]
    async with server.database.write() as connection:
        for call_id, at in zip(ids, moments, strict=False):
            await connection.execute(sa.update(calls).where(calls.c.uid == call_id).values(created_at=at))
    today = (await desk.get(f"/calls/{ids[4]}"))["call"]["created_at"][:10]

    def day(back: int) -> str:
        return (date.fromisoformat(today) - timedelta(days=back)).isoformat()

    found = await desk.get("/analytics/calls-per-day")
    assert found == {"data": [{"date": day(0), "calls": 2}, {"date": day(1), "calls": 2}, {"date": day(2), "calls": 1}]}
    assert await desk.get("/analytics/calls-per-day", days=2) == {"data": found["data"][:2]}
    assert (await desk.get("/analytics/calls-per-day", days=3660))["data"] == found["data"]
    for days in ("0", "-1", "x", "3661", "1.5"):
        status, body = await desk.ask("GET", "/analytics/calls-per-day", params={"days": days})
        assert (status, list(body)) == (400, ["error"])
