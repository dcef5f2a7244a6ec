"""Document 003, contacts, their activities, and the operations that come later."""

from __future__ import annotations

from typing import Any

from api_server import Server
from crm_desk import ADA, BOB, CONTACT, DORA, Crm, login

from voicecore.api.crm import later
from voicecore.domain import instants
from voicecore.services.seed_format import SeedCall, SeedFile, SeedOrganization
from voicecore.services.seeding import Seeder

AT = instants.parse("2026-02-01T10:00:00Z", instants.zone("UTC"))
LATER = [(route.method, route.path.removeprefix("/api")) for route in later.routes()]


async def test_a_contact_comes_back_as_it_was_given(server: Server) -> None:
    crm = await login(server)
    made = await crm.made("/contacts", CONTACT)
    assert isinstance(made["id"], int)
    assert {name: made[name] for name in CONTACT} == CONTACT
    assert instants.parse(made["created_at"], instants.zone("UTC")) <= instants.now()
    assert made["created_at"].endswith("Z")
    listed = await crm.get("/contacts")
    assert listed["data"][0] == made
    assert listed["meta"] == {"page": 1, "per_page": 20, "total": 2, "total_pages": 1}
    assert await crm.get(f"/contacts/{made['id']}") == {"success": True, "data": made}
    bare = await crm.made("/contacts", {"name": "Jürgen 🦷 Müller"})
    assert (bare["name"], bare["email"], bare["company"]) == ("Jürgen 🦷 Müller", None, None)


async def test_pages_of_contacts(server: Server) -> None:
    crm = await login(server)
    ids = [(await crm.made("/contacts", {"name": f"Contact {index}"}))["id"] for index in range(4)]
    newest = await crm.get("/contacts", page=1, per_page=2)
    assert [row["id"] for row in newest["data"]] == [ids[3], ids[2]]
    assert newest["meta"] == {"page": 1, "per_page": 2, "total": 5, "total_pages": 3}
    assert [row["name"] for row in (await crm.get("/contacts", page=3, per_page=2))["data"]] == ["Max"]
    assert (await crm.get("/contacts", page=9))["data"] == []
    for query in ({"page": 0}, {"per_page": 0}, {"per_page": 101}, {"page": "x"}):
        await crm.refused("GET", "/contacts", 400, "VALIDATION_ERROR", params=query)


async def test_wrong_contacts_name_the_field(server: Server) -> None:
    crm = await login(server)
    changes: list[tuple[str, Any]] = [("name", ""), ("name", None), ("name", "  "), ("phone", "abc"), ("email", "a b")]
    for field, value in [*changes, ("company", 5), ("title", [])]:
        error = await crm.refused("POST", "/contacts", 400, "VALIDATION_ERROR", json=CONTACT | {field: value})
        assert error["details"]["field"] == field
        assert error["details"]["reason"]
    missing = {name: value for name, value in CONTACT.items() if name != "name"}
    error = await crm.refused("POST", "/contacts", 400, "VALIDATION_ERROR", json=missing)
    assert error["details"] == {"field": "name", "reason": "required"}


async def test_activities_are_interactions_calls_and_appointments_of_the_contact(server: Server) -> None:
    crm = await login(server)
    max_id = (await crm.get("/contacts"))["data"][0]["id"]  # of the seed: +49301234567
    headers = await server.headers(ADA)
    logged = {"customer_id": "cust_1", "type": "email", "channel": "email", "outcome": "sent", "notes": "Offer"}
    assert (await server.client.post("/api/v1/crm/interactions", json=logged, headers=headers)).status == 201
    found = await crm.get(f"/contacts/{max_id}/activities")
    assert {row["type"] for row in found["data"]} == {"email", "call", "appointment"}
    assert found["meta"]["total"] == len(found["data"]) == 3
    assert found["data"] == sorted(found["data"], key=lambda row: row["created_at"], reverse=True)
    call = next(row for row in found["data"] if row["type"] == "call")
    assert (call["call_id"], call["direction"], call["status"], call["duration"]) == (
        "call_1", "inbound", "completed", 180,
    )  # fmt: skip
    assert {row["contact_id"] for row in found["data"]} == {max_id}
    mail = next(row for row in found["data"] if row["type"] == "email")
    assert (mail["notes"], mail["status"], mail["call_id"]) == ("Offer", "sent", None)
    second = await crm.get(f"/contacts/{max_id}/activities", page=2, per_page=2)
    assert second["data"] == found["data"][2:]
    same_number = await crm.made("/contacts", CONTACT | {"phone": "0049 (30) 1234567"})
    rows = (await crm.get(f"/contacts/{same_number['id']}/activities"))["data"]
    assert [row["call_id"] for row in rows if row["type"] == "call"] == ["call_1"]


async def test_a_call_with_a_contact_is_an_activity_whatever_its_number(server: Server) -> None:
    with_him = SeedCall(id="call_other", started_at=AT, duration_s=5, from_number="+4915112345678", customer="cust_1")
    of_nobody = SeedCall(id="call_nobody", started_at=AT, duration_s=5, from_number="+4915112345678")
    one = SeedOrganization(id="org_one", name="One Dental", timezone="Europe/Berlin", calls=(with_him, of_nobody))
    await Seeder(server.database, server.passwords).apply(SeedFile(organizations=(one,)), source="test")
    crm = await login(server)
    max_id = (await crm.get("/contacts"))["data"][-1]["id"]
    rows = (await crm.get(f"/contacts/{max_id}/activities"))["data"]
    assert [row["call_id"] for row in rows if row["type"] == "call"] == ["call_other", "call_1"]


async def test_a_strangers_contact_looks_missing(server: Server) -> None:
    ada, bob = await login(server), await login(server, BOB)
    made = await ada.made("/contacts", CONTACT)
    for path in (f"/contacts/{made['id']}", f"/contacts/{made['id']}/activities"):
        foreign = await bob.refused("GET", path, 404, "RESOURCE_NOT_FOUND")
        for missing in ("999999", "x", "0", "-1", "9" * 30, "٣"):
            other = path.replace(str(made["id"]), missing)
            assert await ada.refused("GET", other, 404, "RESOURCE_NOT_FOUND") == foreign
    assert made["id"] not in [row["id"] for row in (await bob.get("/contacts"))["data"]]


async def test_what_comes_later_says_so_in_the_envelope(server: Server) -> None:
    crm, nobody = await login(server, DORA), Crm(server)
    assert len(LATER) == 20  # 18 of the document, and two that its samples imply
    for method, path in LATER:
        concrete = path.replace("{id}", "1").replace("{deal_id}", "1")
        error = await crm.refused(method, concrete, 503, "NOT_AVAILABLE_YET", json={})
        assert error["message"] == "Not available yet"
        if path != "/webhooks/stripe":
            await nobody.refused(method, concrete, 401, "AUTHENTICATION_FAILED", json={})
