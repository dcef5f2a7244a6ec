"""What is special to ElevenLabs' recognition: commits, connections that stay clean, vocabulary, times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from benchmarks.emulators.base import Fault
from benchmarks.emulators.elevenlabs import ElevenLabsEmulator
from pipelines.audio import Codec, from_pcm16
from pipelines.errors import Remedy, StageError
from pipelines.providers import _elevenlabs_scribe as scribe
from pipelines.providers._elevenlabs_scribe import ScribeSession
from pipelines.registry import make
from pipelines.stages import SttOptions

KEY = "sk-elevenlabs-4711"


@asynccontextmanager
async def hearing(
    monkeypatch: pytest.MonkeyPatch, options: SttOptions | None = None, **settings: Any
) -> AsyncIterator[tuple[ScribeSession, ElevenLabsEmulator]]:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    async with asyncio.timeout(20), ElevenLabsEmulator(key=KEY) as emulator:
        engine = await make("stt", "elevenlabs", {"base_url": emulator.url, **settings}, source="test")
        session = await engine.open(options or SttOptions())  # type: ignore[union-attr]
        assert isinstance(session, ScribeSession)
        try:
            yield session, emulator
        finally:
            await session.close()
            await engine.close()
        await emulator.idle()
        await emulator.unplugged()


def speak(session: ScribeSession, ms: int, rate_hz: int = 8000) -> None:
    frame = (b"\x00\x10\x00\xf0" * rate_hz)[: rate_hz * 2 // 50]
    for _ in range(ms // 20):
        session.feed(frame)


async def utterance(session: ScribeSession, ms: int = 600) -> str:
    session.begin()
    speak(session, ms)
    return (await session.flush()).text


async def partial(session: ScribeSession) -> str:
    """The first there is of an utterance."""
    while not session.partial:
        session._utterance.changed.clear()
        await session._utterance.changed.wait()
    return session.partial


async def test_utterances_share_a_connection_while_it_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        for text in ("one", "two", "three"):
            emulator.transcript = text
            assert await utterance(session) == text
            speak(session, 700)  # the pause in which the turn is found to be over
        assert emulator.connections == 1
        assert emulator.requests[0]["audio_format"] == "ulaw_8000"
        assert emulator.requests[0]["commit_strategy"] == "manual"


async def test_a_telephones_bytes_arrive_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        session.begin()
        pcm = bytes(range(256)) * 25
        session.feed(pcm)
        await session.flush()
        assert emulator.heard_bytes == len(from_pcm16(pcm, Codec.ULAW)) == 3200


async def test_what_was_not_flushed_does_not_reach_the_next_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        session.begin()
        speak(session, 1000)
        await partial(session)
        assert await utterance(session, 400) == "hello"
        assert emulator.heard_ms == pytest.approx(400, abs=1)
        assert emulator.connections == 2


async def test_an_answer_that_comes_late_does_not_reach_the_next_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        emulator.transcript, emulator.fault = "old words", Fault.STALL
        session.begin()
        speak(session, 600)
        flush = asyncio.create_task(session.flush())
        await emulator.busy()
        emulator.transcript, emulator.fault = "new words", Fault.NONE
        session.begin()
        with pytest.raises(StageError, match="given up"):
            await flush
        assert session.partial == ""
        speak(session, 600)
        assert (await session.flush()).text == "new words"


async def test_a_cancelled_flush_is_part_of_the_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        emulator.transcript, emulator.commit_s = "my number is", 0.05
        session.begin()
        speak(session, 600)
        flush = asyncio.create_task(session.flush())
        await emulator.busy()
        flush.cancel()
        emulator.add("four seven")
        speak(session, 600)
        assert (await session.flush()).text == "my number is four seven"
        assert session.partial == "my number is four seven"
        assert emulator.connections == 1


async def test_a_commit_that_is_never_answered_costs_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribe, "LATE_S", 0.0)
    async with hearing(monkeypatch) as (session, emulator):
        emulator.fault = Fault.STALL
        session.begin()
        speak(session, 600)
        flush = asyncio.create_task(session.flush())
        await emulator.busy()
        flush.cancel()
        await emulator.unplugged()
        with pytest.raises(
            StageError, match="no answer"
        ) as caught:  # its words are lost: whoever kept it says it again
            await session.flush()
        assert caught.value.remedy is Remedy.RETRY
        emulator.fault = Fault.NONE
        assert await utterance(session) == "hello"


async def test_a_short_word_is_made_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        emulator.transcript = "yes"
        assert await utterance(session, 160) == "yes"
        assert 300 <= emulator.heard_ms <= 320


async def test_partial_text_comes_before_the_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        emulator.transcript = "I would like an appointment"
        session.begin()
        speak(session, 400)
        assert await partial(session) == "I would like"
        session.begin()
        assert session.partial == ""


async def test_the_providers_own_commit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It commits by itself what gets too long."""
    async with hearing(monkeypatch) as (session, emulator):
        session.begin()
        session.message(b'{"message_type": "committed_transcript", "text": "It is a long story"}')
        emulator.transcript = "and it ends here"
        speak(session, 600)
        assert (await session.flush()).text == "It is a long story and it ends here"


async def test_an_idle_connection_that_was_closed_costs_nobody_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        assert await utterance(session) == "hello"
        session.message(b'{"message_type": "insufficient_audio_activity", "error": "nobody speaks"}')
        await emulator.unplugged()
        emulator.transcript = "still here"
        assert await utterance(session) == "still here"


async def test_a_connection_lost_after_a_pause_loses_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        emulator.transcript = "my number is"
        assert await utterance(session) == "my number is"
        session.message(b'{"message_type": "session_time_limit_exceeded", "error": "too long"}')
        emulator.add("four seven")
        speak(session, 600)
        assert (await session.flush()).text == "my number is four seven"


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("auth_error", Remedy.SWITCH),
        ("quota_exceeded", Remedy.SWITCH),
        ("rate_limited", Remedy.SWITCH),
        ("unaccepted_terms", Remedy.SWITCH),
        ("transcriber_error", Remedy.RETRY),
        ("resource_exhausted", Remedy.RETRY),
        ("error", Remedy.RETRY),
        ("something_new", Remedy.RETRY),
    ],
)
async def test_errors_are_told_by_their_names(monkeypatch: pytest.MonkeyPatch, kind: str, remedy: Remedy) -> None:
    async with hearing(monkeypatch) as (session, _):
        session.begin()
        speak(session, 600)
        session.message(f'{{"message_type": "{kind}", "error": "because of {KEY}"}}'.encode())
        with pytest.raises(StageError, match=kind) as caught:
            await session.flush()
        assert caught.value.remedy is remedy
        assert KEY not in str(caught.value)


async def test_words_are_timed_from_the_utterances_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch, SttOptions(language="de-AT"), timestamps=True) as (session, emulator):
        for _ in range(2):
            emulator.transcript = "guten Morgen"
            session.begin()
            speak(session, 600)
            transcript = await session.flush()
            assert transcript.text == "guten Morgen"
            assert [word.text for word in transcript.words] == ["guten", "Morgen"]
            times = [time for word in transcript.words for time in (word.start_ms, word.end_ms)]
            assert times == pytest.approx([0, 300, 300, 600], abs=1)
            assert transcript.words[0].confidence == pytest.approx(0.905, abs=0.001)
            assert transcript.language == "de"


async def test_vocabulary_that_the_provider_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    phrases = ("Köln", "I would like to book an appointment", "Dr. Özdemir", "Köln", *(f"name {n}" for n in range(60)))
    async with hearing(monkeypatch, SttOptions(phrases=phrases)) as (session, emulator):
        assert await utterance(session) == "hello"
        assert emulator.keyterms[:2] == ["Köln", "Dr. Özdemir"]
        assert len(emulator.keyterms) <= 50
    async with hearing(monkeypatch, SttOptions(phrases=phrases), keyterms=False) as (session, emulator):
        assert await utterance(session) == "hello"
        assert emulator.keyterms == []


async def test_a_rate_that_is_not_offered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    engine = await make("stt", "elevenlabs", {}, source="test")
    with pytest.raises(StageError, match="11025"):
        await engine.open(SttOptions(rate_hz=11025))  # type: ignore[union-attr]


async def test_a_bad_key_is_told_at_the_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        emulator.key = "another"
        await emulator.unplugged()
        session.end()
        session.lost(StageError("as if it had broken", stage="stt", provider="elevenlabs"))
        with pytest.raises(StageError, match="401") as caught:
            await utterance(session)
        assert caught.value.remedy is Remedy.SWITCH


async def test_a_closed_session_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hearing(monkeypatch) as (session, emulator):
        await session.close()
        await session.close()
        assert await utterance(session) == ""
        await emulator.unplugged()
