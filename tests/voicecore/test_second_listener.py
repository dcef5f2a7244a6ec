"""A second client on the socket of a running call reads its transcript, and only that."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from calling_desk import SIMULATED, START, desk
from media_server import ANSWERS, SILENT, House, Serve, auth_message, eventually

from pipelines.events import EndReason
from voicecore import live as live_calls
from voicecore.domain import instants

MEDIA = {"event": "media", "media": {"payload": base64.b64encode(SILENT).decode(), "timestamp": 1}}


@pytest.fixture
async def house(serve: Serve) -> House:
    return await serve(carrier=SIMULATED)


@pytest.mark.parametrize("name", ["sid", "call_id"])
async def test_a_call_is_read_along_to_its_end(house: House, name: str) -> None:
    token = await house.token()
    async with desk(house) as ada:
        started = await ada.post(START, {"to_number": "+49301234567", "agent_id": "reception"})
        async with house.socket(f"/ws/media/{started[name]}") as listener:
            await listener.send(auth_message(token))
            assert await listener.until("connected") == {"event": "connected", "callSid": started[name]}
            texts = [await listener.until("transcript") for _ in range(3)]
            assert [(text["role"], text["text"]) for text in texts] == [
                ("agent", "Welcome to Demo."), ("customer", "when do you open"), ("agent", ANSWERS[0]),
            ]  # fmt: skip
            assert await listener.closed() == (1000, "the call is over")
        ended = await house.ended(started["call_id"])
        assert ended.call.end_reason is EndReason.CALLER_HANGUP
        assert (await ada.get("/api/v1/calls"))["total"] == 1  # listening is no call
    await house.idle()


async def test_a_listener_is_not_heard_and_holds_no_line(house: House) -> None:
    token = await house.token()
    async with house.socket() as call, house.socket(f"/ws/media/{call.sid}") as listener:
        await call.start()
        await house.talking(call.sid)
        await listener.send(auth_message(token))
        await listener.until("connected")
        await eventually(lambda: house.server.gateway.active_calls == 1)
        for _ in range(3):
            await listener.send(MEDIA)
        error = await listener.until("error")
        assert error["code"] == "permission_denied"
        await listener.send("nonsense")
        assert (await listener.until("error"))["code"] == "protocol"  # told once that he is not heard
        await listener.send({"event": "stop"})
        assert (await listener.closed())[0] == 1000
        await call.say()
        await call.until("media")  # it goes on
        await call.leave("stop")
        detail = await house.ended(call.sid)
    assert detail.call.end_reason is EndReason.CALLER_HANGUP


async def test_who_may_not_listen(house: House) -> None:
    ada, bob = await house.token(), await house.token("bob@other.example")
    async with house.socket() as call:
        await call.start()
        await house.talking(call.sid)
        call_id = (await house.find(call.sid)).call.external_id  # type: ignore[union-attr]
        for name in (call.sid, call_id):
            async with house.socket(f"/ws/media/{name}") as stranger:
                await stranger.send(auth_message(bob))
                assert (await stranger.until("error"))["code"] == "not_found"
                assert (await stranger.closed())[0] == 1008
            async with house.socket(f"/ws/media/{name}") as stranger:
                await stranger.send(auth_message("nonsense"))
                assert (await stranger.until("error"))["code"] == "authentication"
        await call.leave("stop")
        await house.ended(call.sid)
    async with house.socket(f"/ws/media/{call_id}") as late:
        await late.send(auth_message(ada))
        assert (await late.until("error"))["code"] == "conflict"


async def test_who_may_not_read_calls_may_not_listen_either(house: House) -> None:
    token = await house.token("cleo@demo.example")
    async with house.socket() as call:
        await call.start()
        await house.talking(call.sid)
        for name in (call.sid, f"{call.sid}0"):  # to listen, and to talk
            async with house.socket(f"/ws/media/{name}") as unwanted:
                await unwanted.send(auth_message(token))
                assert (await unwanted.until("error"))["code"] == "permission_denied"
                assert (await unwanted.closed())[0] == 1008
        await call.leave("stop")
        await house.ended(call.sid)


async def test_a_call_that_is_given_up_lets_its_listeners_go(house: House) -> None:
    token = await house.token()
    tomorrow = instants.now() + timedelta(days=1)
    async with desk(house) as ada:
        body = {"to_number": "+49301234567", "agent_id": "reception", "scheduled_time": tomorrow.isoformat()}
        started = await ada.post(START, body)
        async with house.socket(f"/ws/media/{started['call_id']}") as listener:
            await listener.send(auth_message(token))
            await listener.until("connected")
            await ada.post(f"/api/v1/calls/{started['call_id']}/hangup")
            assert await listener.closed() == (1000, "the call is over")


async def test_listeners_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_calls, "MOST_LISTENERS", 0)
    token = await house.token()
    async with house.socket() as call:
        await call.start()
        await house.talking(call.sid)
        async with house.socket(f"/ws/media/{call.sid}") as listener:
            await listener.send(auth_message(token))
            assert (await listener.until("error"))["code"] == "overloaded"
            assert (await listener.closed())[0] == 1013
    await house.idle()
