"""Document 000 "Webhooks": subscribing, and signed messages of calls and appointments."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from api_server import Server
from portal_member import login, register

from pipelines.events import EndReason
from voicecore.domain.calls import Direction

SECRET = "your-webhook-secret ü"
EVENTS = ["call.received", "call.ended", "appointment.created", "appointment.cancelled"]


class Inbox:
    """A client's own server."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        self.server = TestServer(app)

    async def _hook(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        return web.Response()

    @property
    def url(self) -> str:
        return str(self.server.make_url("/hook"))

    def messages(self) -> list[Any]:
        return [json.loads(body) for _, body in self.requests]


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    made = Inbox()
    await made.server.start_server()
    yield made
    await made.server.close()


async def deliver(server: Server) -> None:
    await server.writer.flush()
    await server.dealings.courier.step()
    await server.dealings.courier.idle()


async def test_a_webhook_is_registered_listed_and_deleted(server: Server, inbox: Inbox) -> None:
    boss = await register(server)
    made = await boss.ask("POST", "/webhooks", 201, json={"url": inbox.url, "events": EVENTS, "secret": SECRET})
    assert made == {
        "id": made["id"],
        "url": inbox.url,
        "events": EVENTS,
        "active": True,
        "created_at": made["created_at"],
    }
    unnamed = await boss.ask("POST", "/webhooks", 201, json={"url": inbox.url, "events": ["call.ended"]})
    assert len(unnamed.pop("secret")) >= 32  # told this once
    page = await boss.get("/webhooks", per_page=1)
    assert page["data"] == [made]
    assert page["meta"]["total"] == 2
    assert (await boss.get("/webhooks", per_page=1, page=2))["data"] == [unnamed]
    stranger = await register(server, "eve@other.example")
    assert (await stranger.get("/webhooks"))["data"] == []
    await stranger.refused("DELETE", f"/webhooks/{made['id']}", 404)
    await boss.ask("DELETE", f"/webhooks/{made['id']}", 200)
    await boss.refused("DELETE", f"/webhooks/{made['id']}", 404)
    for wrong in ({"events": ["call.flown"]}, {"events": []}, {"url": "ftp://x"}, {"url": ""}):
        body = {"url": inbox.url, "events": ["call.ended"]} | wrong
        assert (await boss.refused("POST", "/webhooks", 422, json=body))["details"], wrong


async def test_calls_are_announced_when_they_begin_and_end(server: Server, inbox: Inbox) -> None:
    ada = await login(server, "ada@one.example", "ada-password")
    await ada.ask("POST", "/webhooks", 201, json={"url": inbox.url, "events": EVENTS, "secret": SECRET})
    agent = await server.agents.get(await _company(server), "agent_1")
    journal = server.log.open(agent, from_number="+491701111111", to_number="+49309876543")
    journal.answered()
    await deliver(server)
    (headers, body), message = inbox.requests[0], inbox.messages()[0]
    assert message["event"] == headers["X-Portal-Event"] == "call.received"
    assert message["timestamp"].endswith("Z")
    assert message["data"]["phone_number"] == "+491701111111"
    assert message["data"]["status"] is None
    right = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Portal-Signature"] == f"sha256={right}"
    assert int(headers["X-Portal-Timestamp"]) > 1_700_000_000
    journal.ended(EndReason.CALLER_HANGUP, 10.0)
    await deliver(server)
    assert inbox.messages()[1]["event"] == "call.ended"
    ended = inbox.messages()[1]["data"]
    detail = await ada.get(f"/calls/{ended['id']}")
    assert (detail["uuid"], detail["status"], detail["duration"]) == (
        ended["uuid"],
        ended["status"],
        ended["duration"],
    )
    server.log.open(agent, from_number="+49309876543", to_number="+491701111111", direction=Direction.OUTBOUND)
    await deliver(server)
    assert len(inbox.requests) == 2  # nobody called us


async def test_appointments_are_announced_when_they_are_made_and_cancelled(server: Server, inbox: Inbox) -> None:
    ada = await login(server, "ada@one.example", "ada-password")
    await ada.ask("POST", "/webhooks", 201, json={"url": inbox.url, "events": EVENTS, "secret": SECRET})
    booking = {"customer_id": "cust_1", "resource_id": "chair_1", "start": "2030-01-23T10:00:00Z", "duration": 60}
    headers = await server.headers()
    response = await server.client.post("/api/v1/calendar/appointments", json=booking, headers=headers)
    assert response.status == 201, await response.text()
    await deliver(server)
    made = inbox.messages()[0]
    assert (made["event"], made["data"]["scheduled_at"]) == ("appointment.created", "2030-01-23T10:00:00Z")
    assert (made["data"]["end_at"], made["data"]["status"]) == ("2030-01-23T11:00:00Z", "scheduled")
    path, reason = f"/appointments/{made['data']['id']}/cancel", {"reason": "Customer cancelled"}
    await ada.ask("POST", path, 200, json=reason | {"notify_customer": True})
    await deliver(server)
    cancelled = inbox.messages()[1]
    assert cancelled["event"] == "appointment.cancelled"
    facts = {name: value for name, value in made["data"].items() if name != "send_confirmation"}
    assert cancelled["data"] == facts | reason | {"status": "cancelled", "notify_customer": True}


async def test_another_surface_does_not_tell_of_these(server: Server, inbox: Inbox) -> None:
    ada = await login(server, "ada@one.example", "ada-password")
    await ada.ask("POST", "/webhooks", 201, json={"url": inbox.url, "events": ["call.received"], "secret": SECRET})
    server.log.open(await server.agents.get(await _company(server), "agent_1"), from_number="+4917", to_number="+4930")
    await deliver(server)
    headers = await server.headers()
    response = await server.client.get("/api/v1/webhooks/deliveries", headers=headers)
    assert (response.status, (await response.json())["total"]) == (200, 0)
    async with server.database.read() as connection:
        query = "SELECT external_id FROM webhook_deliveries"
        (delivery,) = (await connection.exec_driver_sql(query)).scalars()
    again = await server.client.post(f"/api/v1/webhooks/deliveries/{delivery}/redeliver", headers=headers)
    assert again.status == 404


async def _company(server: Server) -> str:
    async with server.database.read() as connection:
        query = "SELECT uid FROM organizations WHERE external_id = 'org_one'"
        return str((await connection.exec_driver_sql(query)).scalar_one())
