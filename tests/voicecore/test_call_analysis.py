"""A real call over the gateway is analysed by itself, and counted, without the call waiting for it."""

from __future__ import annotations

from typing import Any

import aiohttp
from media_server import House, Serve, eventually

from voicecore.domain.analyses import Analysis


async def board(house: House, path: str) -> Any:
    """What a user of document 001 sees."""
    credentials = {"email": "ada@demo.example", "password": "ada-password"}
    async with aiohttp.ClientSession(base_url=f"{house.server.url}/dashboard/api/") as session:
        async with session.post("auth/login", json=credentials) as response:
            token = (await response.json())["token"]
        async with session.get(path, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == 200, await response.text()
            return await response.json()


async def analysis(house: House, sid: str) -> Analysis:
    async def made() -> Analysis | None:
        return (await house.ended(sid)).analysis

    found = await eventually(made)
    assert found is not None
    return found


async def test_the_analysis_of_a_call_appears_by_itself(serve: Serve) -> None:
    house = await serve()
    result = await house.call(turns=2)
    found = await analysis(house, result.identity.call_sid)
    assert (found.intent, found.language, found.trouble) == ("opening_hours", "en", "")
    assert "opening_hours" in found.topics
    assert found.summary.startswith("The caller asked about the opening hours.")
    assert found.talk_time_ratio is not None
    assert 0 < found.talk_time_ratio < 1
    assert 1 <= found.quality_score <= 5
    [row] = await board(house, "webhook-calls")
    assert row["call_summary"] == found.summary
    assert row["recording_url"].startswith(f"{house.server.url}/recordings/")
    assert (await board(house, "intent-analysis"))[0] == {"intent": "opening_hours", "count": 1, "percentage": 100.0}
    assert "opening hours" in {row["keyword"] for row in await board(house, "keywords")}
    assert await board(house, "active-calls") == []
    assert await board(house, "concurrent-calls") == {"current": 0, "peak": 1}
    assert max(point["count"] for point in await board(house, "concurrent-calls/timeseries")) == 1
    assert house.log_names().count("chore_failed") == 0


async def test_a_running_call_is_active_and_has_no_analysis(house: House) -> None:
    async with house.socket() as socket:
        await socket.start(agent="reception")
        await house.talking(socket.sid)
        [active] = await board(house, "active-calls")
        assert active["status"] == "in-progress"
        assert (await board(house, "concurrent-calls"))["current"] == 1
        assert await board(house, "webhook-calls") == []
        detail = await house.find(socket.sid)
        assert detail is not None
        assert detail.analysis is None
