"""Document 004: organizations, knowledge, customers and interactions, booking."""

from __future__ import annotations

import re
from typing import Any

import pytest
from api_server import Server

ADA, BOB, DORA = "ada@one.example", "bob@two.example", "dora@one.example"
NASTY = "Zoë 🦷 'Hauptstraße'; DROP TABLE customers --"
ARTICLE = {
    "title": "Öffnungszeiten",
    "content": "Unsere Öffnungszeiten sind Montag bis Freitag von 9:00 bis 18:00 Uhr.",
    "category": "general_info",
    "tags": ["öffnungszeiten", "zeiten", "geöffnet"],
}


async def send(server: Server, method: str, path: str, body: Any = None, who: str = ADA) -> tuple[int, Any]:
    headers = await server.headers(who)
    response = await server.client.request(method, f"/api/v1/{path}", headers=headers, json=body)
    return response.status, await response.json()


# --- organizations --------------------------------------------------------------------------------


async def test_a_user_sees_his_own_organizations_only(server: Server) -> None:
    status, body = await send(server, "GET", "organizations")
    assert (status, body["total"], body["page"], body["pages"]) == (200, 1, 1, 1)
    assert set(body) == {"items", "total", "page", "pages"}
    one = body["items"][0]
    assert (one["id"], one["name"]) == ("org_one", "One Dental")
    assert one["settings"] == {"language": "en", "timezone": "Europe/Berlin"}
    assert one["created_at"].endswith("Z")
    assert (await send(server, "GET", "organizations/org_one"))[1] == one
    for foreign in ("org_two", "org_nobody"):
        assert (await send(server, "GET", f"organizations/{foreign}"))[0] == 404
    assert (await send(server, "GET", "organizations?search=DENTAL"))[1]["total"] == 1
    assert (await send(server, "GET", "organizations?search=%25"))[1]["total"] == 0
    assert (await send(server, "GET", "organizations?limit=0"))[0] == 422


async def test_an_organization_is_made_and_listed(server: Server) -> None:
    wanted = {
        "name": NASTY,
        "contact_email": "kontakt@neuefirma.de",
        "phone": "+49301234567",
        "address": {"street": "Hauptstraße 1", "city": "Berlin", "zip": "10115", "country": "DE"},
    }
    status, made = await send(server, "POST", "organizations", wanted)
    assert status == 201
    assert {name: made[name] for name in wanted} == wanted
    assert made["id"].startswith("org_")
    assert (await send(server, "GET", "organizations"))[1]["total"] == 2
    _, second = await send(server, "GET", "organizations?page=2&limit=1")
    assert (len(second["items"]), second["pages"]) == (1, 2)
    assert (await send(server, "GET", f"organizations/{made['id']}", who=BOB))[0] == 404
    assert (await send(server, "POST", "organizations", wanted, DORA))[0] == 403
    for field, value in (
        ("name", " "),
        ("phone", "hello"),
        ("contact_email", "x"),
        ("settings", {"timezone": "Mars"}),
        ("settings", {"language": 5}),
        ("address", {"street": 5}),
    ):
        assert (await send(server, "POST", "organizations", wanted | {field: value}))[0] == 422


# --- knowledge ------------------------------------------------------------------------------------


async def search(server: Server, who: str = ADA, **body: Any) -> list[dict[str, Any]]:
    status, found = await send(server, "POST", "knowledge/search", {"query": "Wann haben Sie geöffnet?"} | body, who)
    assert status == 200, found
    return list(found["results"])


async def test_knowledge_is_found_by_its_tags_and_by_its_owner_only(server: Server) -> None:
    status, made = await send(server, "POST", "knowledge", ARTICLE)
    assert status == 201
    assert {name: made[name] for name in ARTICLE} == ARTICLE
    found = await search(server, threshold=0.7, limit=5)
    assert [hit["id"] for hit in found] == [made["id"]]
    assert set(found[0]) == {"id", "title", "content", "score", "category"}
    assert 0.7 <= found[0]["score"] <= 1
    assert await search(server, threshold=1.0) == []
    assert await search(server, BOB) == []


async def test_validity_dates_bind_the_search(server: Server) -> None:
    for dates, visible in (
        ({"valid_from": "2024-01-01T00:00:00Z", "valid_until": "2024-12-31T23:59:59Z"}, False),
        ({"valid_from": "2024-01-01T00:00:00Z", "valid_until": "2099-12-31"}, True),
        ({"valid_from": "2099-01-01T00:00:00Z"}, False),
    ):
        _, made = await send(server, "POST", "knowledge", ARTICLE | dates)
        assert (made["id"] in [hit["id"] for hit in await search(server)]) is visible


async def test_a_search_has_at_most_its_limit_best_first(server: Server) -> None:
    for number in range(4):
        await send(server, "POST", "knowledge", ARTICLE | {"title": f"Zeiten {number}"})
    found = await search(server, limit=3)
    assert len(found) == 3
    assert [hit["score"] for hit in found] == sorted((hit["score"] for hit in found), reverse=True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("knowledge", {"title": "x"}),
        ("knowledge", ARTICLE | {"title": " "}),
        ("knowledge", ARTICLE | {"valid_from": "soon"}),
        ("knowledge", ARTICLE | {"valid_from": "2025-01-01", "valid_until": "2024-01-01"}),
        ("knowledge/search", {"query": ""}),
        ("knowledge/search", {"query": "x", "threshold": 1.5}),
        ("knowledge/search", {"query": "x", "limit": 0}),
    ],
)
async def test_wrong_knowledge_is_refused(server: Server, path: str, body: Any) -> None:
    status, answer = await send(server, "POST", path, body)
    assert (status, answer["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert answer["error"]["details"]


async def test_only_who_may_configure_adds_knowledge(server: Server) -> None:
    status, answer = await send(server, "POST", "knowledge", ARTICLE, DORA)
    assert (status, answer["error"]["code"]) == (403, "AUTHORIZATION_ERROR")


# --- customers ------------------------------------------------------------------------------------


async def test_a_customer_is_made_under_the_clients_id_and_then_changed(server: Server) -> None:
    wanted = {
        "name": NASTY,
        "phone": "+49301234567",
        "email": "max@example.com",
        "tags": ["vip", "longtime_customer"],
        "custom_fields": {"birthday": "1980-05-15", "preferred_contact": "phone"},
    }
    status, made = await send(server, "PUT", "crm/customers/cust_789", wanted)
    assert (status, made["id"]) == (200, "cust_789")
    assert {name: made[name] for name in wanted} == wanted
    _, changed = await send(
        server, "PUT", "crm/customers/cust_789", {"tags": [], "custom_fields": {"birthday": None, "size": 4}}
    )
    assert (changed["name"], changed["tags"]) == (NASTY, [])
    assert changed["custom_fields"] == {"preferred_contact": "phone", "size": 4}
    assert changed["created_at"] == made["created_at"]
    _, foreign = await send(server, "PUT", "crm/customers/cust_789", {"name": "Else"}, BOB)
    assert (foreign["name"], foreign["phone"]) == ("Else", "")  # another organization's row


@pytest.mark.parametrize(
    ("customer", "body"),
    [
        ("cust_new", {"phone": "+49301234567"}),
        ("cust_new", {"name": ""}),
        ("cust_new", {"name": "Max", "phone": "call me"}),
        ("cust_new", {"name": "Max", "email": "nobody"}),
        ("cust%20new", {"name": "Max"}),
        ("cust_1", {"name": 5}),
    ],
)
async def test_wrong_customers_are_refused(server: Server, customer: str, body: Any) -> None:
    status, answer = await send(server, "PUT", f"crm/customers/{customer}", body)
    assert (status, answer["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_interactions_belong_to_a_customer_of_the_organization(server: Server) -> None:
    wanted = {
        "customer_id": "cust_1",
        "type": "phone_call",
        "channel": "inbound",
        "duration": 180,
        "outcome": "appointment_scheduled",
        "notes": NASTY,
        "metadata": {"call_id": "call_987", "agent_id": "agent_123"},
    }
    status, made = await send(server, "POST", "crm/interactions", wanted)
    assert status == 201
    assert {name: made[name] for name in wanted} == wanted
    assert (await send(server, "POST", "crm/interactions", wanted | {"customer_id": "cust_no"}))[0] == 404
    assert (await send(server, "POST", "crm/interactions", wanted, BOB))[0] == 404
    assert (await send(server, "POST", "crm/interactions", wanted | {"duration": -1}))[0] == 422
    assert (await send(server, "POST", "crm/interactions", {"customer_id": "cust_1"}))[0] == 422


# --- booking --------------------------------------------------------------------------------------


async def test_an_appointment_is_booked_once(server: Server) -> None:
    wanted = {
        "customer_id": "cust_1",
        "resource_id": "chair_1",
        "start": "2030-01-23T10:00:00Z",
        "duration": 60,
        "type": "consultation",
        "notes": "Erstberatung zum Thema Versicherungen",
    }
    status, made = await send(server, "POST", "calendar/appointments", wanted)
    assert status == 201
    assert {name: made[name] for name in wanted} == wanted
    assert (made["end"], made["customer_name"]) == ("2030-01-23T11:00:00Z", "Max")
    status, answer = await send(server, "POST", "calendar/appointments", wanted)
    assert (status, answer["error"]["code"]) == (409, "VALIDATION_ERROR")
    stranger = await send(server, "POST", "calendar/appointments", wanted | {"customer_id": "cust_no"})
    assert stranger[0] == 404  # whether the time is free is told of one's own customers only
    _, slots = await send(
        server, "GET", "calendar/availability?start_date=2030-01-23&end_date=2030-01-23&resource_id=chair_1"
    )
    assert wanted["start"] not in [slot["start"] for slot in slots["available_slots"]]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"customer_id": "cust_no"}, 404),
        ({"resource_id": "chair_no"}, 404),
        ({"start": "soon"}, 422),
        ({"duration": 0}, 422),
        ({"start": "2020-01-23T10:00:00Z"}, 409),
        ({"start": "2030-01-23T23:00:00Z"}, 409),
    ],
)
async def test_appointments_that_cannot_be_are_refused(server: Server, change: dict[str, Any], status: int) -> None:
    wanted = {"customer_id": "cust_1", "resource_id": "chair_1", "start": "2030-01-23T10:00:00Z", "duration": 60}
    assert (await send(server, "POST", "calendar/appointments", wanted | change))[0] == status


async def test_without_a_duration_the_service_says_how_long(server: Server) -> None:
    wanted = {"customer_id": "cust_1", "start": "2030-01-23T10:00:00Z", "type": "check-up"}
    _, made = await send(server, "POST", "calendar/appointments", wanted)
    assert made["duration"] == 30


# --- the whole document ---------------------------------------------------------------------------

DOCUMENTED = """
POST auth/login · POST auth/refresh · POST auth/logout · GET organizations · POST organizations
GET agents/{agent_id} · PUT agents/{agent_id} · POST calls/outbound/start · GET calls/{call_id} · GET calls
POST audio/stt · POST audio/tts · POST conversation/start · POST conversation/{conversation_id}/message
GET calendar/availability · POST calendar/appointments · POST knowledge · POST knowledge/search
PUT crm/customers/{customer_id} · POST crm/interactions · GET monitoring/metrics · GET monitoring/analytics
POST gdpr/export · POST gdpr/delete · POST webhooks
"""


async def test_every_documented_operation_is_described_and_needs_a_token(server: Server) -> None:
    spec = await (await server.client.get("/openapi.json")).json()
    operations = [line.strip().split() for line in DOCUMENTED.replace("\n", "·").split("·") if line.strip()]
    assert len(operations) == 25  # and the media socket
    for method, path in operations:
        described = spec["paths"][f"/api/v1/{path}"][method.lower()]
        assert {"429", "500"} <= set(described["responses"])
        if path == "auth/login":
            continue
        response = await server.client.request(method, re.sub(r"{\w+}", "x", f"/api/v1/{path}"))
        body = await response.json()
        assert (response.status, body["error"]["code"]) == (401, "AUTHENTICATION_ERROR"), path
    upload = spec["paths"]["/api/v1/audio/stt"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert upload["properties"]["file"]["contentMediaType"] == "application/octet-stream"
    assert upload["required"] == ["file"]
    assert {"/audio/{name}", "/exports/{export_id}.json", "/recordings/{recording_id}.wav"} <= set(spec["paths"])
