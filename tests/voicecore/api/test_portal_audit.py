"""Document 000 "Audit Logs": every change through any surface is on record, with its risk and without secrets."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

from api_server import Server, Start
from portal_member import PASSWORD, Member, hired, login, register

MEMBERS = {
    "id",
    "user_id",
    "user",
    "action",
    "model_type",
    "model_id",
    "risk_level",
    "changes",
    "ip_address",
    "user_agent",
    "source",
    "created_at",
}


async def actions(member: Member, **query: Any) -> list[str]:
    """The newest first."""
    return [entry["action"] for entry in (await member.get("/audit-logs", per_page=100, **query))["data"]]


async def test_changes_are_on_record_with_who_and_what(server: Server) -> None:
    boss = await register(server)
    body = {"company": {"name": "New"}, "notifications": {"daily_summary": False}}
    await boss.ask("PUT", "/settings", 200, json=body)
    await boss.get("/settings")
    await boss.refused("PUT", "/settings", 422, json={"company": {"timezone": "Mars"}})
    page = await boss.get("/audit-logs")
    assert page["meta"]["total"] == 2
    assert set(page["links"]) == {"first", "last", "prev", "next"}
    entry = page["data"][0]
    assert set(entry) == MEMBERS
    assert entry == entry | {
        "user_id": boss.user["id"],
        "user": {"id": boss.user["id"], "name": "John Doe", "email": "john@company.example"},
        "action": "settings.updated",
        "model_type": "settings",
        "risk_level": "medium",
        "changes": body,
        "ip_address": "127.0.0.1",
        "source": "portal",
    }
    assert [one["action"] for one in page["data"]] == ["settings.updated", "user.registered"]


async def test_no_secret_is_on_record(server: Server) -> None:
    boss = await register(server)
    secret = "a-secret-of-webhooks"
    hook = {"url": "https://hooks.example/x", "events": ["call.ended"], "secret": secret}
    made = await boss.ask("POST", "/webhooks", 201, json=hook)
    enrolment = await boss.ask("POST", "/security/2fa/enable", 200)
    invited = await boss.ask("POST", "/team/invite", 201, json={"email": "jane@company.example"})
    page = await boss.get("/audit-logs", per_page=100)
    text = json.dumps(page)
    for hidden in (secret, PASSWORD, enrolment["secret"], enrolment["recovery_codes"][0], invited["invitation_token"]):
        assert hidden not in text
    entry = next(one for one in page["data"] if one["action"] == "webhook.created")
    assert entry["changes"] == hook | {"secret": "[redacted]"}
    assert entry["model_id"] == str(made["id"])


async def test_other_surfaces_write_into_the_same_trail(server: Server) -> None:
    ada = await login(server, "ada@one.example", "ada-password")
    headers = await server.headers()
    client = server.client
    assert (await client.put("/api/v1/agents/agent_1", json={"name": "Desk"}, headers=headers)).status == 200
    customer = {"name": "Max Private", "email": "max@private.example"}
    response = await client.put("/api/v1/crm/customers/cust_9", json=customer, headers=headers)
    assert response.status in (200, 201), await response.text()
    entries = (await ada.get("/audit-logs", per_page=100))["data"]
    of_agent = next(one for one in entries if one["action"] == "agent.updated")
    assert (of_agent["model_id"], of_agent["source"], of_agent["changes"]) == ("agent_1", "vocaliq", {"name": "Desk"})
    of_customer = next(one for one in entries if one["model_id"] == "cust_9")
    assert of_customer["changes"] == {"name": None, "email": None}  # which members, and nothing of the person
    stranger = await register(server)
    assert {one["user_id"] for one in (await stranger.get("/audit-logs"))["data"]} == {stranger.user["id"]}


async def test_failed_logins_and_refusals_are_on_record(server: Server) -> None:
    ada = await login(server, "ada@one.example", "ada-password")
    dora = await login(server, "dora@one.example", "dora-password")
    body = {"email": "dora@one.example", "password": "guessed-password"}
    await Member(server).refused("POST", "/auth/login", 401, json=body)
    await dora.refused("DELETE", "/team/1", 403)
    entries = (await ada.get("/audit-logs", user_id=dora.user["id"]))["data"]
    assert [(one["action"], one["model_type"], one["risk_level"]) for one in entries] == [
        ("access.denied", "team_member", "high"),
        ("session.login_failed", "session", "medium"),
        ("session.login", "session", "low"),
    ]
    assert entries[0]["changes"] == {"attempted": "team_member.deleted"}
    assert (await dora.refused("GET", "/audit-logs", 403))["code"] == "UNAUTHORIZED"


async def test_the_trail_is_narrowed(server: Server) -> None:
    boss = await register(server)
    jane = await hired(boss, "jane@company.example", role="manager")
    await jane.ask("PUT", "/settings", 200, json={})
    await boss.ask("DELETE", f"/team/{jane.user['id']}", 200)
    today = datetime.now(UTC).date().isoformat()
    assert await actions(boss, user_id=jane.user["id"]) == ["settings.updated", "session.login"]
    assert await actions(boss, action="team_member.deleted") == ["team_member.deleted"]
    assert await actions(boss, model_type="team_member") == ["team_member.deleted", "team_member.invite"]
    assert await actions(boss, risk_level="high") == ["team_member.deleted", "team_member.invite"]
    assert len(await actions(boss, date_from=today, date_to=today)) == len(await actions(boss))
    assert await actions(boss, date_to="2020-01-01") == []
    for query in ("risk_level=huge", "date_from=yesterday", "user_id=x", "date_from=2026-02-01&date_to=2026-01-01"):
        assert (await boss.refused("GET", f"/audit-logs?{query}", 422))["details"]


async def test_the_trail_is_exported(server: Server) -> None:
    boss = await register(server)
    await boss.ask("PUT", "/settings", 200, json={"company": {"name": 'Quote " , line'}})
    today = datetime.now(UTC).date().isoformat()
    body = {"format": "csv", "date_from": today, "date_to": today}
    made = await boss.ask("POST", "/audit-logs/export", 200, json=body)
    assert set(made) == {"download_url", "expires_at"}
    file = await server.client.session.get(made["download_url"])
    assert file.status == 200
    rows = list(csv.DictReader(io.StringIO(await file.text(), newline="")))
    assert [row["action"] for row in rows] == ["settings.updated", "user.registered"]
    assert json.loads(rows[0]["changes"]) == {"company": {"name": 'Quote " , line'}}
    assert rows[0]["user_email"] == "john@company.example"
    made = await boss.ask("POST", "/audit-logs/export", 200, json=body | {"format": "json"})
    exported = await (await server.client.session.get(made["download_url"])).json(content_type=None)
    assert [one["action"] for one in exported] == ["audit_log.export", "settings.updated", "user.registered"]
    await boss.refused("POST", "/audit-logs/export", 422, json=body | {"format": "exe"})


async def test_ten_exports_an_hour(start: Start) -> None:
    server = await start(relaxed=False)
    boss = await register(server)
    headers = {"Authorization": f"Bearer {boss.token}"}
    for left in range(9, -1, -1):
        answer = await server.client.post("/api/v2/portal/audit-logs/export", json={}, headers=headers)
        assert answer.status == 200
        assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("10", str(left))
    assert (await boss.refused("POST", "/audit-logs/export", 429, json={}))["code"] == "RATE_LIMITED"
    response = await server.client.get("/api/v2/portal/team", headers=headers)
    assert response.headers["X-RateLimit-Limit"] == "60"
