"""Document 000 "Settings" and "Billing": what a company says of itself, and what it used."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import Server
from portal_member import Member, login, register


async def test_settings_have_every_member_from_the_beginning(server: Server) -> None:
    member = await register(server)
    settings = await member.get("/settings")
    assert settings == {
        "company": {
            "id": member.user["company_id"],
            "name": "ACME Corp",
            "logo_url": "",
            "website": "",
            "phone": "+49123456789",
            "timezone": "UTC",
            "currency": "EUR",
            "language": "en",
        },
        "notifications": {
            "email_notifications": True,
            "sms_notifications": False,
            "appointment_reminders": True,
            "daily_summary": True,
        },
        "integrations": {
            "calcom": {"connected": False, "last_sync": None},
            "retell": {"connected": False, "agent_count": 0},
        },
        "features": settings["features"],
    }
    assert set(settings["features"]) == {"goals_enabled", "journey_enabled", "multi_branch", "custom_fields"}
    ada = await login(server, "ada@one.example", "ada-password")
    assert (await ada.get("/settings"))["integrations"]["retell"] == {"connected": True, "agent_count": 1}


async def test_what_is_not_sent_stays_on_both_levels(server: Server) -> None:
    member = await register(server)
    before = await member.get("/settings")
    body = {
        "company": {"name": "ACME Corporation 🦷", "timezone": "Europe/Berlin"},
        "notifications": {"email_notifications": False},
    }
    after = await member.ask("PUT", "/settings", 200, json=body)
    assert after["company"] == before["company"] | body["company"]
    assert after["notifications"] == before["notifications"] | body["notifications"]
    again = {"company": {"website": "https://acme.example", "currency": "USD", "language": "de"}}
    await member.ask("PUT", "/settings", 200, json=again)
    await member.ask("PUT", "/settings", 200, json={})
    settings = await member.get("/settings")
    assert settings["company"] == after["company"] | again["company"]
    assert settings["notifications"] == after["notifications"]
    back = await login(server, member.user["email"])
    company = (await back.ask("POST", "/auth/refresh", 200))["company"]
    assert company["name"] == "ACME Corporation 🦷"
    assert isinstance(company["settings"], dict)


@pytest.mark.parametrize(
    ("company", "field"),
    [
        ({"name": " "}, "company.name"),
        ({"timezone": "Mars/Olympus"}, "company.timezone"),
        ({"website": "javascript:alert(1)"}, "company.website"),
        ({"currency": "euro"}, "company.currency"),
        ({"language": "DEUTSCH!"}, "company.language"),
        ({"name": None}, "company.name"),
    ],
)
async def test_wrong_settings_change_nothing(server: Server, company: dict[str, Any], field: str) -> None:
    member = await register(server)
    before = await member.get("/settings")
    body = {"company": {"phone": "+4930", **company}, "notifications": {"daily_summary": False}}
    error = await member.refused("PUT", "/settings", 422, json=body)
    assert set(error["details"]) == {field}
    assert await member.get("/settings") == before


async def test_a_flag_is_true_or_false(server: Server) -> None:
    member = await register(server)
    error = await member.refused("PUT", "/settings", 422, json={"notifications": {"daily_summary": 1}})
    assert set(error["details"]) == {"notifications.daily_summary"}


async def test_usage_is_the_calls_and_their_minutes(server: Server) -> None:
    ada = await login(server, "ada@one.example", "ada-password")
    usage = await ada.get("/billing/usage", date_from="2026-01-01", date_to="2026-01-31")
    assert usage["period"] == {"from": "2026-01-01", "to": "2026-01-31"}
    calls = await ada.get("/calls", date_from="2026-01-01", date_to="2026-01-31", per_page=100)
    assert usage["total_calls"] == calls["meta"]["total"] > 0
    assert usage["total_minutes"] == round(sum(call["duration"] for call in calls["data"]) / 60, 2)
    assert usage["total_calls"] == usage["inbound_calls"] + usage["outbound_calls"]
    nothing = await ada.get("/billing/usage", period="today")
    assert (nothing["total_calls"], nothing["total_minutes"]) == (0, 0.0)
    dora = await login(server, "dora@one.example", "dora-password")
    await dora.refused("GET", "/billing/usage", 403)
    await Member(server).refused("GET", "/billing/usage", 401)
