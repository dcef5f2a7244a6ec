"""What becomes of a number, and what processes of one server ask each other of simulated calls and listeners."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from config.schema import SimulatedCarrierSettings
from pipelines.events import EndReason
from voicecore.carriers.person import Fate, fate
from voicecore.carriers.simulated import SimulatedCarrier
from voicecore.live import LiveCalls
from voicecore.services.carrier import CallUnknown, Leg


class Wire:
    """Two processes that share one server."""

    def __init__(self) -> None:
        self.ends: list[End] = [End(self), End(self)]


class End:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.told: dict[str, Callable[[str], None]] = {}
        self.asked: dict[str, Callable[[str], str]] = {}

    def tell(self, topic: str, value: str) -> None:
        for end in self._wire.ends:
            if end is not self:
                end.told[topic](value)

    def on_told(self, topic: str, heard: Callable[[str], None]) -> None:
        self.told[topic] = heard

    async def ask(self, question: str, argument: str = "") -> list[str]:
        return [end.asked[question](argument) for end in self._wire.ends if end is not self]

    def on_asked(self, question: str, answer: Callable[[str], str]) -> None:
        self.asked[question] = answer


class Talk:
    call_id = "call_1"

    def __init__(self) -> None:
        self.log: list[object] = []

    def say_goodbye(self, reason: EndReason) -> bool:
        self.log.append(reason)
        return True

    def leave(self, leaving: bool) -> bool:
        self.log.append(leaving)
        return True


class Notes:
    def __init__(self) -> None:
        self.log: list[tuple[str, ...]] = []

    def said(self, role: str, text: str) -> None:
        self.log.append((role, text))

    def over(self) -> None:
        self.log.append(("over",))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+49301234567", Fate.ANSWERS),
        ("+4930 123 9991", Fate.BUSY),
        ("+49309992", Fate.NO_ANSWER),
        ("+49309993", Fate.UNREACHABLE),
        ("+49309994", Fate.SILENT),
        ("sip:9991@simulated", Fate.BUSY),
        ("sip:2001@9991.example", Fate.ANSWERS),
    ],
)
def test_last_digits_decide(number: str, expected: Fate) -> None:
    assert fate(number, SimulatedCarrierSettings()) is expected


def test_endings_are_settings() -> None:
    assert fate("+49301", SimulatedCarrierSettings(busy=("01",))) is Fate.BUSY
    assert fate("+4930 9991", SimulatedCarrierSettings(busy=())) is Fate.ANSWERS


async def test_a_simulated_call_is_reached_from_the_other_process() -> None:
    wire = Wire()
    here, there = (SimulatedCarrier(SimulatedCarrierSettings(ring_ms=60_000), end, str) for end in wire.ends)
    sid = await here.dial(Leg(to_number="+49301234567", from_number="+1"))
    with pytest.raises(CallUnknown):  # nobody has answered: there is nothing to redirect
        await there.redirect(sid, "<Response/>")
    await there.hang_up(sid)
    for carrier in (here, there):
        with pytest.raises(CallUnknown):
            await carrier.hang_up("CA0")
        await carrier.close()


async def test_live_calls_and_listeners_over_processes() -> None:
    wire = Wire()
    here, there = (LiveCalls(end) for end in wire.ends)
    call, notes, other = Talk(), Notes(), Notes()
    here.add(call)
    there.listen("call_1", notes)
    there.listen("call_2", other)
    here.said("call_1", "customer", "ключ")
    assert await there.leaving("call_1", True)
    assert await there.leaving("call_1", False)
    assert await there.hang_up("call_1")
    assert call.log == [True, False, EndReason.AGENT_HANGUP]
    here.over("call_1")
    assert notes.log == [("customer", "ключ"), ("over",)]
    there.unlisten("call_1", notes)
    here.said("call_1", "agent", "bye")
    here.discard(call)
    assert not await there.hang_up("call_1")
    assert len(notes.log) == 2
    assert other.log == []
    there.close()
    assert other.log == [("over",)]
