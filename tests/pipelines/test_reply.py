"""Model → chunks → voice → mouth, streaming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from scripted import Carrier, Codebook, Records, Speaker
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines.brain.dialogue import ReplyEvent
from pipelines.clock import CallClock
from pipelines.errors import StageError, StageTimeout
from pipelines.mouth import Mouth
from pipelines.pacer import Pacer
from pipelines.reply import CHUNK_S, CHUNKS_AHEAD, LONGEST_REPLY, Reply
from pipelines.stages import Expect, Hint, TextDelta, Usage, Voice
from pipelines.timing import Mark


class Stage:
    def __init__(self) -> None:
        book = Codebook()
        clock = CallClock()
        self.start_ms = virtual_loop().time() * 1000
        clock.begin(self.start_ms)
        self.audible = 0
        self.speaker = Speaker(book)
        self.carrier = Carrier(book, self.now, has_marks=False)
        self.pacer = Pacer()
        self.mouth = Mouth(self.carrier, Records(), self.pacer, clock, 200.0)
        self.written = 0
        self.open = 0
        self.reply = Reply(self.speaker, Voice(), self.mouth, self.now, self.became_audible)

    def now(self) -> float:
        return virtual_loop().time() * 1000 - self.start_ms

    def tick(self, now_ms: float) -> None:
        self.mouth.tick(now_ms)

    def became_audible(self) -> None:
        self.audible += 1

    async def model(
        self, *events: ReplyEvent, each_ms: float = 100.0, error: Exception | None = None
    ) -> AsyncGenerator[ReplyEvent, None]:
        self.open += 1
        try:
            for event in events:
                await pass_ms(each_ms)
                self.written += 1
                yield event
            if error:
                raise error
        finally:
            self.open -= 1


@in_virtual_time
async def test_the_first_chunk_is_spoken_while_the_rest_is_written() -> None:
    stage = Stage()
    events = [TextDelta(f"{word} ") for word in ["Of", "course.", "We", "are", "open", "until", "six."]]
    task = asyncio.create_task(stage.reply.speak_model(stage.model(*events)))
    await pass_ms(290)
    assert stage.speaker.said == ["Of course."]
    assert stage.audible == 1
    assert stage.written < len(events)
    await task
    assert stage.speaker.said == ["Of course.", "We are open until six."]
    assert stage.audible == 1
    assert stage.reply.text == "Of course. We are open until six. "
    assert {mark: round(at) for mark, at in stage.reply.marks.items()} == {
        Mark.FIRST_TOKEN: 100,
        Mark.FIRST_CHUNK: 200,
        Mark.FIRST_AUDIO: 280,
    }


@in_virtual_time
async def test_hints_and_usage_are_kept_and_not_spoken() -> None:
    stage = Stage()
    events = [Hint(Expect.YES_NO), TextDelta("  "), TextDelta("Is that right?"), Usage(3, 4)]
    await stage.reply.speak_model(stage.model(*events))
    assert stage.reply.expect is Expect.YES_NO
    assert stage.reply.usage == [Usage(3, 4)]
    assert stage.speaker.said == ["Is that right?"]
    assert round(stage.reply.marks[Mark.FIRST_TOKEN]) == 300  # a blank is no token of spoken text


@pytest.mark.parametrize("with_text", [False, True])
def test_an_error_of_the_model_comes_after_what_it_had_written(with_text: bool) -> None:
    @in_virtual_time
    async def play() -> None:
        stage = Stage()
        events = [TextDelta("Of course. And")] if with_text else []
        error = StageError("cut", stage="llm", provider="scripted")
        with pytest.raises(StageError, match="cut"):
            await stage.reply.speak_model(stage.model(*events, error=error))
        assert stage.speaker.said == (["Of course."] if with_text else [])

    play()


@in_virtual_time
async def test_an_error_of_the_voice_closes_the_model() -> None:
    stage = Stage()
    stage.speaker.failures = 1
    events = [TextDelta("Of course. ")] + [TextDelta("more ")] * 50
    with pytest.raises(StageError, match="no voice"):
        await stage.reply.speak_model(stage.model(*events))
    assert stage.open == stage.speaker.open == 0
    assert stage.written < 10


@in_virtual_time
async def test_when_voice_and_model_both_fail_the_voice_is_blamed() -> None:
    stage = Stage()
    stage.speaker.failures = 1
    error = StageError("cut", stage="llm", provider="scripted")
    with pytest.raises(StageError, match="no voice"):
        await stage.reply.speak_model(stage.model(TextDelta("Of course."), each_ms=1.0, error=error))
    assert stage.written == 1


@in_virtual_time
async def test_cancelling_closes_model_and_voice() -> None:
    stage = Stage()
    events = [TextDelta("Of course. ")] + [TextDelta("more ")] * 50
    task = asyncio.create_task(stage.reply.speak_model(stage.model(*events)))
    await pass_ms(150)
    assert stage.open == stage.speaker.open == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stage.open == stage.speaker.open == 0


@in_virtual_time
async def test_a_model_far_ahead_of_the_voice_is_read_more_slowly() -> None:
    stage = Stage()
    stage.speaker.first_audio_ms = 100_000
    events = [TextDelta("One more sentence. ")] * 50
    task = asyncio.create_task(stage.reply.speak_model(stage.model(*events, each_ms=1.0)))
    await pass_ms(1000)
    assert stage.written <= CHUNKS_AHEAD + 3
    task.cancel()
    await asyncio.wait([task])


@in_virtual_time
async def test_an_endless_model_is_not_spoken_for_ever() -> None:
    stage = Stage()
    stage.pacer.add(stage)
    await stage.reply.speak_model(stage.model(*[TextDelta("Again and again and on. ")] * 1000, each_ms=0.0))
    stage.pacer.close()
    assert stage.written == 1000
    assert LONGEST_REPLY <= len(stage.reply.text) < LONGEST_REPLY + 50


@in_virtual_time
async def test_a_filler_comes_before_words_that_are_still_being_made() -> None:
    stage, excuses = Stage(), list[str]()
    stage.speaker.slow = {"Of course.": 900.0}
    task = asyncio.create_task(stage.reply.speak_model(stage.model(TextDelta("Of course."))))
    await pass_ms(200)
    assert stage.reply.at_voice
    await stage.reply.fill("One moment.", lambda: excuses.append("heard"))
    assert stage.reply.at_voice
    await task
    assert not stage.reply.at_voice
    assert [spoken.text for spoken in stage.mouth.playout.spoken] == ["One moment.", "Of course."]
    assert (stage.reply.text, stage.reply.fillers, excuses) == ("Of course.", 1, ["heard"])


@in_virtual_time
async def test_a_filler_that_comes_too_late_is_not_heard() -> None:
    stage = Stage()
    stage.speaker.slow = {"One moment.": 500.0}
    task = asyncio.create_task(stage.reply.speak_model(stage.model(TextDelta("Of course."))))
    await stage.reply.fill("One moment.", lambda: pytest.fail("nobody needs it any more"))
    await task
    assert [spoken.text for spoken in stage.mouth.playout.spoken] == ["Of course."]
    assert stage.reply.fillers == 0


@in_virtual_time
async def test_a_voice_that_makes_no_sound_has_failed() -> None:
    stage = Stage()
    stage.speaker.slow = {"Of course.": None}
    with pytest.raises(StageError, match="no sound"):
        await stage.reply.speak_text("Of course.")
    stage.speaker.slow = {"…": None}
    await stage.reply.speak_text("…")


@in_virtual_time
async def test_a_model_that_comes_to_no_sentence_is_given_up() -> None:
    stage = Stage()
    began = stage.now()
    with pytest.raises(StageTimeout, match="nothing to say"):
        await stage.reply.speak_model(stage.model(*[TextDelta("and ")] * 50, each_ms=1000.0))
    assert stage.now() - began == pytest.approx(CHUNK_S * 1000)
    assert stage.open == 0


@in_virtual_time
async def test_nothing_sounds_while_it_is_held_and_then_all_at_once() -> None:
    stage = Stage()
    reply = Reply(stage.speaker, Voice(), stage.mouth, stage.now, stage.became_audible, held=True)
    await reply.speak_model(stage.model(TextDelta("Of course.")))
    assert stage.carrier.frames == []
    assert stage.audible == 0
    assert round(reply.marks[Mark.FIRST_AUDIO]) == 180
    await pass_ms(500)
    reply.release()
    assert stage.audible == 1
    assert round(stage.carrier.frames[0][0]) == round(stage.now()) == 680
