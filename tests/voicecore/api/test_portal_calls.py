"""Document 000: the calls of a company, one of them, and exports."""

from __future__ import annotations

import csv
import io
import uuid
from pathlib import Path
from typing import Any

from api_server import Server, Start
from portal_company import seeded
from portal_member import Member
from yarl import URL


def ids(page: dict[str, Any]) -> list[int]:
    return [row["id"] for row in page["data"]]


async def phones(member: Member, **query: Any) -> list[str]:
    return [row["phone_number"] for row in (await member.get("/calls", **query))["data"]]


MAX, ERIKA, ANNA = "+49 123 456789", "+4930777888", "+4940555666"
AGAIN = "+49123456789"
SAID = "Agent: Guten Tag\nCustomer: Eine Zahnreinigung bitte 🦷\nAgent: Gern\nCustomer: Ja\nAgent: Gebucht"


async def test_the_list_shows_finished_calls_newest_first(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    page = await boss.get("/calls")
    assert [row["phone_number"] for row in page["data"]] == [AGAIN, ANNA, ERIKA, MAX]
    assert [row["status"] for row in page["data"]] == ["completed", "missed", "failed", "completed"]
    first, third = page["data"][3], page["data"][1]
    assert first == {
        "id": first["id"],
        "uuid": str(uuid.UUID(first["uuid"])),
        "phone_number": MAX,
        "customer": {
            "id": first["customer"]["id"],
            "name": "Max Mustermann",
            "email": "max@example.com",
            "phone": "+49123456789",
            "total_appointments": 5,
            "lifetime_value": 280.5,
        },
        "duration": 180,
        "status": "completed",
        "recording_url": None,
        "transcript": SAID,
        "summary": "Customer called to book an appointment",
        "sentiment": "positive",
        "appointment_booked": True,
        "created_at": "2026-01-10T10:30:00Z",
        "metadata": {"campaign": "spring", "ai_agent": "dental_assistant", "language": "de"},
    }
    assert third["customer"] is None
    assert third["transcript"] is None
    assert third["summary"] is None
    assert third["appointment_booked"] is False
    assert third["duration"] == 0
    assert third["sentiment"] is None
    newest = page["data"][0]
    assert newest["recording_url"] == "https://recordings.example/4.wav"
    assert (newest["transcript"], newest["summary"]) == ("Customer: Hallo", "Rückruf")
    assert page["meta"] | {"path": ""} == {
        "current_page": 1,
        "from": 1,
        "last_page": 1,
        "path": "",
        "per_page": 20,
        "to": 4,
        "total": 4,
    }
    assert [row["customer"]["name"] for row in (await eve.get("/calls"))["data"]] == ["Max Fremd"]


async def test_the_list_is_narrowed_and_sorted(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    appointments = (await boss.get("/appointments"))["data"]
    smith = next(row["staff"]["id"] for row in appointments if row["staff"]["name"] == "Dr. Smith")
    west = next(row["branch_id"] for row in appointments if row["staff"]["name"] == "Dr. West")
    stranger = (await eve.get("/appointments"))["data"][0]
    for query, expected in (
        ({"status": "completed"}, [AGAIN, MAX]),
        ({"status": "missed"}, [ANNA]),
        ({"status": "failed"}, [ERIKA]),
        ({"search": "mustermann"}, [AGAIN, MAX]),
        ({"search": "anruf"}, [ANNA]),
        ({"search": "0123 456"}, [AGAIN, MAX]),
        ({"search": "%"}, []),
        ({"search": "' OR '4'='4"}, []),  # the digits of what is no number find nobody
        ({"date_from": "2026-01-12"}, [AGAIN, ANNA]),  # by the clock of Berlin
        ({"date_to": "2026-01-11"}, [ERIKA, MAX]),
        ({"date_from": "2026-01-10", "date_to": "2026-01-10"}, [MAX]),
        ({"staff_id": smith}, [MAX]),
        ({"staff_id": stranger["staff"]["id"]}, []),
        ({"branch_id": west}, [AGAIN]),
        ({"branch_id": stranger["branch_id"]}, []),
        ({"branch_id": 2**31 - 1}, []),
        ({"status": "", "search": ""}, [AGAIN, ANNA, ERIKA, MAX]),
        ({"sort_by": "created_at", "sort_order": "asc"}, [MAX, ERIKA, ANNA, AGAIN]),
        ({"sort_by": "duration"}, [MAX, AGAIN, ERIKA, ANNA]),
        ({"sort_by": "duration", "sort_order": "asc"}, [ANNA, ERIKA, AGAIN, MAX]),
        ({"sort_by": "customer_name", "sort_order": "asc"}, [ANNA, ERIKA, MAX, AGAIN]),
        ({"sort_by": "customer_name", "sort_order": "desc"}, [AGAIN, MAX, ERIKA, ANNA]),
    ):
        assert await phones(boss, **query) == expected, query
    page = await boss.get("/calls", per_page=3, page=2, sort_by="duration")
    assert len(page["data"]) == 1
    assert page["meta"]["from"] == page["meta"]["to"] == 4
    assert page["links"]["next"] is None
    assert "sort_by=duration" in page["links"]["prev"]


async def test_calls_go_by_the_name_that_the_customer_has_now(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    erika = (await boss.get("/customers", search="erika"))["data"][0]["id"]
    await boss.ask("PUT", f"/customers/{erika}", 200, json={"name": "ÄNNE Öztürk"})
    for query, expected in (
        ({"search": "änne ö"}, [ERIKA]),
        ({"search": "A\u0308NNE"}, [ERIKA]),  # the same letter in two characters
        ({"search": "erika"}, []),
        ({"sort_by": "customer_name"}, [ANNA, MAX, AGAIN, ERIKA]),  # accents after z, on every database
    ):
        assert await phones(boss, **query) == expected, query
    assert [row["name"] for row in (await boss.get("/customers", search="ÖZTÜRK"))["data"]] == ["ÄNNE Öztürk"]
    for text, count in (("änne", 1), ("erika", 0), ("ÖZ", 1)):
        assert (await boss.get("/appointments", customer_search=text))["meta"]["total"] == count, text
    assert list((await boss.get("/calls"))["data"][0])[:5] == ["id", "uuid", "phone_number", "customer", "duration"]


async def test_what_a_list_cannot_be_narrowed_by(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    for field, wrong in (
        ("per_page", 101),
        ("per_page", 0),
        ("page", 0),
        ("status", "answered"),
        ("date_from", "10.01.2026"),
        ("date_to", "2026-02-30"),
        ("branch_id", "one"),
        ("staff_id", -1),
        ("branch_id", 10**12),
        ("sort_by", "id"),
        ("sort_order", "up"),
    ):
        error = await boss.refused("GET", "/calls", 422, params={field: wrong})
        assert list(error["details"]) == [field]


async def test_one_call_is_bare_and_has_two_names(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    listed = (await boss.get("/calls"))["data"][3]
    call = await boss.get(f"/calls/{listed['id']}")
    assert call == await boss.get(f"/calls/{listed['uuid']}") == await boss.get(f"/calls/{listed['uuid'].upper()}")
    assert call["customer"] == {
        "id": listed["customer"]["id"],
        "name": "Max Mustermann",
        "email": "max@example.com",
        "journey_stage": "customer",
        "risk_score": 0.3,
    }
    assert call["action_items"] == ["Book appointment for dental cleaning", "Send reminder 24h before"]
    [booked] = call["appointments"]
    assert booked | {"id": 0} == {
        "id": 0,
        "scheduled_at": "2026-01-15T13:00:00Z",
        "service": "Dental Cleaning",
        "staff": "Dr. Smith",
    }
    assert [(event["timestamp"], event["event"]) for event in call["timeline"]] == [
        ("2026-01-10T10:30:00Z", "call_started"),
        ("2026-01-10T10:30:00Z", "call_answered"),
        ("2026-01-10T10:30:10Z", "appointment_requested"),
        ("2026-01-10T10:30:20Z", "appointment_booked"),
        ("2026-01-10T10:33:00Z", "call_ended"),
    ]
    assert call["timeline"][2]["details"] == {"service": "cleaning"}
    assert call["analytics"] == {
        "talk_time_ratio": 0.65,
        "keywords": ["appointment", "cleaning", "next week"],
        "topics": ["scheduling", "services"],
        "intent": "booking",
    }
    same = ("id", "uuid", "phone_number", "duration", "status", "transcript", "summary", "sentiment", "metadata")
    assert {name: call[name] for name in same} == {name: listed[name] for name in same}
    stranger = (await eve.get("/calls"))["data"][0]
    for name in (stranger["id"], stranger["uuid"], uuid.uuid4(), 0, "first", "-1", "9" * 30, "%00", "🦷"):
        error = await boss.refused("GET", f"/calls/{name}", 404)
        assert error["code"] == "NOT_FOUND"


async def test_a_call_that_nobody_analysed_yet(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    missed = (await boss.get("/calls", status="missed"))["data"][0]
    call = await boss.get(f"/calls/{missed['id']}")
    assert call["analytics"] == {"talk_time_ratio": None, "keywords": [], "topics": [], "intent": None}
    assert call["customer"] is None
    assert call["action_items"] == []
    assert call["appointments"] == []
    assert [event["event"] for event in call["timeline"]] == ["call_started", "call_ended"]


async def test_calls_that_others_report_make_customers(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    headers = {"Authorization": f"Bearer {await receptionist(server)}"}
    clients = await (await server.client.get("/receptionist/api/clients", headers=headers)).json()
    for phone, name in (("+1-555-0200", "John Smith"), ("+15550200", ""), ("anonymous", "Who")):
        body = {"client_id": clients["clients"][0]["id"], "caller_phone": phone, "caller_name": name}
        answer = await server.client.post("/receptionist/api/calls", headers=headers, json=body)
        assert answer.status == 201
    anonymous, second, first = (await boss.get("/calls", per_page=3))["data"]
    assert first["customer"]["name"] == second["customer"]["name"] == "John Smith"
    assert first["customer"]["id"] == second["customer"]["id"]
    assert anonymous["customer"] is None
    assert [row["name"] for row in (await boss.get("/customers", search="555-0200"))["data"]] == ["John Smith"]


async def receptionist(server: Server) -> str:
    body = {"email": "boss@acme.example", "password": "boss-password"}
    return str((await (await server.client.post("/receptionist/api/auth/login", json=body)).json())["token"])


async def fetched(server: Server, url: str) -> tuple[int, str, str]:
    """Status, type and text of what a link leads to, without a token."""
    response = await server.client.get(str(URL(url).relative()))
    return response.status, response.content_type, await response.text()


async def test_an_export_has_the_asked_columns_in_their_order(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    fields = ["created_at", "id", "phone_number", "customer_name", "duration", "status", "appointment_booked"]
    body = {"format": "csv", "filters": {"date_from": "2026-01-01", "date_to": "2026-01-11"}, "fields": fields}
    made = await boss.ask("POST", "/calls/export", 200, json=body)
    assert set(made) == {"download_url", "expires_at"}
    assert made["expires_at"].endswith("Z")
    url = URL(made["download_url"])
    assert url.origin() == server.client.make_url("/").origin()
    assert url.path.startswith("/downloads/calls-export-")
    assert url.path.endswith(".csv")
    status, kind, text = await fetched(server, made["download_url"])
    assert (status, kind) == (200, "text/csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == fields
    assert [row[2] for row in rows[1:]] == [MAX, ERIKA]
    assert rows[1][3:] == ["Max Mustermann", "180", "completed", "true"]
    assert rows[1][0] == "2026-01-10T10:30:00Z"
    for wrong in (url.with_query({}), url.update_query(signature="0" * 64), url.update_query(expires="1")):
        assert (await fetched(server, str(wrong)))[0] == 401
    other = await eve.ask("POST", "/calls/export", 200, json={"format": "csv", "filters": {}, "fields": ["id"]})
    assert len((await fetched(server, other["download_url"]))[2].splitlines()) == 2
    swapped = url.with_path(URL(other["download_url"]).path).with_query(url.query)
    assert (await fetched(server, str(swapped)))[0] == 401


async def test_exports_say_what_they_cannot_do(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    for body, field in (
        ({"format": "xlsx", "fields": ["id"]}, "format"),
        ({"format": "csv", "fields": ["id", "password"]}, "fields"),
        ({"format": "csv", "fields": []}, "fields"),
        ({"format": "csv", "fields": ["id"], "filters": {"date_from": "soon"}}, "filters.date_from"),
        ({"format": "csv", "fields": ["id"], "filters": {"status": "answered"}}, "filters.status"),
    ):
        error = await boss.refused("POST", "/calls/export", 422, json=body)
        assert list(error["details"]) == [field], body
    made = await boss.ask("POST", "/calls/export", 200, json={"format": "json", "fields": ["id", "customer_name"]})
    status, kind, text = await fetched(server, made["download_url"])
    assert (status, kind) == (200, "application/json")
    assert '"customer_name":"Max Mustermann"' in text


async def test_exports_are_limited_to_ten_an_hour(start: Start, tmp_path: Path) -> None:
    server = await start(relaxed=False)
    boss, eve = await seeded(server, tmp_path)
    body = {"format": "csv", "filters": {}, "fields": ["id"]}
    for _ in range(10):
        await boss.ask("POST", "/calls/export", 200, json=body)
    error = await boss.refused("POST", "/calls/export", 429, json=body)
    assert error["code"] == "RATE_LIMITED"
    await eve.ask("POST", "/calls/export", 200, json=body)
    await boss.get("/calls")
