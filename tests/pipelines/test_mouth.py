"""Playout joined to a carrier and a tape."""

from __future__ import annotations

import asyncio

from scripted import Carrier, Codebook, Records, tone
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines.audio import TELEPHONE, silence
from pipelines.clock import CallClock
from pipelines.mouth import FULL_MS, SENTENCE_GAP_MS, Mouth
from pipelines.pacer import Pacer
from pipelines.stages import Word


class Speaking:
    """A mouth that is ticked while time passes."""

    def __init__(self) -> None:
        self.book, self.records = Codebook(), Records()
        start = virtual_loop().time() * 1000
        self.pacer = Pacer()
        self.carrier = Carrier(self.book, lambda: virtual_loop().time() * 1000 - start)
        clock = CallClock()
        clock.begin(start)
        self.clock = clock
        self.mouth = Mouth(self.carrier, self.records, self.pacer, clock, 200.0)
        self.carrier.conversation = self  # type: ignore[assignment]
        self.generation = self.mouth.begin()

    def mark_returned(self, name: str) -> None:
        self.mouth.mark_returned(name)

    def say(self, text: str, ms: int, *, lead_ms: int = 0) -> bool:
        self.mouth.open_text(self.generation, text)
        audio = silence(TELEPHONE, lead_ms) + tone(self.book.code(text), ms * 8)[: ms * 8]
        return self.mouth.feed(self.generation, audio, (Word(text, lead_ms, lead_ms + ms),))

    async def play(self, ms: float) -> None:
        for _ in range(round(ms / 20)):
            await pass_ms(20)
            self.mouth.tick(self.pacer.now_ms())

    def finished(self) -> bool:
        return self.mouth.playout.finished(self.clock.at(self.pacer.now_ms()))


@in_virtual_time
async def test_only_silence_before_the_first_sound_is_trimmed() -> None:
    speaking = Speaking()
    assert speaking.mouth.feed(speaking.generation, silence(TELEPHONE, 150), ()) is False
    assert speaking.carrier.frames == []
    assert speaking.say("one", 240, lead_ms=95) is True  # this made it audible
    assert speaking.say("two", 240, lead_ms=100) is False
    assert speaking.mouth.trimmed_ms == 245.0
    speaking.mouth.complete(speaking.generation)
    await speaking.play(900)
    loud = [audio[0] != 0xFF for _, audio in speaking.carrier.frames]
    assert loud[:48] == [True] * 48
    gap = loud[48 : 48 + (SENTENCE_GAP_MS + 100) // 5]
    assert gap == [False] * len(gap)
    assert loud[48 + len(gap)]
    assert speaking.finished()


@in_virtual_time
async def test_the_mark_comes_after_the_last_audio_and_confirms_it() -> None:
    speaking = Speaking()
    speaking.say("one", 500)
    speaking.mouth.complete(speaking.generation)
    await speaking.play(1000)
    assert [sent.what for sent in speaking.carrier.sent][-1] == "mark"
    assert speaking.carrier.times("mark")[-1:] == speaking.carrier.times("audio")[-1:]
    assert speaking.mouth.playout.line.confirmed


@in_virtual_time
async def test_a_mark_is_also_asked_for_when_all_had_been_sent_before_it_was_complete() -> None:
    speaking = Speaking()
    speaking.say("one", 120)
    await speaking.play(40)
    assert len(speaking.carrier.times("mark")) == 1  # into the silent line
    speaking.mouth.complete(speaking.generation)
    assert len(speaking.carrier.times("mark")) == 2


@in_virtual_time
async def test_cancelling_tells_what_was_heard_and_clears_once() -> None:
    speaking = Speaking()
    speaking.say("one", 400)
    speaking.say("two", 400)
    speaking.mouth.complete(speaking.generation)
    await speaking.play(300)
    heard, at_ms = speaking.mouth.cancel()
    assert heard == speaking.carrier.heard() == "one"
    assert len(speaking.carrier.times("clear")) == 1
    assert speaking.records.erased == [at_ms]
    frames = len(speaking.carrier.frames)
    assert speaking.mouth.feed(speaking.generation, b"\x80" * 800, ()) is False
    await speaking.play(500)
    assert len(speaking.carrier.frames) == frames
    speaking.mouth.cancel()
    assert len(speaking.carrier.times("clear")) == 1


@in_virtual_time
async def test_nothing_is_cleared_when_all_was_heard() -> None:
    speaking = Speaking()
    speaking.say("one", 200)
    speaking.mouth.complete(speaking.generation)
    await speaking.play(400)
    assert speaking.mouth.cancel()[0] == "one"
    assert speaking.carrier.times("clear") == []


@in_virtual_time
async def test_marks_that_are_none_of_ours_are_ignored() -> None:
    speaking = Speaking()
    speaking.say("one", 5000)
    before = speaking.mouth.playout.line.heard_ms(0.0)
    long, foreign = "9" * 5000, "responsePart:1"
    for name in ("", "g", "g1", "g1:", "gx:5", "g1:x", "x1:100", "g99:100", "g²:3", "g1:²", f"g1:{long}", foreign):
        speaking.mouth.mark_returned(name)
    assert speaking.mouth.playout.line.heard_ms(0.0) == before


@in_virtual_time
async def test_a_voice_far_ahead_waits_for_room() -> None:
    speaking = Speaking()
    speaking.say("one", int(FULL_MS) + 1000)
    waiting = asyncio.create_task(speaking.mouth.room())
    await speaking.play(5000)
    assert not waiting.done()
    await speaking.play(7000)
    assert waiting.done()
    speaking.say("two", int(FULL_MS))
    stuck = asyncio.create_task(speaking.mouth.room())
    await speaking.play(100)
    assert not stuck.done()
    speaking.mouth.cancel()  # whoever waits may go
    await stuck
    await waiting
