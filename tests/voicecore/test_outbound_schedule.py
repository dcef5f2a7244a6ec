"""When calls are dialled: later, once, when there is a line, again after trouble, not too late; on each database."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from calling_desk import NOBODY, SIMULATED, START, desk
from database_copies import Copies
from media_server import SEED, Serve

from config.schema import CarrierSettings
from pipelines.errors import ConflictError, NotFound, Overloaded, ValidationError
from pipelines.events import EndReason
from voicecore.domain import instants
from voicecore.domain.calls import Call, CallStatus, Outcome
from voicecore.domain.dialling import CarrierStatus, Dial, Placement
from voicecore.fellows import Alone
from voicecore.live import LiveCalls
from voicecore.services.call_log import recover
from voicecore.services.carrier import CarrierError, Leg, NumberRefused
from voicecore.services.outbound import Outbound
from voicecore.services.tokens import Tokens
from voicecore.storage import calls, dials, tenants
from voicecore.storage.database import Database

BUSY_LINE = CarrierSettings(max_calls=2, ring_s=5, grace_s=60)


class RecordingCarrier:
    """Keeps what it is asked to dial. What stands in `fails` is raised, one after the other."""

    name, default_number, extensions = "recording", "+15550100000", ""

    def __init__(self) -> None:
        self.dialled: list[Leg] = []
        self.hung_up: list[str] = []
        self.fails: list[CarrierError] = []

    def reserve(self) -> str:
        return ""

    async def dial(self, leg: Leg) -> str:
        self.dialled.append(leg)
        if self.fails:
            raise self.fails.pop(0)
        return f"CA{len(self.dialled)}"

    async def redirect(self, sid: str, twiml: str) -> None:
        raise CarrierError("not here")

    async def hang_up(self, sid: str) -> None:
        self.hung_up.append(sid)

    async def close(self) -> None: ...


class Gate:
    closed = draining = False

    def check(self, organization_uid: str, *numbers: str) -> None:
        if self.closed:
            raise Overloaded("all lines are busy")


class Office:
    """Two processes on one database that share a carrier."""

    def __init__(self, database: Database, organization_uid: str) -> None:
        self.database = database
        self.organization_uid = organization_uid
        self.carrier = RecordingCarrier()
        self.gate = Gate()
        self.one, self.other = (
            Outbound(
                database, BUSY_LINE, Tokens(b"k" * 32), self.carrier, LiveCalls(Alone()), self.gate, lambda: "http://us"
            )
            for _ in range(2)
        )

    async def place(self, in_s: float = 0.0, **wanted: Any) -> Call:
        at = instants.now() + timedelta(seconds=in_s) if in_s else None
        placement = Placement(
            **{"agent_id": "reception", "to_number": "+49 (30) 123 99-94", "scheduled_at": at} | wanted
        )
        return (await self.one.place(self.organization_uid, placement)).call

    async def call(self, call: Call) -> Call:
        async with self.database.read() as connection:
            found = await calls.by_uid(connection, call.uid)
        assert found is not None
        return found

    async def dial(self, call: Call) -> Dial:
        async with self.database.read() as connection:
            found = await dials.of_call(connection, call.uid)
        assert found is not None
        return found.dial

    async def later(self, call: Call, seconds: float) -> None:
        """As if so much time had gone by."""
        dial, back = await self.dial(call), timedelta(seconds=seconds)
        assert dial.next_at is not None
        async with self.database.append() as connection:
            await dials.change(connection, dial, next_at=dial.next_at - back, scheduled_at=dial.scheduled_at - back)

    async def step(self) -> int:
        begun = await self.one.step()
        await self.one.idle()
        return begun


@pytest.fixture
async def office(database_kind: str, copies: Copies, tmp_path: Path) -> AsyncIterator[Office]:
    seed = tmp_path.parent / "calling-seed.yaml"
    await asyncio.to_thread(seed.write_text, SEED)
    async with copies.copy(database_kind, tmp_path, seed) as url:
        database = await Database.open(url)
        async with database.read() as connection:
            owner = await tenants.organization_named(connection, "org_demo")
        assert owner is not None
        yield Office(database, owner.uid)
        await database.close()


async def test_a_call_is_dialled_when_it_is_due_by_one_process_and_once(office: Office) -> None:
    call = await office.place(60)
    assert (call.status, call.sid) == (CallStatus.SCHEDULED, "")
    assert await office.step() == 0
    await office.later(call, 61)
    begun = await asyncio.gather(office.one.step(), office.other.step())
    await asyncio.gather(office.one.idle(), office.other.idle())
    assert sorted(begun) == [0, 1]
    (leg,) = office.carrier.dialled
    assert (leg.to_number, leg.from_number, leg.ring_s) == ("+49301239994", "+15550100000", 5)
    assert leg.answer_url.startswith(f"http://us/webhooks/twilio/outbound/{call.uid}?expires=")
    now = await office.call(call)
    assert (now.status, now.sid, now.to_number) == (CallStatus.QUEUED, "CA1", "+49 (30) 123 99-94")


async def test_what_was_being_dialled_at_a_crash_is_not_dialled_again(office: Office) -> None:
    office.carrier.fails = [CarrierError("the answer was lost", unknown=True)]
    call = await office.place()
    assert (await office.call(call)).status is CallStatus.QUEUED
    await office.later(call, 3)
    assert await office.step() == 0
    answered = await office.one.reached(call.uid, "CAx")  # it rang after all
    assert answered is not None
    assert (answered.status, answered.sid) == (CallStatus.RINGING, "CAx")
    other = await office.place()
    office.carrier.fails = [CarrierError("the answer was lost", unknown=True)]
    lost = await office.place()
    await office.later(lost, 36)
    await office.later(other, 36)
    assert await office.step() == 2
    assert len(office.carrier.dialled) == 2  # `lost` had no line
    assert (await office.call(other)).end_reason is EndReason.NO_ANSWER
    assert office.carrier.hung_up == ["CA2"]


async def test_lines_are_bounded_and_the_gate_is_asked(office: Office) -> None:
    first, second, third = [await office.place() for _ in range(3)]
    assert len(office.carrier.dialled) == 2
    assert (await office.call(third)).status is CallStatus.QUEUED
    await office.later(third, 3)
    await office.step()
    assert len(office.carrier.dialled) == 2
    await office.one.reported(first.uid, CarrierStatus.BUSY)
    office.gate.closed = True
    await office.later(third, 3)
    await office.step()
    assert len(office.carrier.dialled) == 2
    office.gate.closed = False
    await office.later(third, 3)
    await office.step()
    assert len(office.carrier.dialled) == 3
    assert (await office.call(second)).status is CallStatus.QUEUED


async def test_trouble_is_tried_again_within_the_grace_and_then_given_up(office: Office) -> None:
    office.carrier.fails = [CarrierError("Twilio answered 429", again=True)] * 2
    call = await office.place()
    assert (await office.call(call)).status is CallStatus.QUEUED
    await office.later(call, 3)
    await office.step()
    dial = await office.dial(call)
    assert (len(office.carrier.dialled), dial.attempts, dial.dialled_at) == (2, 2, None)
    await office.later(call, 90)
    await office.step()
    late = await office.call(call)
    assert (late.status, late.end_reason, late.outcome) == (CallStatus.ENDED, EndReason.TOO_LATE, Outcome.FAILED)
    assert len(office.carrier.dialled) == 2
    async with office.database.read() as connection:
        events = await calls.events_of(connection, call.uid)
    assert [event.data["error"] for event in events] == ["carrier_failed"] * 2


async def test_what_the_carrier_refuses(office: Office) -> None:
    office.carrier.fails = [NumberRefused("Twilio 21211: not a valid number", "to_number")]
    with pytest.raises(ValidationError) as refused:
        await office.place()
    assert refused.value.fields == (("to_number", "Twilio 21211: not a valid number"),)
    office.carrier.fails = [CarrierError("Twilio does not accept the credentials")]
    with pytest.raises(CarrierError, match="credentials"):
        await office.place()
    async with office.database.read() as connection:
        assert await dials.under_way(connection) == 0
    with pytest.raises(NotFound):
        await office.place(customer_id="nobody")


async def test_reports_come_twice_late_and_in_any_order(office: Office) -> None:
    call = await office.place()
    for status in (CarrierStatus.RINGING, CarrierStatus.INITIATED, CarrierStatus.RINGING, CarrierStatus.QUEUED):
        await office.one.reported(call.uid, status)
    assert (await office.call(call)).status is CallStatus.RINGING
    for status in (CarrierStatus.NO_ANSWER, CarrierStatus.BUSY, CarrierStatus.RINGING, CarrierStatus.COMPLETED):
        await office.other.reported(call.uid, status)
    ended = await office.call(call)
    assert (ended.status, ended.end_reason) == (CallStatus.ENDED, EndReason.NO_ANSWER)
    assert await office.one.reached(call.uid, "CA1") is None
    await office.one.reported("no-such-call", CarrierStatus.BUSY)
    async with office.database.read() as connection:
        events = await calls.events_of(connection, call.uid)
    assert [event.data["status"] for event in events] == ["ringing", "no-answer"]


async def test_one_stream_has_the_call(office: Office) -> None:
    call = await office.place()
    assert await office.one.connected(call.uid, "CA1", "node-1") is not None
    assert await office.other.connected(call.uid, "CA1", "node-2") is None
    assert (await office.call(call)).node == "node-1"
    silent = await office.place()
    await office.one.reached(silent.uid, "CA2")
    await office.one.reported(silent.uid, CarrierStatus.COMPLETED)  # its stream may be on the way
    assert (await office.call(silent)).status is CallStatus.RINGING
    await office.later(silent, 20)
    await office.step()
    assert (await office.call(silent)).end_reason is EndReason.CARRIER_FAILED


async def test_cancelling(office: Office) -> None:
    call = await office.place(60)
    assert (await office.other.cancel(office.organization_uid, call.external_id)).end_reason is EndReason.CANCELLED
    assert (await office.dial(call)).next_at is None
    assert not office.carrier.dialled
    assert not office.carrier.hung_up
    with pytest.raises(ConflictError):
        await office.one.cancel(office.organization_uid, call.external_id)
    ringing = await office.place()
    await office.one.cancel(office.organization_uid, ringing.external_id)
    assert office.carrier.hung_up == ["CA1"]


async def test_a_person_who_is_forgotten_is_not_called(office: Office) -> None:
    call = await office.place(60)
    async with office.database.append() as connection:
        await dials.forget_persons(connection, [call.uid])
    dial = await office.dial(call)
    assert (dial.dialled_number, dial.caller_number, dial.next_at) == ("", "", None)
    assert (await office.call(call)).end_reason is EndReason.CANCELLED


async def test_a_draining_process_leaves_calls_to_others(office: Office) -> None:
    call = await office.place(60)
    await office.later(call, 61)
    office.gate.draining = True
    assert await office.step() == 0
    office.gate.draining = False
    assert await office.step() == 1


async def test_recovery_ends_what_was_in_conversation_and_leaves_what_rings(office: Office) -> None:
    talking, ringing = await office.place(), await office.place()
    for call in (talking, ringing):
        await office.one.reported(call.uid, CarrierStatus.RINGING)
    await office.one.reached(talking.uid, "CA1")
    await office.one.connected(talking.uid, "CA1", "server_1")
    assert await recover(office.database, "server_1") == 1
    assert (await office.call(talking)).end_reason is EndReason.SERVER_CRASHED
    assert (await office.call(ringing)).status is CallStatus.RINGING


# --- with the whole server ------------------------------------------------------------------------


async def test_a_scheduled_call_is_dialled_by_the_scheduler_also_of_the_next_server(serve: Serve) -> None:
    house = await serve(carrier=SIMULATED)
    soon = (instants.now() + timedelta(seconds=2)).replace(microsecond=0)
    async with desk(house) as ada:
        started = await ada.post(START, NOBODY | {"scheduled_time": soon.isoformat()})
        assert started["estimated_start"] == soon.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert started["status"] == "initiated"
        assert (await ada.call(started["call_id"])).call.status is CallStatus.SCHEDULED
        past = await ada.post(START, {**NOBODY, "to_number": "+49301239991", "scheduled_time": "2024-01-20T15:00:00Z"})
        assert past["estimated_start"] == "2024-01-20T15:00:00Z"
        assert (await house.ended(past["call_id"])).call.end_reason is EndReason.BUSY
        await house.talking(started["call_id"])
        call = (await ada.call(started["call_id"])).call
        assert call.answered_at is not None
        assert call.answered_at >= call.created_at >= soon  # it begins when its time has come


async def test_a_call_that_fell_due_while_no_server_ran(serve: Serve, tmp_path: Path, seeded_data: Path) -> None:
    shutil.copytree(seeded_data, tmp_path / "data")
    database = await Database.open_file(tmp_path / "data" / "voicecore.db")
    async with database.read() as connection:
        owner = await tenants.organization_named(connection, "org_demo")
    assert owner is not None
    call = await Office(database, owner.uid).place(0.001)
    await database.close()
    house = await serve(carrier=SIMULATED)
    await house.talking(call.external_id)
