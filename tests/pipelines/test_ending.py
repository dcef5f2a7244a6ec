"""The goodbye is heard before the call ends."""

from __future__ import annotations

import pytest
from screenplay import END_CALL, Call
from scripted import Line
from virtual_time import in_virtual_time

from pipelines.events import EndReason


@in_virtual_time
async def test_hanging_up_waits_until_the_goodbye_was_heard() -> None:
    async with Call([Line("Goodbye and have a nice day.", tools=(END_CALL,)), Line("")]) as call:
        await call.greeted()
        silent_since = await call.speak("that is all thank you")
        assert await call.ended() is EndReason.AGENT_HANGUP
        assert call.carrier.heard(silent_since) == "Goodbye and have a nice day."
        (hung_up,) = call.carrier.times("hang_up")
        assert hung_up == pytest.approx(call.carrier.frames[-1][0] + 5, abs=25)


@in_virtual_time
async def test_a_goodbye_whose_mark_is_lost_ends_after_a_grace() -> None:
    async with Call([Line("Goodbye.", tools=(END_CALL,)), Line("")]) as call:
        call.carrier.loses_marks = True
        await call.greeted()
        await call.speak("that is all thank you")
        assert await call.ended() is EndReason.AGENT_HANGUP
        (hung_up,) = call.carrier.times("hang_up")
        assert 1900 < hung_up - call.carrier.frames[-1][0] < 2200


@in_virtual_time
async def test_without_marks_the_own_clock_decides() -> None:
    async with Call([Line("Goodbye.", tools=(END_CALL,)), Line("")], has_marks=False) as call:
        await call.greeted()
        silent_since = await call.speak("that is all thank you")
        assert await call.ended() is EndReason.AGENT_HANGUP
        assert call.carrier.heard(silent_since) == "Goodbye."
        assert call.carrier.times("mark") == []


@in_virtual_time
async def test_who_interrupts_the_goodbye_is_answered() -> None:
    goodbye = Line("Goodbye and have a very nice day.", tools=(END_CALL,))
    async with Call([goodbye, Line("", first_token_ms=1), Line("We are open until six.")]) as call:
        await call.greeted()
        silent_since = await call.speak("that is all thank you")
        await call.answered(silent_since)
        await call.wait(300)
        await call.speak("one more question when are you open", 1500)
        while (turn := await call.turn_over()).interrupted:
            pass
        assert turn.heard_text == "We are open until six."
        await call.wait(3000)
        assert call.carrier.times("hang_up") == []
