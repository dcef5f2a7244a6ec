"""May another call come in: the rules in virtual time, and a burst against a real server."""

from __future__ import annotations

import asyncio
from typing import Any
from xml.etree import ElementTree

import aiohttp
import msgspec
import pytest
from media_server import ADMISSION, House, RawSocket, Serve, eventually
from virtual_time import in_virtual_time, pass_ms, virtual_loop
from websockets.exceptions import InvalidStatus

from config.schema import AdmissionSettings
from pipelines.events import EndReason
from pipelines.pacer import Pacer
from pipelines.timing import Turn
from voicecore.admission import PROMISE_MS, Admission, Refusal, Refused

VOICE = "/webhooks/twilio/voice"


class Gate:
    """Admission whose clock and load the test decides."""

    def __init__(self, **settings: Any) -> None:
        self.now_ms = 5000.0
        self.lag_ms = 0.0
        self.backlog_ms = 0.0
        self.admission = Admission(
            AdmissionSettings(**settings),
            loop_lag_ms=lambda: self.lag_ms,
            engine_backlog_ms=lambda: self.backlog_ms,
            now_ms=lambda: self.now_ms,
        )

    def refused(self, *numbers: str) -> Refusal | None:
        """Why the next call is not taken. It is, when there is no reason."""
        try:
            self.admission.admit(*numbers)
        except Refused as refused:
            return refused.reason
        return None

    def connect(self, *numbers: str) -> None:
        self.admission.admit(*numbers)
        self.admission.enter()

    @property
    def counted(self) -> dict[Refusal, int]:
        return dict(self.admission.refusals)


# --- the rules ------------------------------------------------------------------------------------


def test_promised_lines_and_running_calls_hold_the_slots() -> None:
    gate = Gate(max_calls=3)
    gate.connect()
    gate.admission.admit()
    gate.admission.admit()
    assert gate.refused() is Refusal.SLOTS
    gate.admission.enter()  # what was promised is taken: still three
    assert gate.refused() is Refusal.SLOTS
    gate.admission.leave()
    assert gate.refused() is None
    assert gate.counted == {Refusal.SLOTS: 2}
    assert gate.admission.active == 1


def test_a_promise_that_nobody_takes_up_lapses() -> None:
    gate = Gate(max_calls=2)
    gate.admission.admit()
    gate.now_ms += PROMISE_MS / 2
    gate.admission.admit()
    gate.now_ms += PROMISE_MS / 2
    assert gate.refused() is Refusal.SLOTS  # to the last millisecond
    gate.now_ms += 1
    assert gate.refused() is None
    assert gate.refused() is Refusal.SLOTS
    gate.now_ms += 2 * PROMISE_MS
    gate.admission.enter()  # late, but it is there: it counts
    assert gate.admission.active == 1
    assert gate.refused() is None
    assert gate.refused() is Refusal.SLOTS


def test_the_last_lines_are_for_priority_numbers() -> None:
    gate = Gate(max_calls=4, reserved_calls=2, priority_numbers=("+49 30 1234", "+15550100000"))
    for _ in range(2):
        gate.connect("+1", "+2")
    assert gate.refused("+1", "+2") is Refusal.RESERVED
    assert gate.refused("", "") is Refusal.RESERVED
    gate.connect("+49301234", "+2")  # who calls
    gate.connect("+1", "+1 (555) 010-0000")  # who is called
    assert gate.refused("+49301234") is Refusal.SLOTS
    assert gate.counted == {Refusal.RESERVED: 2, Refusal.SLOTS: 1}


def test_an_organization_has_its_share() -> None:
    gate = Gate(calls_per_organization=2)
    for _ in range(2):
        gate.admission.claim("one")
    with pytest.raises(Refused, match="has 2 calls in progress"):
        gate.admission.claim("one")
    with pytest.raises(Refused):
        gate.admission.check_quota("one")
    gate.admission.claim("other")
    gate.admission.release("one")
    gate.admission.claim("one")
    for organization in ("one", "one", "other"):
        gate.admission.release(organization)
    for _ in range(2):
        gate.admission.claim("one")
    assert gate.counted == {Refusal.QUOTA: 2}


def test_without_a_quota_everybody_may_have_all() -> None:
    gate = Gate(calls_per_organization=0)
    for _ in range(500):
        gate.admission.claim("one")
    assert gate.counted == {}


@pytest.mark.parametrize(("load", "reason"), [("lag_ms", Refusal.LOOP_LAG), ("backlog_ms", Refusal.ENGINE_BACKLOG)])
def test_what_is_behind_takes_nobody(load: str, reason: Refusal) -> None:
    gate = Gate(max_loop_lag_ms=60, max_engine_backlog_ms=60, priority_numbers=("+1",))
    setattr(gate, load, 60.0)
    assert gate.refused() is None
    setattr(gate, load, 60.1)
    assert gate.refused() is reason
    assert gate.refused("+1") is reason  # whoever calls: those who talk come first
    setattr(gate, load, 0.0)
    assert gate.refused() is None
    assert gate.counted == {reason: 2}


def test_new_calls_come_in_no_faster_than_the_ramp() -> None:
    gate = Gate(max_calls=10_000, calls_per_second=10, burst_calls=5)
    assert [gate.refused() for _ in range(6)] == [None] * 5 + [Refusal.RAMP]
    gate.now_ms += 99
    assert gate.refused() is Refusal.RAMP
    gate.now_ms += 1
    assert [gate.refused(), gate.refused()] == [None, Refusal.RAMP]
    taken = 0
    for _ in range(1000):  # 10 s, asked a hundred times a second
        gate.now_ms += 10
        taken += gate.refused() is None
    assert taken in (99, 100)  # floating point may keep one back
    gate.now_ms += 3_600_000
    assert [gate.refused() for _ in range(6)] == [None] * 5 + [Refusal.RAMP]  # an hour saves up no more than a burst


def test_a_refusal_costs_the_ramp_nothing() -> None:
    gate = Gate(max_calls=10, calls_per_second=1, burst_calls=2)
    gate.lag_ms = 1000.0
    assert [gate.refused() for _ in range(50)] == [Refusal.LOOP_LAG] * 50
    gate.lag_ms = 0.0
    assert [gate.refused() for _ in range(3)] == [None, None, Refusal.RAMP]


def test_who_leaves_takes_nobody_whatever_is_free() -> None:
    gate = Gate()
    gate.admission.draining = True
    assert gate.refused() is Refusal.DRAINING
    assert gate.counted == {Refusal.DRAINING: 1}


@in_virtual_time
async def test_a_stalled_loop_is_noticed_before_its_next_tick_and_forgotten_after() -> None:
    class Call:
        def tick(self, now_ms: float) -> None:
            pass

    pacer = Pacer()
    admission = Admission(
        AdmissionSettings(max_loop_lag_ms=60),
        loop_lag_ms=lambda: pacer.lag_ms,
        engine_backlog_ms=lambda: 0.0,
        now_ms=pacer.now_ms,
    )
    admission.admit()
    pacer.add(Call())
    await pass_ms(3005)
    admission.admit()
    for stall_ms in (200, 5000):  # longer, too, than the pacer looks back
        virtual_loop().stall(stall_ms)
        with pytest.raises(Refused, match=rf"{stall_ms - 15} ms behind"):
            admission.admit()
        await pass_ms(900)
        with pytest.raises(Refused, match="behind"):
            admission.admit()
        await pass_ms(2000)
        admission.admit()
    assert admission.refusals == {Refusal.LOOP_LAG: 4}
    pacer.close()


# --- a real server --------------------------------------------------------------------------------


def lines(**changes: Any) -> AdmissionSettings:
    """Few lines; a busy test machine is no reason."""
    return msgspec.structs.replace(ADMISSION, **changes)


async def ring(session: aiohttp.ClientSession, house: House, number: int) -> ElementTree.Element:
    form = {"CallSid": f"CA{number}", "From": f"+49{number}", "To": "+15550100000"}
    async with session.post(house.server.url + VOICE, data=form) as response:
        assert response.status == 200
        return ElementTree.fromstring(await response.text())


async def refusals(house: House) -> dict[str, int]:
    _, text = await house.get("/metrics")
    prefix = 'voicecore_calls_refused_total{reason="'
    counts = dict(line.removeprefix(prefix).split('"} ') for line in text.splitlines() if line.startswith(prefix))
    return {reason: int(float(count)) for reason, count in counts.items() if float(count)}


async def burst(house: House, calls: int) -> list[list[str]]:
    """So many ring at once: the verbs that each is answered with."""
    connector = aiohttp.TCPConnector(limit=calls)
    async with aiohttp.ClientSession(connector=connector) as session:
        documents = await asyncio.gather(*(ring(session, house, number) for number in range(calls)))
    return [[child.tag for child in document] for document in documents]


async def test_a_burst_of_ten_times_the_lines_disturbs_nobody(serve: Serve) -> None:
    house = await serve(admission=lines(max_calls=6))
    turns: list[Turn] = []
    with house.server.watch_turns(turns.append):
        talking = asyncio.create_task(house.call(turns=2))
        await eventually(lambda: house.server.gateway.active_calls == 1)
        first = await burst(house, 60)  # into the greeting
        await eventually(lambda: turns)
        second = await burst(house, 60)  # into the conversation
    assert first.count(["Connect"]) == 5
    assert [*first, *second].count(["Say", "Hangup"]) == 115
    assert await refusals(house) == {"slots": 115}
    result = await talking
    assert [turn.answered for turn in result.turns] == [True] * 2
    assert (result.underruns, result.partial_frames) == (0, 0)
    detail = await house.ended(result.identity.call_sid)
    assert detail.call.end_reason is EndReason.CALLER_HANGUP
    health = detail.call.media_health
    assert (health.underruns, health.frames_lost) == (0, 0)
    assert health.worst_late_ms < 200  # the callers' end shares this process
    assert [turn.interrupted for turn in detail.turns] == [False] * 3  # the greeting is one


@pytest.mark.parametrize(
    ("changes", "tags", "attributes", "text"),
    [
        ({}, ["Say", "Hangup"], {}, "All lines are busy. Please call again in a few minutes."),
        ({"overflow": "reject"}, ["Reject"], {"reason": "busy"}, None),
        (
            {"overflow": "redirect", "overflow_url": "https://other.example/twiml?a=1&b=2"},
            ["Redirect"],
            {},
            "https://other.example/twiml?a=1&b=2",
        ),
    ],
)
async def test_who_is_not_taken_hears_what_the_setting_says(
    serve: Serve, changes: dict[str, Any], tags: list[str], attributes: dict[str, str], text: str | None
) -> None:
    house = await serve(admission=lines(burst_calls=1, calls_per_second=0.01, **changes))
    async with aiohttp.ClientSession() as session:
        assert (await ring(session, house, 1))[0].tag == "Connect"
        document = await ring(session, house, 2)
    assert [child.tag for child in document] == tags
    assert (document[0].attrib, document[0].text) == (attributes, text)
    assert await refusals(house) == {"ramp": 1}


async def test_an_organization_beyond_its_share_is_refused_and_free_again_afterwards(serve: Serve) -> None:
    house = await serve(admission=lines(calls_per_organization=1, overflow="reject"))

    async def begin(call: RawSocket) -> None:
        await call.start()
        await call.greeted(house)

    async with aiohttp.ClientSession() as session:
        async with house.socket() as call:
            await begin(call)
            assert (await ring(session, house, 1))[0].tag == "Reject"
            async with house.socket() as second:  # without a webhook: refused when its agent is known
                await second.start()
                assert (await second.closed())[0] == 1013
            refused = await house.ended(second.sid)
            assert refused.call.end_reason is EndReason.OVERLOADED
            await call.leave("stop")
            await house.ended(call.sid)
        await house.idle()
        assert (await ring(session, house, 2))[0].tag == "Connect"
    assert await refusals(house) == {"quota": 2}
    async with house.socket() as call:
        await begin(call)


async def test_media_without_a_webhook_asks_for_a_line_too(serve: Serve) -> None:
    house = await serve(admission=lines(max_calls=1))
    async with house.socket() as call:
        await call.start()
        await call.greeted(house)
        for path in ("/twilio/media", "/ws/media/CA7"):
            with pytest.raises(InvalidStatus) as refused:
                async with house.socket(path):
                    pass
            assert refused.value.response.status_code == 503
    assert await refusals(house) == {"slots": 2}
