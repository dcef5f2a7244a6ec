"""Document 000: customers with what follows from their appointments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api_server import Server
from portal_company import seeded
from portal_member import Member, hired


async def number(member: Member, name: str) -> int:
    [row] = (await member.get("/customers", search=name))["data"]
    return int(row["id"])


async def test_one_customer_is_the_documents(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    seq = await number(boss, "Mustermann")
    customer = await boss.get(f"/customers/{seq}")
    assert customer | {"timeline": [], "created_at": ""} == {
        "id": seq,
        "name": "Max Mustermann",
        "email": "max@example.com",
        "phone": "+49123456789",
        "address": {"street": "Hauptstraße 1", "city": "Berlin", "postal_code": "10115", "country": "DE"},
        "journey": {
            "current_stage": "customer",
            "stage_entered_at": "2026-01-05T09:00:00Z",
            "lifetime_value": 280.5,
            "total_appointments": 5,
            "risk_score": 0.3,
            "engagement_score": customer["journey"]["engagement_score"],
        },
        "stats": {
            "first_appointment": "2026-01-05T09:00:00Z",
            "last_appointment": "2026-01-21T09:00:00Z",
            "total_spent": 280.5,
            "average_spend": 56.1,
            "no_show_count": 1,
            "cancellation_count": 1,
        },
        "timeline": [],
        "tags": ["vip", "prefers_morning"],
        "notes": "Excellent customer, always on time",
        "created_at": "",
    }
    assert 0 <= customer["journey"]["engagement_score"] <= 1
    events = [event["event"] for event in customer["timeline"]]
    assert events.count("appointment_booked") == 5
    assert events.count("call") == 2
    stamps = [event["timestamp"] for event in customer["timeline"]]
    assert stamps == sorted(stamps, reverse=True)
    foreign = await number(eve, "Fremd")
    for name in (foreign, 0, "x", "-1", 10**12, "%00"):
        await boss.refused("GET", f"/customers/{name}", 404)
    nobody = await boss.get(f"/customers/{await number(boss, 'Zoë')}")
    assert nobody["stats"]["average_spend"] == 0
    assert nobody["stats"]["last_appointment"] is None
    assert nobody["journey"]["current_stage"] == "lead"
    assert nobody["timeline"] == []
    assert nobody["address"] == {"street": "", "city": "", "postal_code": "", "country": ""}


async def test_the_list_is_narrowed_and_sorted(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    page = await boss.get("/customers")
    assert page["data"][1] == {
        "id": page["data"][1]["id"],
        "name": "Max Mustermann",
        "email": "max@example.com",
        "phone": "+49123456789",
        "journey_stage": "customer",
        "risk_level": "medium",
        "risk_score": 0.3,
        "lifetime_value": 280.5,
        "total_appointments": 5,
        "last_appointment": "2026-01-21T09:00:00Z",
        "tags": ["vip", "prefers_morning"],
        "created_at": page["data"][1]["created_at"],
    }
    assert (page["meta"]["total"], page["meta"]["last_page"]) == (3, 1)
    max_, erika, zoe = "Max Mustermann", "Erika Beispiel", "Zoë 100%_sure"
    for query, expected in (
        ({}, [erika, max_, zoe]),
        ({"sort_by": "name"}, [erika, max_, zoe]),
        ({"sort_by": "name", "sort_order": "desc"}, [zoe, max_, erika]),
        ({"sort_by": "lifetime_value"}, [max_, erika, zoe]),
        ({"sort_by": "last_appointment"}, [erika, max_, zoe]),
        ({"sort_by": "last_appointment", "sort_order": "asc"}, [max_, erika, zoe]),
        ({"sort_by": "created_at", "sort_order": "asc"}, [max_, erika, zoe]),
        ({"search": "MUSTER"}, [max_]),
        ({"search": "max@example"}, [max_]),
        ({"search": "0123 456"}, [max_]),
        ({"search": "100%_s"}, [zoe]),
        ({"search": "_"}, [zoe]),
        ({"search": "' OR '4'='4"}, []),
        ({"journey_stage": "customer"}, [erika, max_]),
        ({"journey_stage": "lead"}, [zoe]),
        ({"journey_stage": "vip"}, []),
        ({"journey_stage": "unheard_of"}, []),
        ({"risk_level": "medium"}, [max_]),
        ({"risk_level": "low"}, [erika, zoe]),
        ({"risk_level": "high"}, []),
        ({"has_appointments": "true"}, [erika, max_]),
        ({"has_appointments": "false"}, [zoe]),
    ):
        rows = (await boss.get("/customers", **query))["data"]
        assert [row["name"] for row in rows] == expected, query
    second = await boss.get("/customers", per_page=1, page=2, search="e")
    assert len(second["data"]) == 1
    assert "search=e" in second["links"]["first"]
    for query in ({"risk_level": "huge"}, {"has_appointments": "maybe"}, {"sort_by": "age"}, {"per_page": 101}):
        await boss.refused("GET", "/customers", 422, params=query)
    assert [row["name"] for row in (await eve.get("/customers"))["data"]] == ["Max Fremd"]


async def test_changing_a_customer_keeps_the_rest(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    path = f"/customers/{await number(boss, 'Mustermann')}"
    old = await boss.get(path)
    body: dict[str, Any] = {
        "name": "Max Mustermann-Groß",
        "email": "max.new@example.com",
        "tags": ["vip", "prefers_morning", "birthday_discount"],
    }
    new = await boss.ask("PUT", path, 200, json=body)
    assert new == old | body == await boss.get(path)
    moved = await boss.ask("PUT", path, 200, json={"address": {"city": "Köln"}, "notes": "", "tags": []})
    assert moved == new | {"address": old["address"] | {"city": "Köln"}, "notes": "", "tags": []}
    assert (await boss.get("/calls"))["data"][0]["customer"]["name"] == "Max Mustermann-Groß"
    assert (await boss.get("/appointments"))["data"][0]["customer"]["name"] == "Max Mustermann-Groß"
    for wrong, field in (
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"email": "nobody"}, "email"),
        ({"phone": "call me"}, "phone"),
        ({"tags": "vip"}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"address": "Berlin"}, "address"),
    ):
        error = await boss.refused("PUT", path, 422, json=wrong)
        assert [name.partition("[")[0] for name in error["details"]] == [field], wrong
    assert await boss.get(path) == moved
    await eve.refused("PUT", path, 404, json=body)
    staff = await hired(boss, "staff@acme.example", role="staff", permissions=["customers.view"])
    assert (await staff.get(path))["name"] == "Max Mustermann-Groß"
    assert (await staff.refused("PUT", path, 403, json=body))["code"] == "UNAUTHORIZED"
    assert (await staff.refused("GET", "/calls", 403))["code"] == "UNAUTHORIZED"
