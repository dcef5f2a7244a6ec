"""Document 003, webhooks: what a subscriber is told, and how it is signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer
from api_server import Server
from crm_desk import BOB, DORA, login

from pipelines.events import EndReason

SECRET = "your_webhook_secret ü"


async def organization_uid(server: Server) -> str:
    async with server.database.read() as connection:
        query = sa.text("SELECT uid FROM organizations WHERE external_id = 'org_one'")
        return str((await connection.execute(query)).scalar_one())


@pytest.fixture
async def inbox() -> AsyncIterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    async def hook(request: web.Request) -> web.Response:
        received.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    listening = TestServer(app)
    await listening.start_server()
    yield str(listening.make_url("/hook")), received
    await listening.close()


async def ended_call(server: Server) -> str:
    journal = server.log.open(
        await server.agents.get(await organization_uid(server), "agent_1"),
        from_number="+491701111111",
        to_number="+49309876543",
    )
    journal.answered()
    journal.ended(EndReason.CALLER_HANGUP, 10.0)
    await server.writer.flush()
    return journal.call.external_id


async def test_a_webhooks_signature_is_a_member_of_its_body(server: Server, inbox: tuple[str, list[bytes]]) -> None:
    url, received = inbox
    crm, bob = await login(server), await login(server, BOB)
    events = ["deal.created", "deal.updated", "lead.scored", "call.completed", "invoice.paid"]
    wanted = {"url": url, "secret": SECRET, "events": events}
    made = await crm.made("/webhooks", wanted)
    assert (made["url"], made["events"], made["active"]) == (url, events, True)
    assert "secret" not in made
    assert isinstance(made["id"], int)
    await bob.made("/webhooks", wanted)
    listed = await crm.get("/webhooks")
    assert listed["data"] == [made]
    assert listed["meta"] == {"page": 1, "per_page": 20, "total": 1, "total_pages": 1}
    assert (await crm.get("/webhooks", page=2, per_page=1))["data"] == []
    call_id = await ended_call(server)
    await server.dealings.courier.step()
    await server.dealings.courier.idle()
    [raw] = received
    body = json.loads(raw)
    assert set(body) == {"event", "timestamp", "data", "signature"}
    assert body["event"] == "call.completed"
    assert body["timestamp"].endswith("Z")
    assert body["data"] == {
        "call_id": call_id,
        "agent_id": "agent_1",
        "direction": "inbound",
        "status": "completed",
        "duration": body["data"]["duration"],
        "from_number": "+491701111111",
        "to_number": "+49309876543",
        "metadata": body["data"]["metadata"],
        "organization_id": crm.user["organization_id"],
    }
    assert isinstance(body["data"]["duration"], int)
    signature = body.pop("signature")
    for sort_keys in (True, False):
        rest = json.dumps(body, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False).encode()
        assert signature == "sha256=" + hmac.new(SECRET.encode(), rest, hashlib.sha256).hexdigest()
    assert json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == raw


async def test_a_webhook_without_a_secret_gets_one_and_wrong_ones_are_refused(server: Server) -> None:
    crm, dora = await login(server), await login(server, DORA)
    wanted = {"url": "https://your-app.example/hook", "events": ["call.completed"]}
    assert (await crm.made("/webhooks", wanted))["secret"].startswith("whsec_")
    for field, value in (("events", []), ("events", ["call.ended"]), ("events", "call.completed"), ("url", "ftp://x")):
        error = await crm.refused("POST", "/webhooks", 400, "VALIDATION_ERROR", json=wanted | {field: value})
        assert error["details"]["field"].startswith(field)
    await dora.refused("POST", "/webhooks", 403, "AUTHORIZATION_FAILED", json=wanted)
