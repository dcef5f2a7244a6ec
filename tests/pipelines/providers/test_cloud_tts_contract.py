"""What every voice behind a network must do: the real adapter and its SDK, over real sockets, against an emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from cloud_cases import Case, cases
from cloud_contract import BROKEN, cancels_at_once, closes_at_once, everything, is_told_well, made, soon

from benchmarks.emulators.base import Fault
from pipelines.abilities import Billed
from pipelines.audio import TELEPHONE, AudioFormat, Codec, dbfs, to_pcm16
from pipelines.errors import StageError
from pipelines.stages import Tts, TtsChunk, Voice

SENTENCE = "Thank you for calling Harbor Dental. How can I help you?"
GERMAN = "Schöne Grüße aus Köln: für Ärzte, 5 € – ganz gewiß."
FORMATS = {
    "ulaw-8000": TELEPHONE,
    "pcm-8000": AudioFormat(Codec.PCM16, 8000),
    "pcm-16000": AudioFormat(Codec.PCM16, 16000),
    "pcm-24000": AudioFormat(Codec.PCM16, 24000),
}


@pytest.fixture(params=cases("tts"), ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
async def pair(case: Case, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Tts, Any]]:
    async with made(case, monkeypatch) as (engine, emulator):
        yield engine, emulator


def speak(
    engine: Tts, text: str = SENTENCE, audio_format: AudioFormat = TELEPHONE, language: str = "en"
) -> AsyncGenerator[TtsChunk, None]:
    return engine.synthesize(text, Voice(language=language), audio_format)


def sound(chunks: list[TtsChunk]) -> bytes:
    return b"".join(chunk.audio for chunk in chunks)


@pytest.mark.parametrize("audio_format", FORMATS.values(), ids=FORMATS)
async def test_it_speaks_in_the_format_asked_for(pair: tuple[Tts, Any], audio_format: AudioFormat) -> None:
    engine, emulator = pair
    chunks = await everything(speak(engine, audio_format=audio_format))
    audio = sound(chunks)
    assert len(audio) % audio_format.bytes_per_sample == 0
    wanted_ms = 60 * len(SENTENCE)
    assert audio_format.duration_ms(len(audio)) == pytest.approx(wanted_ms, abs=0.05 * wanted_ms + 60)
    assert dbfs(to_pcm16(audio, audio_format.codec)) > -25
    assert emulator.spoken[-1].strip() == SENTENCE


async def test_it_streams(pair: tuple[Tts, Any]) -> None:
    chunks = await everything(speak(pair[0]))
    assert len([chunk for chunk in chunks if chunk.audio]) > 1


async def test_words_are_in_order_and_inside_the_audio(pair: tuple[Tts, Any]) -> None:
    chunks = await everything(speak(pair[0]))
    words = [word for chunk in chunks for word in chunk.words]
    if not words:
        return  # its protocol has no timings
    assert " ".join(word.text for word in words) == SENTENCE
    assert all(word.start_ms <= word.end_ms for word in words)
    assert all(first.start_ms <= second.start_ms for first, second in pairwise(words))
    assert words[-1].end_ms <= TELEPHONE.duration_ms(len(sound(chunks))) + 60


async def test_other_languages_arrive_as_written(pair: tuple[Tts, Any]) -> None:
    engine, emulator = pair
    chunks = await everything(speak(engine, GERMAN, language="de"))
    assert sound(chunks)
    assert emulator.spoken[-1].strip() == GERMAN
    words = [word.text for chunk in chunks for word in chunk.words]
    assert not words or " ".join(words) == GERMAN


async def test_several_at_once_are_not_mixed_up(pair: tuple[Tts, Any]) -> None:
    engine, _ = pair
    texts = [f"Sentence {'long ' * number}number {number}." for number in range(8)]
    spoken = await soon(asyncio.gather(*(everything(speak(engine, text)) for text in texts)))
    for text, chunks in zip(texts, spoken, strict=True):
        assert TELEPHONE.duration_ms(len(sound(chunks))) == pytest.approx(60 * len(text), abs=100)


async def test_closing_after_the_first_sound(pair: tuple[Tts, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.STALL_MIDWAY
    stream = speak(engine)
    assert (await soon(anext(stream))).audio
    await closes_at_once(stream, emulator)
    emulator.fault = Fault.NONE
    assert sound(await everything(speak(engine)))


async def test_cancelling_while_nothing_comes(pair: tuple[Tts, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.STALL
    task = asyncio.create_task(_read(speak(engine)))
    await soon(emulator.busy())
    await cancels_at_once(task, emulator)
    emulator.fault = Fault.NONE
    assert sound(await everything(speak(engine)))


@pytest.mark.parametrize("fault", BROKEN)
async def test_what_breaks_is_told_and_over(pair: tuple[Tts, Any], case: Case, fault: Fault) -> None:
    engine, emulator = pair
    emulator.fault = fault
    with pytest.raises(StageError) as caught:
        await everything(speak(engine))
    is_told_well(caught.value, case, fault)
    emulator.fault = Fault.NONE
    assert sound(await everything(speak(engine)))


async def test_an_empty_answer_ends(pair: tuple[Tts, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.EMPTY
    try:
        assert not sound(await everything(speak(engine)))
    except StageError:
        pass
    emulator.fault = Fault.NONE
    assert sound(await everything(speak(engine)))


async def test_an_endless_answer_can_be_left(pair: tuple[Tts, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.HUGE
    heard_ms = 0.0
    stream = speak(engine)
    async with aclosing(stream):
        while heard_ms < 20_000:
            chunk = await soon(anext(stream))
            assert len(chunk.audio) < 4_000_000
            heard_ms += TELEPHONE.duration_ms(len(chunk.audio))
    await soon(emulator.idle())
    emulator.fault = Fault.NONE
    assert sound(await everything(speak(engine)))


async def test_a_telephones_audio_is_asked_for_where_it_is_offered(pair: tuple[Tts, Any], case: Case) -> None:
    """The shortest way: µ-law from the provider to the line."""
    engine, emulator = pair
    await everything(speak(engine))
    if case.provider in ("elevenlabs", "cartesia"):
        assert "ulaw" in str(emulator.requests).replace("mulaw", "ulaw")


def test_it_can_be_billed(pair: tuple[Tts, Any]) -> None:
    assert isinstance(pair[0], Billed)
    assert pair[0].model


async def _read(stream: AsyncGenerator[TtsChunk, None]) -> None:
    async for _ in stream:
        pass
