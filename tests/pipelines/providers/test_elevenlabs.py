"""What is special to ElevenLabs' voices: contexts on shared sockets, limits, settings, alignment."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.emulators.base import Fault
from benchmarks.emulators.elevenlabs import ElevenLabsEmulator
from pipelines.abilities import HasBacklog, WarmableVoice
from pipelines.audio import TELEPHONE, AudioFormat, Codec
from pipelines.errors import ConfigError, Remedy, StageError
from pipelines.providers import _elevenlabs_speech as speech_module
from pipelines.providers.elevenlabs import Speaking
from pipelines.registry import make
from pipelines.stages import TtsChunk, Voice, Word

KEY = "sk-elevenlabs-4711"
TEXT = "Thank you for calling. How can I help you today?"
MODES = ("websocket", "http")


@asynccontextmanager
async def speaking(
    monkeypatch: pytest.MonkeyPatch, emulator: ElevenLabsEmulator | None = None, **options: Any
) -> AsyncIterator[tuple[Speaking, ElevenLabsEmulator]]:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    async with asyncio.timeout(20), emulator or ElevenLabsEmulator(key=KEY) as running:
        engine = await make("tts", "elevenlabs", {"base_url": running.url, **options}, source="test")
        assert isinstance(engine, Speaking)
        try:
            yield engine, running
        finally:
            await engine.close()
        await running.idle()
        await running.unplugged()


def say(
    engine: Speaking, text: str = TEXT, voice: Voice | None = None, audio_format: AudioFormat = TELEPHONE
) -> AsyncGenerator[TtsChunk, None]:
    return engine.synthesize(text, voice or Voice(), audio_format)


async def heard(stream: AsyncGenerator[TtsChunk, None]) -> tuple[bytes, list[Word]]:
    chunks = [chunk async for chunk in stream]
    return b"".join(chunk.audio for chunk in chunks), [word for chunk in chunks for word in chunk.words]


def messages(emulator: ElevenLabsEmulator, field: str) -> list[dict[str, Any]]:
    return [request for request in emulator.requests if field in request]


async def test_a_text_is_one_context_that_is_flushed_heard_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        await heard(say(engine))
        assert isinstance(engine, HasBacklog)
        assert isinstance(engine, WarmableVoice)
        socket, first, text, last = emulator.requests
        assert socket["path"].endswith("/JBFqnCBsd6RMkjVDRZzb/multi-stream-input")
        assert socket["output_format"] == "ulaw_8000"
        assert (socket["sync_alignment"], socket["auto_mode"], socket["language_code"]) == ("true", "true", "en")
        assert first == {"text": " ", "context_id": text["context_id"]}
        assert (text["text"], text["flush"]) == (f"{TEXT} ", True)
        assert last == {"context_id": text["context_id"], "close_context": True}


async def test_calls_share_a_socket_up_to_its_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch, most_concurrent=12) as (engine, emulator):
        spoken = await asyncio.gather(*(heard(say(engine, f"Text {'very ' * n}{n}.")) for n in range(12)))
        assert emulator.connections == 3  # 5 + 5 + 2
        assert [len(audio) for audio, _ in spoken] == [len(f"Text {'very ' * n}{n}.") * 480 + 480 for n in range(12)]
        await heard(say(engine))
        assert emulator.connections == 3


async def test_a_voice_model_or_format_has_its_own_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        await heard(say(engine))
        await heard(say(engine, voice=Voice("Other/One")))
        await heard(say(engine, audio_format=AudioFormat(Codec.PCM16, 24000)))
        await heard(say(engine, voice=Voice(language="de-AT")))
        await heard(say(engine))
        assert emulator.connections == 4
        assert [request["path"].split("/")[3] for request in messages(emulator, "path")][1] == "Other"


async def test_more_texts_than_the_plan_allows_queue_and_show(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch, most_concurrent=2) as (engine, emulator):
        emulator.fault = Fault.STALL_MIDWAY
        first, second = say(engine), say(engine)
        await anext(first)
        await anext(second)
        emulator.fault = Fault.NONE
        assert engine.backlog_ms == 0.0
        third = asyncio.create_task(heard(say(engine, "Third.")))
        fourth = asyncio.create_task(heard(say(engine, "Fourth.")))
        await asyncio.sleep(0)
        assert engine.backlog_ms > 0.0
        fourth.cancel()
        await first.aclose()
        assert (await third)[0]
        await second.aclose()
        assert (await heard(say(engine)))[0]
        assert engine.backlog_ms == 0.0
        assert emulator.peak_contexts == 2
        assert "Fourth." not in emulator.spoken


async def test_barge_in_closes_the_context_and_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        emulator.fault = Fault.HUGE
        stream = say(engine, "A very long story.")
        await anext(stream)
        emulator.fault = Fault.NONE
        other = asyncio.create_task(heard(say(engine)))
        await stream.aclose()
        await other
        await emulator.idle()
        assert len(emulator.closed_contexts) == 2
        assert emulator.cancelled == 1
        assert emulator.connections == 1


async def test_a_context_counts_until_its_end_is_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that goes on with what was flushed: interruptions in a row must not exceed its limit."""
    emulator = ElevenLabsEmulator(key=KEY)
    emulator.finishes_on_close = True
    async with speaking(monkeypatch, emulator, contexts_per_socket=5) as (engine, _):
        for number in range(8):
            emulator.fault = Fault.STALL_MIDWAY if number < 6 else Fault.NONE
            async with aclosing(say(engine, f"Reply number {number}, which is cut off.")) as stream:
                assert (await anext(stream)).audio
        audio, words = await heard(say(engine))
        assert len(audio) == (len(TEXT) + 1) * 480
        assert " ".join(word.text for word in words) == TEXT
        assert emulator.connections == 2  # the sixth had to have another socket, no socket was lost


async def test_an_end_that_is_never_confirmed_retires_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_module, "FORGOTTEN_S", 0.0)
    async with speaking(monkeypatch, most_concurrent=1) as (engine, emulator):
        emulator.confirms_close = False
        stream = say(engine)
        await anext(stream)
        await stream.aclose()
        await emulator.unplugged()
        emulator.confirms_close = True
        assert (await heard(say(engine)))[0]  # the place was given back, on a new socket
        assert emulator.connections == 2


async def test_what_was_not_sent_yet_is_not_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        waiting = asyncio.create_task(heard(say(engine, "Never mind.")))
        await asyncio.sleep(0)
        waiting.cancel()
        await heard(say(engine))
        assert emulator.spoken == [TEXT]
        assert emulator.connections == 1


async def test_a_socket_that_dies_fails_its_contexts_and_the_next_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        emulator.fault = Fault.STALL_MIDWAY
        streams = [say(engine), say(engine)]
        for stream in streams:
            await anext(stream)
        await emulator.hang_up()
        emulator.fault = Fault.NONE
        for stream in streams:
            with pytest.raises(StageError, match="input_timeout_exceeded"):
                await heard(stream)
        assert (await heard(say(engine)))[0]
        assert emulator.connections == 2


async def test_an_idle_socket_that_was_closed_costs_nobody_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        await heard(say(engine))
        await emulator.hang_up()
        await emulator.unplugged()
        assert (await heard(say(engine)))[0]


async def test_a_socket_about_to_be_closed_is_not_begun_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_module, "BEFORE_INACTIVE_S", 10.0)
    async with speaking(monkeypatch, inactivity_timeout_s=10) as (engine, emulator):
        await heard(say(engine))
        await heard(say(engine))
        assert emulator.connections == 2
        assert messages(emulator, "inactivity_timeout")[0]["inactivity_timeout"] == "10"


@pytest.mark.parametrize("mode", MODES)
async def test_warm_is_before_the_first_text(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    async with speaking(monkeypatch, mode=mode) as (engine, emulator):
        await engine.warm_voice(Voice(), TELEPHONE)
        assert emulator.connections == 1
        await engine.warm_voice(Voice(), TELEPHONE)
        assert (await heard(say(engine)))[0]
        assert emulator.connections == 1
        assert emulator.keep_alives == (mode == "websocket")


async def test_warming_tells_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        emulator.fault = Fault.UNAUTHORIZED
        with pytest.raises(StageError, match="HTTP 401") as caught:
            await engine.warm_voice(Voice(), TELEPHONE)
        assert caught.value.remedy is Remedy.SWITCH


@pytest.mark.parametrize("mode", MODES)
async def test_nobody_answers_at_that_address(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    async with speaking(monkeypatch, mode=mode) as (engine, emulator):
        await emulator.__aexit__(None, None, None)
        with pytest.raises(StageError) as caught:
            await heard(say(engine))
        assert caught.value.remedy is Remedy.RETRY
        with pytest.raises(StageError):
            await engine.warm_voice(Voice(), TELEPHONE)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (Fault.RATE_LIMIT, Remedy.SWITCH),
        (Fault.UNAUTHORIZED, Remedy.SWITCH),
        (Fault.SERVER_ERROR, Remedy.RETRY),
        (Fault.CUT, Remedy.RETRY),
        (Fault.MALFORMED, Remedy.RETRY),
    ],
)
async def test_errors_on_an_open_socket(monkeypatch: pytest.MonkeyPatch, fault: Fault, remedy: Remedy) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        await heard(say(engine))
        emulator.fault = fault
        with pytest.raises(StageError) as caught:
            await heard(say(engine))
        assert caught.value.remedy is remedy
        assert KEY not in str(caught.value)
        emulator.fault = Fault.NONE
        assert (await heard(say(engine)))[0]


@pytest.mark.parametrize("mode", MODES)
async def test_a_key_that_the_provider_repeats_is_not_repeated(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    async with speaking(monkeypatch, ElevenLabsEmulator(key="another"), mode=mode) as (engine, _):
        with pytest.raises(StageError, match="Invalid API key …") as caught:
            await heard(say(engine))
        assert KEY not in str(caught.value)
        assert caught.value.remedy is Remedy.SWITCH


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("settings", "named"),
    [({"volume": 1}, "volume"), ({"stability": 2}, "stability"), ({"style": "loud"}, "style"), ({"speed": 3}, "speed")],
)
async def test_settings_that_are_none_are_named(
    monkeypatch: pytest.MonkeyPatch, mode: str, settings: dict[str, Any], named: str
) -> None:
    async with speaking(monkeypatch, mode=mode) as (engine, emulator):
        with pytest.raises(StageError, match=named) as caught:
            await heard(say(engine, voice=Voice(settings=settings)))
        assert caught.value.remedy is Remedy.SWITCH
        assert not emulator.requests


@pytest.mark.parametrize("mode", MODES)
async def test_settings_and_speed_are_sent(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    settings = {"stability": 0.4, "similarity_boost": 0.8, "style": 0.1, "use_speaker_boost": False}
    async with speaking(monkeypatch, mode=mode) as (engine, emulator):
        await heard(say(engine, voice=Voice(settings=settings, speed=2.0)))
        await heard(say(engine, voice=Voice(settings={"speed": 0.9}, speed=2.0)))
        sent = [message["voice_settings"] for message in messages(emulator, "voice_settings")]
        assert sent == [settings | {"speed": 1.2}, {"speed": 0.9}]


@pytest.mark.parametrize("mode", MODES)
async def test_the_voice_of_a_language(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    voices = {"de": "Deutsch", "de-AT": "Wien"}
    async with speaking(monkeypatch, mode=mode, voice="Default", voices=voices) as (engine, emulator):
        for voice in (Voice(), Voice(language="de-CH"), Voice(language="de-AT"), Voice("Mine", language="de")):
            await heard(say(engine, voice=voice))
        asked = messages(emulator, "path")
        assert [request["path"].split("/")[3] for request in asked] == ["Default", "Deutsch", "Wien", "Mine"]
        assert [request["language_code"] for request in asked] == ["en", "de", "de", "de"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_model_that_takes_no_language_is_told_none(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    async with speaking(monkeypatch, mode=mode, model="eleven_multilingual_v2") as (engine, emulator):
        await heard(say(engine, voice=Voice(language="de")))
        assert "language_code" not in emulator.requests[0]
        assert engine.model == emulator.requests[0]["model_id"] == "eleven_multilingual_v2"


async def test_a_model_without_sockets_is_refused_at_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    with pytest.raises(ConfigError, match="mode: http"):
        await make("tts", "elevenlabs", {"model": "eleven_v3"}, source="test")
    async with speaking(monkeypatch, mode="http", model="eleven_v3") as (engine, _):
        assert (await heard(say(engine)))[0]


async def test_a_schedule_is_sent_where_the_provider_is_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"auto_mode": False, "chunk_length_schedule": [50, 90], "text_normalization": "off"}
    async with speaking(monkeypatch, **options) as (engine, emulator):
        await heard(say(engine))
        assert emulator.requests[0]["apply_text_normalization"] == "off"
        assert emulator.requests[1]["generation_config"] == {"chunk_length_schedule": [50, 90]}


@pytest.mark.parametrize("mode", MODES)
async def test_word_times_fit_the_audio_wherever_messages_are_cut(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    async with speaking(monkeypatch, mode=mode) as (engine, _):
        audio, words = await heard(say(engine))
        assert [word.text for word in words] == TEXT.split()
        assert all(before.end_ms <= after.start_ms for before, after in pairwise(words))
        starts = [match.start() * 60.0 for match in re.finditer(r"\S+", TEXT)]
        assert [word.start_ms for word in words] == pytest.approx(starts, abs=1.0)
        assert words[-1].end_ms == pytest.approx(len(TEXT) * 60.0, abs=1.0)
        assert TELEPHONE.duration_ms(len(audio)) >= words[-1].end_ms


async def test_without_alignment_a_text_ends_when_nothing_more_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        emulator.aligns = False
        audio, words = await heard(say(engine))
        assert len(audio) == (len(TEXT) + 1) * 480
        assert not words


async def test_a_slow_provider_is_not_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_module, "QUIET_S", 0.0)
    async with speaking(monkeypatch, ElevenLabsEmulator(key=KEY, pace=50)) as (engine, _):
        _, words = await heard(say(engine))
        assert [word.text for word in words] == TEXT.split()


async def test_characters_that_are_never_aligned_end_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_module, "INCOMPLETE_S", 0.0)
    async with speaking(monkeypatch) as (engine, emulator):
        emulator.fault = Fault.STALL_MIDWAY
        audio, words = await heard(say(engine, "Thank you for :)"))
        assert len(audio) == 13 * 480
        assert [word.text for word in words] == ["Thank", "you", "for"]


@pytest.mark.parametrize("closed", [True, False])
async def test_a_text_that_is_cut_short_is_no_success(monkeypatch: pytest.MonkeyPatch, closed: bool) -> None:
    """Neither when our closing ended it nor when the provider did."""
    monkeypatch.setattr(speech_module, "INCOMPLETE_S", 0.0 if closed else 9.0)
    async with speaking(monkeypatch) as (engine, emulator):
        emulator.fault = Fault.STALL_MIDWAY
        stream = say(engine)
        assert (await anext(stream)).audio
        if not closed:
            socket = next(iter(emulator.speech_sockets))
            await socket.give_up()
        with pytest.raises(StageError, match="in the middle") as caught:
            await heard(stream)
        assert caught.value.remedy is Remedy.RETRY


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", ["", "  ", "…", "?!", "\n"])
async def test_what_has_no_sound_is_not_asked_for(monkeypatch: pytest.MonkeyPatch, mode: str, text: str) -> None:
    async with speaking(monkeypatch, mode=mode) as (engine, emulator):
        assert await heard(say(engine, text)) == (b"", [])
        assert not emulator.requests


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", ["a\x00b", "half \ud800 of a pair", 'a "quote" <break/> \\ €'])
async def test_odd_characters_are_sent(monkeypatch: pytest.MonkeyPatch, mode: str, text: str) -> None:
    async with speaking(monkeypatch, mode=mode) as (engine, emulator):
        assert (await heard(say(engine, text)))[0]
        assert emulator.spoken == [text.replace("\ud800", "?")]


async def test_speech_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_module, "UNREAD_BYTES", 100_000)
    async with speaking(monkeypatch) as (engine, emulator):
        emulator.fault = Fault.HUGE
        stream = say(engine)
        await anext(stream)
        await emulator.idle()  # our side closed the context
        with pytest.raises(StageError, match="anybody listens"):
            await heard(stream)


async def test_closing_the_engine_ends_what_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(monkeypatch) as (engine, emulator):
        emulator.fault = Fault.STALL_MIDWAY
        stream = say(engine)
        await anext(stream)
        await engine.close()
        with pytest.raises(StageError, match="closed"):
            await heard(stream)
