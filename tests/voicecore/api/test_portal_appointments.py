"""Document 000: appointments are listed, booked, changed and cancelled, as on the telephone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from api_server import Server
from portal_company import seeded
from portal_member import Member


def at(hour: int, minute: int = 0, days: int = 3) -> str:
    """In some days, by UTC."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return f"{day + timedelta(hours=hour, minutes=minute):%Y-%m-%dT%H:%M:%SZ}"


async def offer(member: Member) -> dict[str, int]:
    """The numbers that a booking needs, as lists show them."""
    rows = (await member.get("/appointments"))["data"]
    named = {row["staff"]["name"]: row["staff"]["id"] for row in rows}
    named |= {row["service"]["name"]: row["service"]["id"] for row in rows}
    named |= {row["customer"]["name"]: row["customer"]["id"] for row in rows}
    return named | {"branch": rows[0]["branch_id"]}


async def four(member: Member, start: str, **changes: Any) -> dict[str, Any]:
    """What the SDK sends."""
    known = await offer(member)
    return {
        "customer_id": known["Max Mustermann"],
        "service_id": known["Dental Cleaning"],
        "staff_id": known["Dr. Smith"],
        "scheduled_at": start,
        **changes,
    }


async def test_the_list_is_the_documents(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    page = await boss.get("/appointments")
    assert page["meta"]["total"] == 6
    assert set(page["links"]) == {"first", "last", "prev", "next"}
    second = page["data"][1]
    assert second == {
        "id": second["id"],
        "customer": {"id": second["customer"]["id"], "name": "Max Mustermann", "phone": "+49123456789"},
        "service": {"id": second["service"]["id"], "name": "Dental Cleaning", "duration": 60, "price": 80.0},
        "staff": {"id": second["staff"]["id"], "name": "Dr. Smith"},
        "branch_id": second["branch_id"],
        "scheduled_at": "2026-01-15T13:00:00Z",
        "end_at": "2026-01-15T14:00:00Z",
        "status": "completed",
        "notes": "",
        "cancellation_reason": None,
        "created_at": "2026-01-10T10:30:20Z",
        "source": "ai_phone",
    }
    unlisted = page["data"][5]["service"]
    assert unlisted == {"id": None, "name": "Something else", "duration": 45, "price": 70.25}
    assert page["data"][4]["cancellation_reason"] == "ill"
    assert page["data"][2]["service"]["price"] == 120.5
    assert [row["customer"]["name"] for row in (await eve.get("/appointments"))["data"]] == ["Max Fremd"]


async def test_the_list_is_narrowed(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    known, foreign = await offer(boss), (await eve.get("/appointments"))["data"][0]
    west = (await boss.get("/appointments", customer_search="erika"))["data"][0]["branch_id"]
    for query, count in (
        ({"status": "completed"}, 4),
        ({"status": "no_show"}, 1),
        ({"status": "scheduled"}, 0),
        ({"date_from": "2026-01-15", "date_to": "2026-01-20"}, 2),
        ({"date_to": "2026-01-05"}, 1),
        ({"staff_id": known["Dr. Jones"]}, 1),
        ({"service_id": known["Dental Cleaning"]}, 4),
        ({"branch_id": west}, 1),
        ({"customer_search": "muster"}, 5),
        ({"customer_search": "0123 456789"}, 5),
        ({"customer_search": "fremd"}, 0),
        ({"customer_search": "' OR '4'='4"}, 0),
        ({"staff_id": foreign["staff"]["id"]}, 0),
        ({"service_id": foreign["service"]["id"]}, 0),
        ({"branch_id": foreign["branch_id"]}, 0),
    ):
        page = await boss.get("/appointments", per_page=1, **query)
        assert (page["meta"]["total"], len(page["data"])) == (count, min(count, 1)), query
    for query in ({"status": "gone"}, {"date_from": "x"}, {"service_id": "x"}, {"per_page": 200}):
        await boss.refused("GET", "/appointments", 422, params=query)


async def test_four_members_are_enough_to_book(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    made = await boss.ask("POST", "/appointments", 201, json=await four(boss, at(9)))
    assert (made["scheduled_at"], made["end_at"], made["status"]) == (at(9), at(10), "scheduled")
    assert (made["customer"]["name"], made["service"]["price"]) == ("Max Mustermann", 80.0)
    assert (made["source"], made["notes"]) == ("portal", "")
    assert await boss.get(f"/appointments/{made['id']}") == made
    rest = {"branch_id": (await offer(boss))["branch"], "notes": "Grüße 🦷", "send_confirmation": True}
    whole = await boss.ask("POST", "/appointments", 201, json=await four(boss, at(11), **rest))
    assert whole["notes"] == "Grüße 🦷"
    # The agent on the telephone sees the same calendar.
    path = f"/api/v1/calendar/appointments?start_date={at(0)[:10]}"
    listed = await (await server.client.get(path, headers=await vocaliq(server))).json()
    assert [row["start"] for row in listed["items"]] == [at(9), at(11)]


async def vocaliq(server: Server) -> dict[str, str]:
    granted = await server.login("boss@acme.example", "boss-password")
    return {"Authorization": f"Bearer {granted['access_token']}"}


async def test_what_cannot_be_booked(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    foreign = (await eve.get("/appointments"))["data"][0]
    west = next(row for row in (await boss.get("/appointments"))["data"] if row["staff"]["name"] == "Dr. West")
    await boss.ask("POST", "/appointments", 201, json=await four(boss, at(9)))
    for changes, field in (
        ({"scheduled_at": at(9, 30)}, "scheduled_at"),  # taken
        ({"scheduled_at": at(3)}, "scheduled_at"),  # closed
        ({"scheduled_at": at(9, days=-3)}, "scheduled_at"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at"),
        ({"scheduled_at": ""}, "scheduled_at"),
        ({"scheduled_at": None}, "scheduled_at"),
        ({"customer_id": foreign["customer"]["id"]}, "customer_id"),
        ({"service_id": foreign["service"]["id"]}, "service_id"),
        ({"staff_id": foreign["staff"]["id"]}, "staff_id"),
        ({"branch_id": foreign["branch_id"]}, "branch_id"),
        ({"staff_id": west["staff"]["id"]}, "staff_id"),
        ({"branch_id": west["branch_id"]}, "branch_id"),
        ({"customer_id": 2**40}, "customer_id"),
        ({"customer_id": "45"}, "customer_id"),
    ):
        body = await four(boss, at(9)) | changes
        error = await boss.refused("POST", "/appointments", 422, json=body)
        assert (error["code"], list(error["details"])) == ("VALIDATION_ERROR", [field]), changes
    error = await boss.refused("POST", "/appointments", 422, json={})
    assert error["details"]["customer_id"] == ["The customer id field is required."]
    assert set(error["details"]) == {"customer_id", "service_id", "scheduled_at"}
    anybody = await four(boss, at(9))
    del anybody["staff_id"]
    made = await boss.ask("POST", "/appointments", 201, json=anybody)
    assert made["staff"]["name"] == "Dr. Jones"  # who is free then


async def test_the_end_follows_the_start(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    made = await boss.ask("POST", "/appointments", 201, json=await four(boss, at(9), notes="first"))
    path = f"/appointments/{made['id']}"
    body = {"scheduled_at": at(14, days=4), "status": "rescheduled", "notes": "Customer requested different time"}
    moved = await boss.ask("PUT", path, 200, json=body)
    assert moved == made | body | {"end_at": at(15, days=4)}
    assert await boss.ask("PUT", path, 200, json={"notes": "only this"}) == moved | {"notes": "only this"}
    assert (await boss.ask("PUT", path, 200, json={"status": "confirmed"}))["scheduled_at"] == at(14, days=4)
    again = await boss.ask("PUT", path, 200, json={"scheduled_at": at(14, 30, days=4)})  # over its own old time
    assert (again["end_at"], again["status"], again["notes"]) == (at(15, 30, days=4), "confirmed", "only this")
    assert await boss.ask("PUT", path, 200, json={}) == again
    other = await boss.ask("POST", "/appointments", 201, json=await four(boss, at(9)))
    for body in (
        {"scheduled_at": at(9, 30)},
        {"scheduled_at": at(2)},
        {"scheduled_at": at(9, days=-1)},
        {"scheduled_at": "x"},
        {"status": "gone"},
    ):
        await boss.refused("PUT", path, 422, json=body)
    assert await boss.get(path) == again
    await boss.refused("PUT", f"/appointments/{other['id']}", 422, json={"scheduled_at": at(15, days=4)})
    for who, name in ((eve, made["id"]), (boss, 0), (boss, "x"), (boss, 10**12)):
        await who.refused("PUT", f"/appointments/{name}", 404, json={"notes": "mine"})
    assert [row["id"] for row in (await boss.get("/appointments", status="confirmed"))["data"]] == [made["id"]]


async def test_cancelling_frees_the_time(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    made = await boss.ask("POST", "/appointments", 201, json=await four(boss, at(9)))
    path = f"/appointments/{made['id']}/cancel"
    body = {"reason": "Customer cancelled", "notify_customer": True}
    await eve.refused("POST", path, 404, json=body)
    gone = await boss.ask("POST", path, 200, json=body)
    assert gone == made | {"status": "cancelled", "cancellation_reason": "Customer cancelled"}
    error = await boss.refused("POST", path, 422, json=body)
    assert error["details"] == {"status": ["The status is cancelled already."]}
    again = await boss.ask("POST", "/appointments", 201, json=await four(boss, at(9)))
    back = await boss.refused("PUT", f"/appointments/{made['id']}", 422, json={"status": "scheduled"})
    assert list(back["details"]) == ["scheduled_at"]  # its time is another's now
    put = await boss.ask("PUT", f"/appointments/{again['id']}", 200, json={"status": "cancelled"})
    assert put["status"] == "cancelled"
    assert (await boss.ask("PUT", f"/appointments/{made['id']}", 200, json={"status": "scheduled"}))["id"] == made["id"]


async def test_what_is_free_is_as_long_as_the_service(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    known = await offer(boss)
    await boss.ask("POST", "/appointments", 201, json=await four(boss, at(9)))
    ask = {"service_id": known["Dental Cleaning"], "staff_id": known["Dr. Smith"], "date": at(0)[:10]}
    whole = ask | {"branch_id": known["branch"]}
    answer = await boss.ask("POST", "/appointments/check-availability", 200, json=whole)
    slots = answer["available_slots"]
    assert list(answer) == ["available_slots"]
    assert all(set(slot) == {"start", "end"} for slot in slots)
    starts = [slot["start"] for slot in slots]
    assert at(8) in starts or at(7) in starts
    assert at(9) not in starts
    assert at(8, 30) not in starts
    assert at(9, 30) not in starts
    assert at(10) in starts
    for slot in slots:
        begin, end = (datetime.fromisoformat(slot[name]) for name in ("start", "end"))
        assert end - begin == timedelta(minutes=60)
    booked = await boss.ask("POST", "/appointments", 201, json=await four(boss, starts[-1]))
    assert booked["end_at"] == slots[-1]["end"]
    anybody = {name: value for name, value in ask.items() if name != "staff_id"}
    both = (await boss.ask("POST", "/appointments/check-availability", 200, json=anybody))["available_slots"]
    assert at(9) in [slot["start"] for slot in both]
    assert len(both) == len({slot["start"] for slot in both})
    past = await boss.ask("POST", "/appointments/check-availability", 200, json=ask | {"date": "2026-01-05"})
    assert past == {"available_slots": []}
    for changes, field in (({"date": "x"}, "date"), ({"service_id": 0}, "service_id"), ({"date": None}, "date")):
        error = await boss.refused("POST", "/appointments/check-availability", 422, json=ask | changes)
        assert list(error["details"]) == [field]
    await eve.refused("POST", "/appointments/check-availability", 422, json=ask)


async def test_bookings_and_cancellations_are_announced(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    heard: list[dict[str, Any]] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hear)
    async with TestServer(app) as receiver:
        events = ["appointment.created", "appointment.cancelled"]
        wanted = {"url": str(receiver.make_url("/hook")), "events": events, "secret": "your-webhook-secret"}
        await boss.ask("POST", "/webhooks", 201, json=wanted)
        made = await boss.ask("POST", "/appointments", 201, json=await four(boss, at(9), send_confirmation=True))
        body = {"reason": "ill", "notify_customer": True}
        await boss.ask("POST", f"/appointments/{made['id']}/cancel", 200, json=body)
        while await server.dealings.courier.step():
            await server.dealings.courier.idle()
    assert sorted(one["event"] for one in heard) == ["appointment.cancelled", "appointment.created"]
