"""Handing a call on, with the whole server and simulated people: who leaves when, and what happens when nobody is
there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from calling_desk import NOBODY, SIMULATED, START, Desk, desk, transfers
from media_server import PIPELINES, House, Serve, auth_message, eventually

from config.schema import StageSettings
from pipelines.events import EndReason
from voicecore.domain.calls import CallStatus


@pytest.fixture
async def house(serve: Serve) -> House:
    return await serve(carrier=SIMULATED)


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Desk]:
    async with desk(house) as client:
        yield client


async def failed(ada: Desk, call_id: str) -> None:
    """Wait until the target could not be reached."""

    async def there() -> bool:
        return any(state == "failed" for _, state in transfers(await ada.call(call_id)))

    await eventually(there)


async def test_blind_the_agent_leaves_at_once(house: House, ada: Desk) -> None:
    call_id = await ada.running()
    answer = await ada.post(f"/api/v1/calls/{call_id}/transfer", {"target": "2001"})
    assert answer == {
        "call_id": call_id, "transfer_type": "blind", "target": "sip:2001@simulated", "status": "transferred",
    }  # fmt: skip
    ended = await house.ended(call_id)
    assert (ended.call.end_reason, transfers(ended)) == (EndReason.TRANSFERRED, [("blind", "done")])
    assert (await ada.get(f"/api/v1/calls/{call_id}"))["status"] == "completed"


async def test_attended_the_agent_goes_on_until_somebody_answers(house: House, ada: Desk) -> None:
    call_id = await ada.running()
    path = f"/api/v1/calls/{call_id}/transfer"
    answer = await ada.post(path, {"target": "+49301239991", "transfer_type": "attended"})
    assert answer["status"] == "ringing"
    await failed(ada, call_id)
    assert (await ada.call(call_id)).call.status is CallStatus.ANSWERED  # still with the agent
    await ada.post(path, {"target": "+49 30 1234567", "transfer_type": "attended"})
    ended = await house.ended(call_id)
    assert ended.call.end_reason is EndReason.TRANSFERRED
    assert transfers(ended) == [
        ("attended", "ringing"), ("attended", "failed"), ("attended", "ringing"), ("attended", "done"),
    ]  # fmt: skip


async def test_conference_caller_and_target_meet(house: House, ada: Desk) -> None:
    call_id = await ada.running()
    body = {"target": "+49301239991", "transfer_type": "conference"}
    assert (await ada.post(f"/api/v1/calls/{call_id}/transfer", body))["status"] == "transferred"
    await failed(ada, call_id)
    ended = await house.ended(call_id)
    assert ended.call.end_reason is EndReason.TRANSFERRED


@pytest.mark.parametrize("kind", ["blind", "conference"])
async def test_of_requests_at_one_time_one_hands_the_call_on(house: House, ada: Desk, kind: str) -> None:
    call_id = await ada.running()
    path = f"/api/v1/calls/{call_id}/transfer"
    body = {"target": "2001", "transfer_type": kind}
    assert sorted(await asyncio.gather(*(ada.status(path, body) for _ in range(5)))) == [200, 409, 409, 409, 409]
    assert transfers(await house.ended(call_id)) == [(kind, "done")]


async def test_what_cannot_be_transferred(house: House, ada: Desk) -> None:
    call_id = await ada.running()
    path = f"/api/v1/calls/{call_id}/transfer"
    for body, field in (({"target": "alice"}, "target"), ({"target": "030 12345678"}, "target"), ({}, "target")):
        answer = await ada.post(path, body, 422)
        assert [detail["field"] for detail in answer["error"]["details"]] == [field]
    await ada.post(path, {"target": "2001", "transfer_type": "warm"}, 422)
    await ada.post("/api/v1/calls/call_none/transfer", {"target": "2001"}, 404)
    async with desk(house, "bob@other.example") as bob:
        await bob.post(path, {"target": "2001"}, 404)
    busy = await ada.post(START, NOBODY | {"to_number": "+49301239991"})
    await house.ended(busy["call_id"])
    await ada.post(f"/api/v1/calls/{busy['call_id']}/transfer", {"target": "2001"}, 409)
    async with house.socket() as stranger:  # no call of the simulated carrier's
        await stranger.start()
        await house.talking(stranger.sid)
        answer = await ada.post(f"/api/v1/calls/{(await ada.call(stranger.sid)).call.external_id}/transfer",
                                {"target": "2001"}, 409)  # fmt: skip
        assert "no such call" in answer["error"]["message"]
        await stranger.leave("stop")
        assert (await house.ended(stranger.sid)).call.end_reason is EndReason.CALLER_HANGUP
    async with house.socket("/ws/media/plain") as plain:
        await plain.send(auth_message(await house.token()))
        await plain.until("connected")
        await house.talking("plain")
        other = (await ada.call("plain")).call.external_id
        answer = await ada.post(f"/api/v1/calls/{other}/transfer", {"target": "2001"}, 409)
        assert "without a carrier" in answer["error"]["message"]


async def test_the_agent_puts_a_caller_through_who_wants_a_human_being(serve: Serve) -> None:
    asking = StageSettings(
        provider="simulated", options={"stt": {"finish_ms": 10, "texts": ["can I speak to a human please"]}}
    )
    brain = msgspec.structs.replace(PIPELINES["quick"], stt=asking, llm=StageSettings(provider="receptionist"))
    house = await serve(carrier=SIMULATED, pipelines={**PIPELINES, "brain": brain})
    config = {"pipeline": "brain", "capabilities": {"call_transfer": True}, "transfer_to": "2001", "greeting": "Hi."}
    async with desk(house) as ada:
        await ada.put("/api/v1/agents/helper", {"name": "Helper", "config": config})
        started = await ada.post(START, {"to_number": "+49301234567", "agent_id": "helper"})
        ended = await house.ended(started["call_id"])
    assert ended.call.end_reason is EndReason.TRANSFERRED
    assert transfers(ended) == [("attended", "ringing"), ("attended", "done")]
    assert "transfer_call" in [tool["name"] for turn in ended.turns for tool in turn.tools]
