"""Document 004, calendar: free slots and booked appointments."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import Server

DAY = {"start_date": "2030-01-22", "end_date": "2030-01-22"}


async def get(server: Server, path: str, who: str = "ada@one.example", **query: Any) -> tuple[int, Any]:
    response = await server.client.get(f"/api/v1/calendar/{path}", headers=await server.headers(who), params=query)
    return response.status, await response.json()


async def test_slots_answer_as_documented_and_leave_out_what_is_booked(server: Server) -> None:
    status, body = await get(server, "availability", **DAY, duration="60", resource_id="chair_1")
    assert status == 200
    slots = body["available_slots"]
    assert slots[0] == {
        "start": "2030-01-22T08:00:00Z", "end": "2030-01-22T09:00:00Z", "resource_id": "chair_1",
    }  # fmt: skip
    starts = [slot["start"][11:16] for slot in slots]
    assert "08:30" not in starts  # apt_1 is 9 to 10 UTC
    assert "09:30" not in starts
    assert "10:00" in starts
    assert starts[-1] == "15:00"  # ends at 17:00 in Berlin
    _, both = await get(server, "availability", **DAY, duration="60")
    assert {"chair_1", "chair_2"} == {slot["resource_id"] for slot in both["available_slots"]}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"duration": "0"}, 422),
        ({"duration": "x"}, 422),
        ({"start_date": "soon"}, 422),
        ({"start_date": "2030-02-01", "end_date": "2030-01-01"}, 422),
        ({"start_date": "2030-01-23", "end_date": "2030-01-22"}, 422),
        ({"start_date": "2030-01-01", "end_date": "2031-01-01"}, 422),
        ({"resource_id": "nobody"}, 404),
    ],
)
async def test_availability_refuses(server: Server, query: dict[str, str], status: int) -> None:
    assert (await get(server, "availability", **query))[0] == status


async def test_the_past_has_no_slots_and_a_week_is_the_default(server: Server) -> None:
    _, past = await get(server, "availability", start_date="2020-01-01", end_date="2020-01-31")
    assert past == {"available_slots": []}
    _, week = await get(server, "availability")
    assert len({slot["start"][:10] for slot in week["available_slots"]}) in (7, 8)


async def test_appointments_are_listed_and_narrowed(server: Server) -> None:
    _, body = await get(server, "appointments")
    assert body["total"] == 1
    row = body["items"][0]
    assert (row["id"], row["customer_id"], row["call_id"]) == ("apt_1", "cust_1", "call_1")
    assert (row["start"], row["duration"], row["type"]) == ("2030-01-22T09:00:00Z", 60, "Check-up")
    for query, total in (
        ({"call_id": "call_1"}, 1),
        ({"customer_id": "cust_1"}, 1),
        ({"customer_id": "x"}, 0),
        ({"status": "cancelled"}, 0),
        ({"start_date": "2030-01-23"}, 0),
        ({"resource_id": "chair_2"}, 0),
        (DAY, 1),
    ):
        assert (await get(server, "appointments", **query))[1]["total"] == total, query
    assert (await get(server, "appointments", "bob@two.example"))[1]["total"] == 0
    assert (await get(server, "appointments", "bob@two.example", call_id="call_1"))[0] == 404
    assert (await get(server, "availability", "bob@two.example", resource_id="chair_1"))[0] == 404
