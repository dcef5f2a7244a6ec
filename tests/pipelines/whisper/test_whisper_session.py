"""One call's side: what is asked of the engine at which pause, and what is not asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from whisper_models import RATE_HZ, Watched, quiet, tone

from benchmarks.whisper_weights import SPEAKING
from pipelines.abilities import Hurried
from pipelines.errors import StageError
from pipelines.providers.faster_whisper import Engine
from pipelines.stages import SttOptions
from pipelines.whisper.session import Session

SENTENCE = "I am the caller."


@pytest.fixture(scope="module")
def says() -> Watched:
    return Watched(SPEAKING, f" {SENTENCE}", window_s=4, collect_ms=0)


@asynccontextmanager
async def opened(
    decoder: Watched, calls: int = 1, language: str = "en", most_waiting: int = 8
) -> AsyncIterator[list[Session]]:
    decoder.batches.clear()
    engine = Engine(decoder, msgspec.structs.replace(decoder.options, max_waiting=most_waiting))
    sessions = [await engine.open(SttOptions(language=language, rate_hz=RATE_HZ)) for _ in range(calls)]
    try:
        yield sessions
    finally:
        decoder.gate.set()
        for session in sessions:
            await session.close()
        await engine.close()


async def held(decoder: Watched, session: Session) -> asyncio.Task[object]:
    """The session's flush is in the network and does not come out before the gate is opened."""
    decoder.gate.clear()
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    decoder.begun = lambda: loop.call_soon_threadsafe(begun.set)
    task: asyncio.Task[object] = asyncio.create_task(session.flush())
    await begun.wait()
    decoder.begun = lambda: None
    return task


def heard_seconds(decoder: Watched) -> list[float]:
    return [round(one.seconds, 2) for batch in decoder.batches for one in batch]


async def test_a_pause_gives_the_text_so_far(says: Watched) -> None:
    async with opened(says) as [session]:
        assert isinstance(session, Hurried)
        session.feed(tone(1.0))  # before anything has begun
        session.begin()
        assert session.partial == ""
        session.feed(tone(1.5))
        transcript = await session.flush()
        assert (transcript.text, transcript.language) == (SENTENCE, "en")
        assert transcript.confidence == pytest.approx(1.0, abs=0.1)
        assert session.partial == SENTENCE
        assert heard_seconds(says) == [1.5]


async def test_calls_that_pause_together_share_a_run(says: Watched) -> None:
    async with opened(says, calls=4) as sessions:
        for session in sessions:
            session.begin()
            session.feed(tone(1.0))
        for transcript in await asyncio.gather(*(session.flush() for session in sessions)):
            assert transcript.text == SENTENCE
        assert len(says.batches) == 1


async def test_silence_costs_nothing(says: Watched) -> None:
    async with opened(says) as [session]:
        session.begin()
        assert (await session.flush()).text == ""
        session.feed(quiet(2.0))
        assert (await session.flush()).text == ""
        assert says.batches == []


async def test_what_a_long_pause_follows_is_not_transcribed_again(says: Watched) -> None:
    async with opened(says) as [session]:
        session.begin()
        session.feed(tone(1.0) + quiet(0.14))
        await session.flush()
        session.feed(quiet(0.46) + tone(0.8) + quiet(0.14))
        transcript = await session.flush()
        assert heard_seconds(says) == [1.14, 1.24]  # the second from the middle of the pause on
        assert says.batches[1][0].before == SENTENCE
        assert transcript.text == f"{SENTENCE} {SENTENCE}"
        assert session.partial == transcript.text


async def test_after_a_short_pause_the_whole_is_heard_again(says: Watched) -> None:
    async with opened(says) as [session]:
        session.begin()
        session.feed(tone(1.0) + quiet(0.14))
        await session.flush()
        session.feed(quiet(0.1) + tone(0.76) + quiet(0.14))
        assert (await session.flush()).text == SENTENCE
        assert heard_seconds(says) == [1.14, 2.14]


async def test_a_doubtful_text_is_not_settled() -> None:
    random = Watched(window_s=4, collect_ms=0)
    async with opened(random) as [session]:
        session.begin()
        session.feed(tone(0.4, 700) + quiet(0.14))
        first = await session.flush()
        assert first.text
        assert first.confidence is not None
        assert first.confidence < 0.5
        session.feed(quiet(0.86) + tone(0.6, 500))
        await session.flush()
        assert heard_seconds(random) == [0.54, 2.0]


async def test_the_same_audio_is_asked_for_once(says: Watched) -> None:
    async with opened(says) as [session]:
        session.begin()
        session.feed(tone(1.0))
        assert await session.flush() == await session.flush()
        assert len(says.batches) == 1


async def test_the_times_of_words_count_from_the_beginning_of_the_utterance() -> None:
    timed = Watched(SPEAKING, f" {SENTENCE}", window_s=4, collect_ms=0, word_times=True)
    async with opened(timed) as [session]:
        session.begin()
        session.feed(tone(1.0) + quiet(0.14))
        await session.flush()
        session.feed(quiet(0.86) + tone(0.8))
        words = (await session.flush()).words
        assert [word.text for word in words] == ["I", "am", "the", "caller."] * 2
        assert all(word.end_ms <= 1240 for word in words[:4])
        assert all(1490 <= word.start_ms <= 2900 for word in words[4:])


async def test_a_flush_cancelled_before_its_turn_costs_nothing(says: Watched) -> None:
    async with opened(says, calls=2) as [busy, session]:
        for one in (busy, session):
            one.begin()
            one.feed(tone(1.0))
        running = await held(says, busy)
        waiting = asyncio.create_task(session.flush())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        says.gate.set()
        await running
        assert len(says.batches) == 1
        assert (await session.flush()).text == SENTENCE


async def test_a_flush_cancelled_too_late_still_teaches_what_was_said(says: Watched) -> None:
    async with opened(says, calls=2) as [session, other]:
        session.begin()
        session.feed(tone(1.0) + quiet(0.14))
        running = await held(says, session)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        says.gate.set()
        session.feed(quiet(0.46) + tone(0.8))
        other.begin()
        other.feed(tone(2.0))
        await other.flush()  # its turn came after
        assert session.partial == SENTENCE
        await session.flush()
        assert heard_seconds(says) == [1.14, 2.0, 1.1]


async def test_a_newer_flush_takes_the_place_of_one_that_waits(says: Watched) -> None:
    async with opened(says, calls=2) as [busy, session]:
        for one in (busy, session):
            one.begin()
            one.feed(tone(1.0))
        running = await held(says, busy)
        older = asyncio.create_task(session.flush())
        await asyncio.sleep(0)
        session.feed(tone(0.5))
        newer = asyncio.create_task(session.flush())
        await asyncio.sleep(0)
        says.gate.set()
        assert (await newer).text == SENTENCE
        assert (await older).text in ("", SENTENCE)
        await running
        assert heard_seconds(says) == [1.0, 1.5]


async def test_the_end_of_an_utterance_ends_its_flush_and_nothing_of_it_stays(says: Watched) -> None:
    async with opened(says) as [session]:
        session.begin()
        session.feed(tone(1.0))
        running = await held(says, session)
        session.begin()
        says.gate.set()
        transcript = await running
        assert getattr(transcript, "text", None) == ""
        assert session.partial == ""
        session.feed(tone(0.5))
        assert (await session.flush()).text == SENTENCE
        session.end()
        assert (await session.flush()).text == ""


async def test_a_committed_turn_goes_first(says: Watched) -> None:
    async with opened(says, calls=4) as [busy, *others]:
        for place, one in enumerate((busy, *others)):
            one.begin()
            one.feed(tone(1.0 + place / 10))
        running = await held(says, busy)
        flushes = [asyncio.create_task(one.flush()) for one in others]
        await asyncio.sleep(0)
        others[2].hurry()
        busy.hurry()
        says.gate.set()
        await asyncio.gather(running, *flushes)
        assert heard_seconds(says) == [1.0, 1.3, 1.1, 1.2]
        assert [len(batch) for batch in says.batches] == [1, 1, 2]


async def test_more_than_a_window_is_heard_in_pieces(says: Watched) -> None:
    async with opened(says) as [session]:
        session.begin()
        for _ in range(4):
            session.feed(tone(11.7) + quiet(0.3))
        transcript = await session.flush()
        assert transcript.text == " ".join([SENTENCE] * 2)
        assert sum(heard_seconds(says)) == pytest.approx(48.0)
        assert max(heard_seconds(says)) <= 30
        assert says.batches[1][0].before == SENTENCE


async def test_a_language_that_was_detected_is_kept_for_the_call(says: Watched) -> None:
    async with opened(says, language="auto") as [session]:
        session.begin()
        session.feed(tone(1.0))
        detected = (await session.flush()).language
        assert says.batches[0][0].language == ""
        assert detected in says.languages
        session.begin()
        session.feed(tone(1.0))
        assert (await session.flush()).language == detected
        sure = says.batches[1][0].language
        assert sure in ("", detected)


async def test_phantoms_are_not_passed_on() -> None:
    phantom = Watched(SPEAKING, " Thank you for watching.", window_s=4, collect_ms=0)
    async with opened(phantom) as [session]:
        session.begin()
        session.feed(tone(1.0))
        assert (await session.flush()).text == ""
        assert len(phantom.batches) == 1


async def test_an_overloaded_engine_refuses_at_once_and_works_again(says: Watched) -> None:
    async with opened(says, calls=3, most_waiting=1) as [busy, waits, refused]:
        for one in (busy, waits, refused):
            one.begin()
            one.feed(tone(1.0))
        running = await held(says, busy)
        waiting = asyncio.create_task(waits.flush())
        await asyncio.sleep(0)
        with pytest.raises(StageError, match="overloaded"):
            await refused.flush()
        says.gate.set()
        await asyncio.gather(running, waiting)
        assert (await refused.flush()).text == SENTENCE
