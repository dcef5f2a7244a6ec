"""Cartesia over its emulator: what the contract of all recognisers and voices does not ask for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from cloud_contract import PATIENCE_S, everything, soon

from benchmarks.emulators.base import Fault
from benchmarks.emulators.cartesia import CartesiaEmulator
from benchmarks.emulators.speech import tone
from pipelines.abilities import Warmable
from pipelines.audio import TELEPHONE, AudioFormat, Codec
from pipelines.errors import Remedy, StageError
from pipelines.registry import make
from pipelines.stages import SttOptions, Voice

SENTENCE = "Thank you for calling. How can I help?"
LINE = AudioFormat(Codec.PCM16, 8000)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTESIA_API_KEY", "key-4711")


@asynccontextmanager
async def engine(stage: str, emulator: CartesiaEmulator, **options: Any) -> AsyncIterator[Any]:
    made = await make(stage, "cartesia", {"base_url": emulator.url, **options}, source="test")
    yield made
    await made.close()


# --- Sonic -------------------------------------------------------------------------------------------


async def test_all_calls_share_the_one_connection_that_is_open_before_them() -> None:
    async with CartesiaEmulator() as emulator, engine("tts", emulator) as tts:
        assert isinstance(tts, Warmable)
        await soon(tts.warm())
        assert emulator.connections == 1
        await asyncio.gather(*(everything(tts.synthesize(SENTENCE, Voice(), TELEPHONE)) for _ in range(20)))
        await soon(tts.warm())
        assert emulator.connections == 1
        assert len({request["context_id"] for request in emulator.requests}) == 20


async def test_a_text_that_is_left_is_cancelled_and_the_others_go_on() -> None:
    async with CartesiaEmulator() as emulator, engine("tts", emulator) as tts:
        emulator.fault = Fault.STALL_MIDWAY
        left = tts.synthesize(SENTENCE, Voice(), TELEPHONE)
        await soon(anext(left))
        emulator.fault = Fault.NONE
        await soon(left.aclose())
        await soon(emulator.idle())
        assert emulator.cancelled == 1
        assert await everything(tts.synthesize(SENTENCE, Voice(), TELEPHONE))
        assert emulator.connections == 1


async def test_a_connection_that_breaks_fails_every_text_on_it_and_none_after() -> None:
    async with CartesiaEmulator() as emulator, engine("tts", emulator) as tts:
        emulator.fault = Fault.STALL
        waiting = asyncio.create_task(everything(tts.synthesize(SENTENCE, Voice(), TELEPHONE)))
        await soon(emulator.busy())
        emulator.fault = Fault.CUT
        for broken in (waiting, asyncio.create_task(everything(tts.synthesize(SENTENCE, Voice(), TELEPHONE)))):
            with pytest.raises(StageError) as caught:
                await broken
            assert caught.value.remedy is Remedy.RETRY
        emulator.fault = Fault.NONE
        assert await everything(tts.synthesize(SENTENCE, Voice(), TELEPHONE))
        assert emulator.connections == 2


async def test_a_text_too_many_is_refused_alone() -> None:
    async with CartesiaEmulator(most_contexts=1) as emulator, engine("tts", emulator) as tts:
        emulator.fault = Fault.STALL_MIDWAY
        async with aclosing(tts.synthesize(SENTENCE, Voice(), TELEPHONE)) as first:
            await soon(anext(first))
            with pytest.raises(StageError, match="429: Request failed: Too many concurrent requests") as caught:
                await everything(tts.synthesize(SENTENCE, Voice(), TELEPHONE))
            assert caught.value.remedy is Remedy.SWITCH
        emulator.fault = Fault.NONE
        await soon(emulator.idle())
        assert await everything(tts.synthesize(SENTENCE, Voice(), TELEPHONE))


async def test_voice_speed_and_settings_are_passed_on() -> None:
    async with CartesiaEmulator() as emulator, engine("tts", emulator, voices={"de": "a-german-voice"}) as tts:
        voice = Voice(language="de-AT", speed=3.0, settings={"volume": 1.5, "emotion": "calm"})
        await everything(tts.synthesize("Grüß Gott.", voice, TELEPHONE))
        (asked,) = emulator.requests
        assert asked["voice"] == {"mode": "id", "id": "a-german-voice"}
        assert asked["language"] == "de"
        assert asked["generation_config"] == {"volume": 1.5, "emotion": "calm", "speed": 1.5}
        assert asked["output_format"] == {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}


@pytest.mark.parametrize("settings", [{"stability": 0.5}, {"volume": 9}, {"emotion": 1}])
async def test_wrong_settings_are_refused_by_name(settings: dict[str, Any]) -> None:
    async with CartesiaEmulator() as emulator, engine("tts", emulator) as tts:
        with pytest.raises(StageError, match=next(iter(settings))) as caught:
            await everything(tts.synthesize(SENTENCE, Voice(settings=settings), TELEPHONE))
        assert caught.value.remedy is Remedy.SWITCH
        assert not emulator.requests


async def test_a_rate_that_is_not_offered_is_made_of_the_next_higher_one() -> None:
    wanted = AudioFormat(Codec.PCM16, 32000)
    async with CartesiaEmulator() as emulator, engine("tts", emulator) as tts:
        chunks = await everything(tts.synthesize(SENTENCE, Voice(), wanted))
        assert emulator.requests[-1]["output_format"]["sample_rate"] == 44100
        length_ms = wanted.duration_ms(sum(len(chunk.audio) for chunk in chunks))
        assert length_ms == pytest.approx(60 * len(SENTENCE), abs=2)


async def test_words_come_with_sound_and_at_their_times() -> None:
    async with CartesiaEmulator() as emulator, engine("tts", emulator) as tts:
        chunks = await everything(tts.synthesize("Yes, please.", Voice(), TELEPHONE))
        assert all(chunk.audio for chunk in chunks)
        assert [(word.text, word.start_ms, word.end_ms) for chunk in chunks for word in chunk.words] == [
            ("Yes,", 0.0, 240.0),
            ("please.", 300.0, 720.0),
        ]


# --- Ink ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "model"), [("en", "ink-2"), ("en-GB", "ink-2"), ("de", "ink-whisper")])
async def test_each_language_has_its_model_and_key_terms_go_where_they_are_known(language: str, model: str) -> None:
    async with CartesiaEmulator() as emulator, engine("stt", emulator) as stt:
        session = await soon(stt.open(SttOptions(language=language, phrases=("Harbor Dental",))))
        (asked,) = emulator.requests
        assert asked["model"] == [model]
        assert asked["encoding"] == ["pcm_mulaw"]
        assert asked.get("keyterm") == (["Harbor Dental"] if model == "ink-2" else None)
        await session.close()


async def test_hypotheses_come_while_the_caller_speaks_and_only_for_this_utterance() -> None:
    async with CartesiaEmulator() as emulator, engine("stt", emulator) as stt:
        session = await soon(stt.open(SttOptions()))
        for text in ("What about tomorrow?", "Never mind then."):
            emulator.transcript = text
            session.begin()
            assert session.partial == ""
            session.feed(tone(LINE, 500))

            async with asyncio.timeout(PATIENCE_S):
                while True:
                    if session.partial:
                        break
                    await asyncio.sleep(0)
            assert text.startswith(session.partial)
            session.end()
        await session.close()


async def test_an_error_on_an_open_connection_is_classed_by_its_status() -> None:
    async with CartesiaEmulator() as emulator, engine("stt", emulator) as stt:
        session = await soon(stt.open(SttOptions()))
        for fault, remedy in ((Fault.UNAUTHORIZED, Remedy.SWITCH), (Fault.SERVER_ERROR, Remedy.RETRY)):
            emulator.fault = Fault.NONE
            session.begin()
            session.feed(tone(LINE, 500))
            assert (await soon(session.flush())).text == emulator.transcript
            emulator.fault = fault
            session.feed(tone(LINE, 500))
            with pytest.raises(StageError) as caught:
                await soon(session.flush())
            assert caught.value.remedy is remedy
        await session.close()
