"""Document 001, webhooks in both directions: what others post is kept, what calls do is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from api_server import Server
from dashboard_desk import Board, login, register

from pipelines.events import EndReason
from pipelines.timing import Turn
from voicecore.api.dashboard import outbound
from voicecore.courier import standard_headers
from voicecore.services import inbound
from voicecore.services.secret_store import SecretStore
from voicecore.storage import inbound as rows

PAYLOAD = [
    *("event", "timestamp", "call_id", "customer_phone", "assistant_name", "duration_seconds", "ended_reason"),
    *("call_summary", "call_details", "structured_outputs", "conversation_transcript", "recording_url"),
]


class Receiver:
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


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.server.start_server()
    yield made
    await made.server.close()


async def post(server: Server, url: str, body: Any, **headers: str) -> tuple[int, Any]:
    path = url.removeprefix(str(server.client.make_url("/")).rstrip("/"))
    response = await server.client.post(path, data=body, headers={"Content-Type": "application/json", **headers})
    return response.status, await response.json()


# --- inbound ----------------------------------------------------------------------------------------


async def test_an_inbound_webhook_is_an_address_outside_api_with_a_secret_told_once(server: Server) -> None:
    board = await register(server)
    made = await board.post("/webhooks", name="My Webhook")
    assert set(made) == {"webhook"}
    webhook = made["webhook"]
    assert set(webhook) == {"id", "url", "secret"}
    assert webhook["url"].startswith(str(server.client.make_url("/dashboard/webhook/wh_")))
    assert re.fullmatch(r"wh_\w{20,}", webhook["url"].rpartition("/")[2])
    [listed] = await board.get("/webhooks")
    assert listed == {k: webhook[k] for k in ("id", "url")} | {"name": "My Webhook", "created_at": listed["created_at"]}
    assert abs(listed["created_at"] - time.time()) < 60
    for wrong in ({}, {"name": ""}, {"name": " \n"}, {"name": 5}):
        assert set(await board.ask("POST", "/webhooks", 400, json=wrong)) == {"error"}


async def test_what_is_posted_is_kept_and_told_apart_by_its_signature(server: Server) -> None:
    board = await register(server)
    webhook = (await board.post("/webhooks", name="My Webhook"))["webhook"]
    body = json.dumps({"event": "Grüße 🦷"}).encode()
    plain = hmac.new(webhook["secret"].encode(), body, hashlib.sha256).hexdigest()
    standard = standard_headers(webhook["secret"], "msg_1", int(time.time()), body)
    ways: list[dict[str, str]] = [
        {},
        {"X-Webhook-Signature": f"sha256={plain}"},
        {"X-Webhook-Signature": plain.upper()},
        {"X-Webhook-Secret": webhook["secret"]},
        {name: value for name, value in standard.items() if name.startswith("webhook-")},
    ]
    ids = []
    for headers in ways:
        status, answer = await post(server, webhook["url"], body, **headers)
        assert (status, set(answer), answer["success"]) == (200, {"success", "id"}, True)
        ids.append(answer["id"])
    events = await board.get(f"/webhooks/{webhook['id']}/events")
    assert [event["id"] for event in events] == ids[::-1]
    assert [event["verified"] for event in events] == [True, True, True, True, False]
    assert {event["body"] for event in events} == {body.decode()}
    assert events[0]["content_type"] == "application/json"
    assert [event["id"] for event in await board.get(f"/webhooks/{webhook['id']}/events", limit=1, offset=1)] == [
        ids[3]
    ]


async def test_what_is_wrongly_signed_or_no_text_is_refused_and_not_kept(server: Server) -> None:
    board = await register(server)
    webhook = (await board.post("/webhooks", name="My Webhook"))["webhook"]
    url, body = webhook["url"], b'{"a": 1}'
    key = base64.b64decode(webhook["secret"].removeprefix("whsec_"))
    old = str(int(time.time()) - inbound.TOLERANCE_S - 60)
    replayed = base64.b64encode(hmac.new(key, f"m.{old}.".encode() + body, hashlib.sha256).digest()).decode()
    for headers in (
        {"X-Webhook-Signature": "sha256=" + "0" * 64},
        {"X-Webhook-Signature": ""},
        {"X-Webhook-Secret": "guessed"},
        {"webhook-signature": "v1,x", "webhook-id": "m", "webhook-timestamp": "soon"},
        {"webhook-signature": f"v1,{replayed}", "webhook-id": "m", "webhook-timestamp": old},
    ):
        assert await post(server, url, body, **headers) == (401, {"error": "Invalid signature"})
    assert await post(server, url + "x", body) == (404, {"error": "Webhook not found"})
    assert (await post(server, url, b"\xff\xfe"))[0] == 400
    assert (await post(server, url, b"a\x00b"))[0] == 400
    assert (await post(server, url, BytesIO(b" " * (inbound.LONGEST_BODY + 1))))[0] == 413
    assert (await server.client.get(url.removeprefix(str(server.client.make_url("/")).rstrip("/")))).status == 405
    assert await board.get(f"/webhooks/{webhook['id']}/events") == []


async def test_only_the_newest_are_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "MOST_KEPT", 3)
    monkeypatch.setattr(inbound, "MOST", 2)
    board = await register(server)
    webhook = (await board.post("/webhooks", name="One"))["webhook"]
    other = (await board.post("/webhooks", name="Two"))["webhook"]
    assert await board.post("/webhooks", 400, name="Three") == {"error": "A workspace has at most 2 webhooks"}
    await post(server, other["url"], b"other")
    for number in range(5):
        await post(server, webhook["url"], str(number).encode())
    assert [event["body"] for event in await board.get(f"/webhooks/{webhook['id']}/events")] == ["4", "3", "2"]
    assert [event["body"] for event in await board.get(f"/webhooks/{other['id']}/events")] == ["other"]


async def test_inbound_webhooks_are_of_one_workspace_and_can_be_taken_away(server: Server) -> None:
    mine, other = await register(server), await register(server, "other@example.com")
    webhook = (await mine.post("/webhooks", name="Mine"))["webhook"]
    await post(server, webhook["url"], b"1")
    assert await other.get("/webhooks") == []
    for method, path in (("GET", "/events"), ("DELETE", "")):
        missing = await other.ask(method, f"/webhooks/{webhook['id']}{path}", 404)
        assert missing == await other.ask(method, f"/webhooks/no-uuid{path}", 404) == {"error": "Webhook not found"}
    deleted = await mine.ask("DELETE", f"/webhooks/{webhook['id']}")
    assert deleted == {"message": "Webhook deleted successfully"}
    assert await mine.get("/webhooks") == []
    assert (await post(server, webhook["url"], b"1"))[0] == 404


async def test_secrets_are_sealed_and_move_to_a_new_key(server: Server) -> None:
    board = await register(server)
    made = (await board.post("/webhooks", name="Mine"))["webhook"]
    newer = SecretStore(server.database, [b"a newer key", b"a key of the tests"])
    await newer.rotate()
    async with server.database.read() as connection:
        [(uid, sealed)] = await rows.sealed(connection)
    assert uid == made["id"]
    assert made["secret"] not in sealed
    assert SecretStore(server.database, [b"a newer key"]).unseal(sealed, "webhook") == made["secret"]


# --- outbound ---------------------------------------------------------------------------------------


async def test_an_outbound_webhook_is_camel_case_in_and_snake_case_out(server: Server, receiver: Receiver) -> None:
    board = await register(server)
    wanted = {"name": "External Webhook", "destinationUrl": receiver.url, "events": "call.ended"}
    made = await board.post("/outbound-webhooks", **wanted)
    assert set(made) == {"webhook"}
    shown = {"id": made["webhook"]["id"], "name": "External Webhook", "destination_url": receiver.url}
    shown |= {"events": "call.ended", "is_active": True}
    assert made["webhook"] == shown
    [listed] = await board.get("/outbound-webhooks")
    assert listed == {**shown, "created_at": listed["created_at"]}
    assert type(listed["created_at"]) is int
    for wrong in (
        {},
        {**wanted, "events": ["call.ended"]},
        {**wanted, "events": "call.sneezed"},
        {**wanted, "events": ""},
        {**wanted, "destinationUrl": "ftp://example.com"},
        {**wanted, "destinationUrl": "nothing"},
        {**wanted, "destinationUrl": "https://exa mple.com"},
        {**wanted, "destinationUrl": f"{receiver.url} "},
        {**wanted, "name": " "},
        {"name": "x", "destination_url": receiver.url, "events": "call.ended"},
    ):
        assert set(await board.ask("POST", "/outbound-webhooks", 400, json=wrong)) == {"error"}
    other = await register(server, "other@example.com")
    assert await other.get("/outbound-webhooks") == []
    assert await other.ask("DELETE", f"/outbound-webhooks/{shown['id']}", 404) == {"error": "Webhook not found"}
    await board.ask("DELETE", f"/outbound-webhooks/{shown['id']}")
    assert await board.get("/outbound-webhooks") == []


async def test_a_workspace_has_so_many_webhooks_even_when_they_come_at_once(
    server: Server, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "MOST", 2)
    monkeypatch.setattr(outbound, "MOST", 2)
    board = await register(server)
    headers = {"Authorization": f"Bearer {board.token}"}
    wanted = {"name": "One", "destinationUrl": receiver.url, "events": "call.ended"}
    for path in ("/webhooks", "/outbound-webhooks"):
        url = f"/dashboard/api{path}"
        answers = await asyncio.gather(*(server.client.post(url, json=wanted, headers=headers) for _ in range(5)))
        assert sorted(answer.status for answer in answers) == [200, 200, 400, 400, 400]
        refused = [await answer.json() for answer in answers if answer.status == 400]
        assert all(set(body) == {"error"} and "2" in body["error"] for body in refused)
        assert len(await board.get(path)) == 2


async def finished_call(server: Server, board: Board, *, recorded: bool) -> None:
    agent = await server.agents.get(await board.workspace(), "agent_1")
    journal = server.log.open(agent, from_number="+491701111111", to_number="+49309876543")
    journal.answered()
    if recorded:
        turn = Turn(index=0, started_ms=0.0, ended_ms=2000.0, caller_text="What does a check-up cost?")
        turn.generated_text = turn.heard_text = "Forty euros."
        journal.turn_finished(turn)
        journal.recorded("2026/x.wav", rate_hz=8000, duration_ms=1000, size_bytes=10, peaks=None)
    journal.ended(EndReason.CALLER_HANGUP, 10.0)
    await server.writer.flush()
    await server.dealings.analyst.step()
    await server.dealings.analyst.idle()
    await server.dealings.courier.step()
    await server.dealings.courier.idle()


async def test_a_finished_call_is_told_with_twelve_members(server: Server, receiver: Receiver) -> None:
    ada, bob = await login(server, "ada@one.example"), await login(server, "bob@two.example")
    for board in (ada, bob):
        await board.post("/outbound-webhooks", name="x", destinationUrl=receiver.url, events="call.ended")
    await finished_call(server, ada, recorded=True)
    [(headers, body)] = receiver.requests  # not Bob's
    told = json.loads(body)
    assert list(told) == PAYLOAD
    assert told["event"] == "call.ended"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["timestamp"])
    assert (told["customer_phone"], told["assistant_name"]) == ("+491701111111", "Reception")
    assert (told["ended_reason"], told["duration_seconds"]) == ("customer-ended-call", 0)
    assert isinstance(told["call_summary"], str)
    assert told["call_summary"]
    assert told["call_details"]["direction"] == "inbound"
    assert isinstance(told["structured_outputs"], dict)
    spoken = [(line["role"], line["content"]) for line in told["conversation_transcript"]]
    assert spoken == [("customer", "What does a check-up cost?"), ("assistant", "Forty euros.")]
    assert "/recordings/rec_" in told["recording_url"]
    assert headers["Content-Type"] == "application/json"
    listed = await ada.get("/webhook-calls", limit=1)
    assert listed[0]["id"] == told["call_id"]


async def test_objects_and_array_are_there_even_when_empty(server: Server, receiver: Receiver) -> None:
    ada = await login(server, "ada@one.example")
    await ada.post("/addons/toggle", addonType="openai_analysis", enabled=False)
    await ada.post("/outbound-webhooks", name="x", destinationUrl=receiver.url, events="call.ended")
    await finished_call(server, ada, recorded=False)
    [(_, body)] = receiver.requests
    told = json.loads(body)
    assert list(told) == PAYLOAD
    assert isinstance(told["call_details"], dict)
    assert (told["structured_outputs"], told["conversation_transcript"]) == ({}, [])
    assert (told["call_summary"], told["recording_url"]) == ("", None)
