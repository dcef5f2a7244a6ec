"""Document 004, webhooks: announced with the fact, signed, tried again, given up, and never sent into our network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer
from api_server import Server

from pipelines.events import CallEvent, EndReason, EventKind
from voicecore.courier import standard_headers
from voicecore.destinations import Destinations
from voicecore.services.attempts import BACK_OFF_S
from voicecore.services.secret_store import SecretStore
from voicecore.services.webhooks import UNREADABLE

ADA, BOB, DORA = "ada@one.example", "bob@two.example", "dora@one.example"
SECRET = "your-webhook-secret ü"
BOOKING = {"customer_id": "cust_1", "resource_id": "chair_1", "start": "2030-01-23T10:00:00Z", "duration": 60}


class Receiver:
    """A client's own server; it answers what it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[dict[str, str], bytes]] = []
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        self.server = TestServer(app)

    async def _hook(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        headers = {"Location": "/elsewhere"} if self.status == 302 else None
        return web.Response(status=self.status, headers=headers)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/hook"))

    @property
    def payloads(self) -> list[Any]:
        return [json.loads(body) for _, body in self.requests]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.server.start_server()
    yield made
    await made.server.close()


async def send(server: Server, method: str, path: str, body: Any = None, who: str = ADA) -> tuple[int, Any]:
    headers = await server.headers(who)
    response = await server.client.request(method, f"/api/v1/{path}", headers=headers, json=body)
    return response.status, await response.json()


async def subscribe(server: Server, url: str, *events: str, **more: Any) -> dict[str, Any]:
    wanted = {"url": url, "events": list(events), "secret": SECRET, "active": True} | more
    status, body = await send(server, "POST", "webhooks", wanted)
    assert status == 201, body
    return dict(body)


async def deliver(server: Server) -> None:
    await server.writer.flush()
    await server.dealings.courier.step()
    await server.dealings.courier.idle()


async def deliveries(server: Server, **query: str) -> list[dict[str, Any]]:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    _, body = await send(server, "GET", f"webhooks/deliveries?{text}")
    return list(body["items"])


async def make_due(server: Server) -> None:
    async with server.database.write() as connection:
        await connection.execute(
            sa.text("UPDATE webhook_deliveries SET next_at = '2020-01-01 00:00:00.000000' WHERE next_at IS NOT NULL")
        )


async def finished_call(server: Server, *, failing: bool = False) -> str:
    agent = await server.agents.get((await org_uid(server)), "agent_1")
    journal = server.log.open(agent, from_number="+491701111111", to_number="+49309876543")
    journal.answered()
    if failing:
        data = {"stage": "llm", "provider": "openai", "error": "no answer"}
        journal.event(CallEvent(EventKind.STAGE_FAILED, 5.0, data=data))
    journal.recorded("2026/x.wav", rate_hz=8000, duration_ms=1000, size_bytes=10, peaks=None)
    journal.ended(EndReason.CALLER_HANGUP, 10.0)
    await server.writer.flush()
    return journal.call.external_id


async def org_uid(server: Server) -> str:
    async with server.database.read() as connection:
        query = sa.text("SELECT uid FROM organizations WHERE external_id = 'org_one'")
        return str((await connection.execute(query)).scalar_one())


async def test_a_booking_is_delivered_signed(server: Server, receiver: Receiver) -> None:
    made = await subscribe(server, receiver.url, "appointment.created")
    assert made["id"].startswith("wh_")
    assert "secret" not in made
    _, booked = await send(server, "POST", "calendar/appointments", BOOKING | {"type": "consultation"})
    await deliver(server)
    [(headers, body)] = receiver.requests
    payload = json.loads(body)
    assert set(payload) == {"event", "timestamp", "data"}
    assert payload["event"] == "appointment.created"
    assert payload["timestamp"].endswith("Z")
    assert payload["data"] == {
        "appointment_id": booked["id"],
        "customer_id": "cust_1",
        "start": "2030-01-23T10:00:00Z",
        "type": "consultation",
    }
    plain = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-VocalIQ-Signature"] == f"sha256={plain}"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    standard = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{standard}"
    assert [(row["id"], row["state"]) for row in await deliveries(server)] == [(headers["webhook-id"], "delivered")]
    await deliver(server)
    assert len(receiver.requests) == 1


async def test_a_finished_call_is_delivered_with_a_link_to_its_recording(server: Server, receiver: Receiver) -> None:
    await subscribe(server, receiver.url, "call.completed", "agent.error")
    call_id = await finished_call(server, failing=True)
    await deliver(server)
    by_event = {payload["event"]: payload["data"] for payload in receiver.payloads}
    assert set(by_event) == {"call.completed", "agent.error"}
    ended = by_event["call.completed"]
    assert (ended["call_id"], ended["status"], ended["duration"]) == (call_id, "completed", 0)
    assert "/recordings/rec_" in ended["recording_url"]
    assert ended["recording_url"].startswith(str(server.client.make_url("")))
    assert by_event["agent.error"]["call_id"] == call_id
    assert by_event["agent.error"]["error"]["stage"] == "llm"


async def test_only_what_was_asked_for_goes_to_whom_it_belongs(server: Server, receiver: Receiver) -> None:
    await subscribe(server, receiver.url, "call.completed")
    await subscribe(server, receiver.url, "appointment.created", active=False)
    wanted = {"url": receiver.url, "events": ["appointment.created"], "secret": "x"}
    assert (await send(server, "POST", "webhooks", wanted, BOB))[0] == 201
    assert (await send(server, "POST", "calendar/appointments", BOOKING))[0] == 201
    await deliver(server)
    assert receiver.requests == []


async def test_a_refused_booking_announces_nothing(server: Server, receiver: Receiver) -> None:
    await subscribe(server, receiver.url, "appointment.created")
    await send(server, "POST", "calendar/appointments", BOOKING)
    assert (await send(server, "POST", "calendar/appointments", BOOKING))[0] == 409
    await deliver(server)
    assert len(receiver.requests) == 1


async def test_a_failed_delivery_is_tried_again_later_and_given_up_in_the_end(
    server: Server, receiver: Receiver
) -> None:
    await subscribe(server, receiver.url, "appointment.created")
    await send(server, "POST", "calendar/appointments", BOOKING)
    receiver.status = 500
    await deliver(server)
    [row] = await deliveries(server)
    assert (row["state"], row["attempts"], row["last_status"]) == ("pending", 1, 500)
    await deliver(server)
    assert len(receiver.requests) == 1  # not before its time
    for _ in BACK_OFF_S:
        await make_due(server)
        await deliver(server)
    [row] = await deliveries(server, state="dead")
    assert (row["attempts"], row["next_attempt_at"]) == (len(BACK_OFF_S) + 1, None)
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    receiver.status = 204
    assert (await send(server, "POST", f"webhooks/deliveries/{row['id']}/redeliver", who=BOB))[0] == 404
    assert (await send(server, "POST", f"webhooks/deliveries/{row['id']}/redeliver"))[1]["state"] == "pending"
    await deliver(server)
    assert [r["state"] for r in await deliveries(server)] == ["delivered"]
    assert 23 * 3600 <= sum(BACK_OFF_S) <= 25 * 3600


async def test_redirects_are_not_followed_and_gone_is_final(server: Server, receiver: Receiver) -> None:
    await subscribe(server, receiver.url, "appointment.created")
    await send(server, "POST", "calendar/appointments", BOOKING)
    receiver.status = 302
    await deliver(server)
    assert [row["last_error"] for row in await deliveries(server)] == ["answered 302"]
    receiver.status = 410
    await make_due(server)
    await deliver(server)
    assert [row["state"] for row in await deliveries(server)] == ["dead"]


async def test_a_receiver_that_is_down_is_no_trouble(server: Server, receiver: Receiver) -> None:
    await subscribe(server, receiver.url, "appointment.created")
    await receiver.server.close()
    await send(server, "POST", "calendar/appointments", BOOKING)
    await deliver(server)
    [row] = await deliveries(server)
    assert (row["state"], row["last_status"]) == ("pending", None)
    assert row["last_error"]


async def test_a_secret_that_cannot_be_read_holds_up_nobody_else(server: Server, receiver: Receiver) -> None:
    await subscribe(server, receiver.url, "appointment.created")
    async with server.database.write() as connection:
        strange = SecretStore(server.database, [b"another key"]).seal(SECRET)
        await connection.execute(sa.text("UPDATE webhook_subscriptions SET sealed_secret = :it"), {"it": strange})
    await subscribe(server, receiver.url, "appointment.created")
    await send(server, "POST", "calendar/appointments", BOOKING)
    await deliver(server)
    assert len(receiver.requests) == 1
    found = {row["state"]: (row["attempts"], row["last_error"]) for row in await deliveries(server)}
    assert found == {"delivered": (1, ""), "pending": (1, UNREADABLE)}


async def test_a_secret_is_made_and_told_once_and_stored_sealed(server: Server, receiver: Receiver) -> None:
    made = await subscribe(server, receiver.url, "call.completed", secret="")
    assert (
        len(base64.b64decode(made["secret"].removeprefix("whsec_"), validate=True)) == 24
    )  # as receivers' libraries do
    async with server.database.read() as connection:
        stored = (await connection.execute(sa.text("SELECT sealed_secret FROM webhook_subscriptions"))).scalar_one()
    assert made["secret"] not in stored


@pytest.mark.parametrize(
    "change",
    [
        {"events": []},
        {"events": ["call.started"]},
        {"url": "ftp://example.com/x"},
        {"url": "https://"},
        {"url": "nonsense"},
        {"url": "https://user:pass@example.com/x"},
        {"url": "http://[::1"},
        {"url": 5},
    ],
)
async def test_wrong_webhooks_are_refused(server: Server, change: dict[str, Any]) -> None:
    wanted = {"url": "https://your-domain.example/hook", "events": ["call.completed"], "secret": "s"}
    status, body = await send(server, "POST", "webhooks", wanted | change)
    assert (status, body["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert (await send(server, "POST", "webhooks", wanted))[0] == 201
    assert (await send(server, "POST", "webhooks", wanted, DORA))[0] == 403


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "169.254.169.254", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
     "0.0.0.0", "[fd00::1]", "100.64.0.1", "2130706433", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b:1::7f00:1]",
     "localhost.", "any.LocalHost", "127.0.0.1.", "%31%32%37.0.0.1"],
)  # fmt: skip
async def test_private_destinations_are_refused_where_they_are_not_allowed(server: Server, host: str) -> None:
    webhooks = server.dealings.webhooks
    webhooks._check = Destinations(allow_private=False).check
    wanted = {"url": f"http://{host}:8080/hook", "events": ["call.completed"], "secret": "s"}
    status, body = await send(server, "POST", "webhooks", wanted)
    assert (status, body["error"]["details"][0]["field"]) == (422, "url")


async def test_a_name_that_changes_its_mind_is_not_connected_to(server: Server, receiver: Receiver) -> None:
    """Allowed when it was subscribed to; what counts is the address at the moment of the connection."""
    port = receiver.server.port
    for host in ("localhost", "127.0.0.1"):
        await subscribe(server, f"http://{host}:{port}/hook", "appointment.created")
    server.dealings.courier._destinations = server.dealings.courier._destinations.__class__(allow_private=False)
    await send(server, "POST", "calendar/appointments", BOOKING)
    await deliver(server)
    assert receiver.requests == []
    assert [row["state"] for row in await deliveries(server)] == ["pending", "pending"]


def test_a_secret_of_standard_webhooks_is_base64() -> None:
    """The example of the Standard Webhooks libraries' tests."""
    secret, message, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    headers = standard_headers(secret, message, at, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
