"""Calls that we make, with the whole server: REST, scheduler, simulated carrier, webhooks, media gateway."""

from __future__ import annotations

import msgspec
from calling_desk import NOBODY, SIMULATED, START, desk, statuses
from media_server import ANSWERS, Serve, eventually

from config.schema import CarrierSettings, SimulatedCarrierSettings
from pipelines.events import EndReason
from voicecore.domain.calls import CallStatus, Direction, Outcome


async def test_a_call_is_dialled_answered_and_talked(serve: Serve) -> None:
    house = await serve(carrier=SIMULATED)
    async with desk(house) as ada:
        metadata = {"customer_id": "cust_789", "purpose": "ключ 🦷"}
        wanted = {"to_number": "+49301234567", "agent_id": "reception", "metadata": metadata}
        started = await ada.post(START, wanted)
        assert set(started) == {
            "call_id", "sid", "status", "to_number", "from_number", "webhook_url", "estimated_start",
        }  # fmt: skip
        assert started["status"] == "initiated"
        assert (started["to_number"], started["from_number"]) == ("+49301234567", "+15550100000")
        assert started["webhook_url"] == house.server.url + "/webhooks/twilio/voice"
        assert started["sid"].startswith("CA")
        ended = await house.ended(started["call_id"])
        call = ended.call
        assert (call.sid, call.direction, call.transport) == (started["sid"], Direction.OUTBOUND, "twilio")
        assert (call.outcome, call.end_reason) == (Outcome.COMPLETED, EndReason.CALLER_HANGUP)
        assert call.metadata == metadata
        assert statuses(ended) == ["ringing"]
        assert [turn.heard_text for turn in ended.turns] == ["Welcome to Demo.", ANSWERS[0]]
        shown = await ada.get(f"/api/v1/calls/{started['call_id']}")
        assert (shown["status"], shown["direction"], shown["metadata"]) == ("completed", "outbound", metadata)
        assert (await ada.get("/api/v1/calls?direction=outbound"))["total"] == 1  # one row for one call
        assert (await ada.get("/api/v1/calls"))["total"] == 1


async def test_what_becomes_of_numbers(serve: Serve) -> None:
    house = await serve(carrier=msgspec.structs.replace(SIMULATED, ring_s=1))
    expected = {
        "+49301239991": (EndReason.BUSY, Outcome.MISSED, ["ringing", "busy"]),
        "+49301239992": (EndReason.NO_ANSWER, Outcome.MISSED, ["ringing", "no-answer"]),
        "+49301239993": (EndReason.CARRIER_FAILED, Outcome.FAILED, ["failed"]),
    }
    async with desk(house) as ada:
        started = {number: await ada.post(START, NOBODY | {"to_number": number}) for number in expected}
        for number, (reason, outcome, reported) in expected.items():
            ended = await house.ended(started[number]["call_id"])
            assert (ended.call.end_reason, ended.call.outcome, statuses(ended)) == (reason, outcome, reported)
            shown = await ada.get(f"/api/v1/calls/{started[number]['call_id']}")
            assert (shown["status"], shown["duration"], shown["end_reason"]) == ("failed", 0, reason.value)


async def test_what_is_refused(serve: Serve) -> None:
    house = await serve(carrier=SIMULATED)
    async with desk(house) as ada:
        for body, field in (
            ({"agent_id": "reception"}, "to_number"),
            ({"to_number": "+49301234567"}, "agent_id"),
            ({"to_number": "030 1234567", "agent_id": "reception"}, "to_number"),
            ({"to_number": "alice", "agent_id": "reception"}, "to_number"),
            ({**NOBODY, "from_number": "x"}, "from_number"),
            ({**NOBODY, "scheduled_time": "tomorrow"}, "scheduled_time"),
            ({**NOBODY, "scheduled_time": "2999-01-01T00:00:00Z"}, "scheduled_time"),
        ):
            answer = await ada.post(START, body, 422)
            assert answer["error"]["code"] == "VALIDATION_ERROR"
            assert [detail["field"] for detail in answer["error"]["details"]] == [field]
        assert (await ada.post(START, NOBODY | {"agent_id": "elsewhere"}, 404))["error"]["code"] == "NOT_FOUND"
        await ada.post("/api/v1/calls/call_none/hangup", status=404)
        assert (await ada.get("/api/v1/calls"))["total"] == 0
    async with desk(house, "bob@other.example") as bob:
        answer = await bob.post(START, {**NOBODY, "agent_id": "elsewhere", "from_number": "+15550100000"}, 422)
        assert answer["error"]["details"] == [{"field": "from_number", "message": "not one of your numbers"}]


async def test_without_a_carrier_it_is_said_so(serve: Serve) -> None:
    house = await serve(carrier=CarrierSettings(kind="none"))
    async with desk(house) as ada:
        answer = await ada.post(START, NOBODY, 503)
        assert answer["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert "carrier.kind" in answer["error"]["message"]


async def test_hanging_up_before_and_after_the_answer(serve: Serve) -> None:
    slow = msgspec.structs.replace(SIMULATED, simulated=SimulatedCarrierSettings(ring_ms=60_000))
    house = await serve(carrier=slow)
    async with desk(house) as ada:
        call_id = (await ada.post(START, NOBODY))["call_id"]

        async def rings() -> bool:
            return (await ada.call(call_id)).call.status is CallStatus.RINGING

        await eventually(rings)
        assert (await ada.get(f"/api/v1/calls/{call_id}"))["status"] == "initiated"
        ended = await ada.post(f"/api/v1/calls/{call_id}/hangup")
        assert (ended["status"], ended["end_reason"]) == ("failed", "cancelled")
        answer = await ada.post(f"/api/v1/calls/{call_id}/hangup", status=409)
        assert answer["error"]["message"] == "the call is not in progress"


async def test_hanging_up_a_conversation(serve: Serve) -> None:
    house = await serve(carrier=SIMULATED)
    async with desk(house) as ada:
        call_id = await ada.running()
        await ada.post(f"/api/v1/calls/{call_id}/hangup")
        ended = await house.ended(call_id)
        assert (ended.call.end_reason, ended.call.outcome) == (EndReason.AGENT_HANGUP, Outcome.COMPLETED)
