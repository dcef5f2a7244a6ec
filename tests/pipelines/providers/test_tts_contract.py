"""What every voice must do, over every voice there is: real engines, real worker processes. Piper and Kokoro speak with
networks whose weights are random (see `tiny_voices`)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import tiny_voices

from pipelines.audio import TELEPHONE, AudioFormat, Codec, dbfs, to_pcm16
from pipelines.errors import EngineMissing, Remedy, StageError
from pipelines.providers._voice_process import VoiceProcess
from pipelines.registry import make
from pipelines.stages import Tts, TtsChunk, Voice, Word

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENTENCE = "Thank you for calling Harbor Dental. We are open from nine to five, Monday to Friday."
LONG = " ".join([SENTENCE] * 40)  # no voice has finished that when its first sound comes
FAST = {"tts": {"first_audio_ms": 0, "realtime_factor": 100_000}}
ENGINES: dict[str, dict[str, Any]] = {"espeak": {}, "flite": {}, "simulated": FAST, "piper": {}, "kokoro": {}}
IN_A_PROCESS = ("espeak", "flite", "piper", "kokoro")


@pytest.fixture(scope="module", autouse=True)
def networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("voices")
    model, voices = tiny_voices.kokoro(folder)
    ENGINES["piper"] = {"models": [str(tiny_voices.piper(folder))]}
    ENGINES["kokoro"] = {"model": str(model), "voices": str(voices)}


async def engine_called(name: str) -> Tts:
    try:
        made = await make("tts", name, ENGINES[name], source="test")
    except EngineMissing as missing:
        pytest.skip(f"NOT TESTED: {missing}")
    assert isinstance(made, Tts)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(ENGINES))
async def tts(request: pytest.FixtureRequest) -> AsyncIterator[Tts]:
    engine = await engine_called(request.param)
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module", params=IN_A_PROCESS)
async def process(request: pytest.FixtureRequest) -> AsyncIterator[VoiceProcess]:
    engine = await engine_called(request.param)
    assert isinstance(engine, VoiceProcess)
    yield engine
    await engine.close()


def stream(engine: Tts, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
    speech = engine.synthesize(text, voice, audio_format)
    assert isinstance(speech, AsyncGenerator)
    return speech


async def said(
    engine: Tts, text: str, voice: Voice | None = None, audio_format: AudioFormat = TELEPHONE
) -> tuple[bytes, list[Word], list[TtsChunk]]:
    chunks = [chunk async for chunk in engine.synthesize(text, voice or Voice(), audio_format)]
    audio = b"".join(chunk.audio for chunk in chunks)
    return audio, [word for chunk in chunks for word in chunk.words], chunks


def level(audio: bytes, audio_format: AudioFormat, from_ms: int = 0, to_ms: int | None = None) -> float:
    per_ms = audio_format.bytes_per_ms
    return dbfs(to_pcm16(audio[from_ms * per_ms : None if to_ms is None else to_ms * per_ms], audio_format.codec))


def processes_below_us() -> set[int]:
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                    fields = file.read().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == os.getpid():
                found.add(int(entry))
    return found


FORMATS = [
    TELEPHONE,
    AudioFormat(Codec.ALAW, 8000),
    AudioFormat(Codec.PCM16, 8000),
    AudioFormat(Codec.PCM16, 16000),
    AudioFormat(Codec.PCM16, 24000),
]


@pytest.mark.parametrize("audio_format", FORMATS, ids=lambda f: f"{f.codec}-{f.rate_hz}")
async def test_speech_in_every_format_is_level_and_begins_at_once(tts: Tts, audio_format: AudioFormat) -> None:
    audio, _, chunks = await said(tts, SENTENCE, audio_format=audio_format)
    duration_ms = audio_format.duration_ms(len(audio))
    assert 3500 < duration_ms < 8000
    assert len(chunks) > 8  # streamed
    assert all(len(chunk.audio) % audio_format.bytes_per_sample == 0 for chunk in chunks)
    # A weak fricative may open the sentence, but no silence may.
    assert level(audio, audio_format, 0, 30) > -50
    assert level(audio, audio_format, 0, 150) > -36
    samples = np.frombuffer(to_pcm16(audio, audio_format.codec), np.int16).astype(np.float64) / 32768
    assert np.abs(samples).max() <= 10 ** (-2 / 20)  # no clipping, also after companding
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    levels = np.sqrt((frames**2).mean(axis=1))
    active = levels[levels > levels.max() / 20]
    assert -21 < 20 * np.log10(np.sqrt((active**2).mean())) < -14
    tail = levels[-(audio_format.rate_hz * 200 // 1000 // 160) :]
    assert tail.max() > 10 ** (-46 / 20)  # not 200 ms of silence at the end


async def test_words_are_the_texts_own_in_order_and_inside_the_audio(tts: Tts) -> None:
    text = 'Hello, it costs $20.50 for "Dr. Smith" at 10:30 — shall I book it? Yes! e-mail me@x.com'
    audio, words, _ = await said(tts, text)
    assert " ".join(word.text for word in words) == text
    assert len(words) >= 14
    assert words[0].start_ms < 60
    assert all(word.start_ms <= word.end_ms for word in words)
    assert all(before.end_ms <= after.start_ms + 1 for before, after in pairwise(words))
    assert words[-1].end_ms <= TELEPHONE.duration_ms(len(audio)) + 1
    assert words[-1].end_ms > TELEPHONE.duration_ms(len(audio)) - 400


async def test_speech_stops_where_its_words_do(tts: Tts) -> None:
    """The same beginning takes the same time: word times are of the audio, not of some estimate."""
    _, whole, _ = await said(tts, "Thank you for calling, goodbye and good luck.")
    until = next(word for word in whole if word.text == "calling,")
    part, _, _ = await said(tts, "Thank you for calling,")
    assert until.end_ms == pytest.approx(TELEPHONE.duration_ms(len(part)), abs=350)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
async def test_nothing_to_say(tts: Tts, text: str) -> None:
    assert await said(tts, text) == (b"", [], [])


@pytest.mark.parametrize("text", ["...", "— – “”", "\x00\x1b[31m", "\ud800", "🙂", "?!"])
async def test_what_cannot_be_pronounced_does_no_harm(tts: Tts, text: str) -> None:
    await said(tts, text)
    audio, _, _ = await said(tts, "Still here.")
    assert len(audio) > 3000


async def test_control_characters_cut_nothing_off(tts: Tts) -> None:
    clean, _, _ = await said(tts, "Before and after.")
    odd, _, _ = await said(tts, "Before\x00and\x07 \u200bafter.")
    assert len(odd) == pytest.approx(len(clean), rel=0.3)


async def test_accents_are_spoken(tts: Tts) -> None:
    audio, words, _ = await said(tts, "The naïve café owner met Zoë Müller.")
    assert len(audio) > 1500 * 8
    assert [word.text for word in words][1:3] == ["naïve", "café"]


async def test_a_very_long_text_streams_from_the_beginning(tts: Tts) -> None:
    text = " ".join(f"This is sentence number {number} of a very long text." for number in range(60))
    seconds = 0.0
    words: list[Word] = []
    async for chunk in tts.synthesize(text, Voice(), TELEPHONE):
        seconds += TELEPHONE.duration_ms(len(chunk.audio)) / 1000
        words += chunk.words
    assert seconds > 100
    assert " ".join(word.text for word in words) == text
    assert all(before.end_ms <= after.start_ms + 1 for before, after in pairwise(words))
    assert seconds * 1000 - words[-1].end_ms < 400


async def test_a_text_without_spaces(tts: Tts) -> None:
    audio, words, _ = await said(tts, "abcdefghij" * 60)
    assert audio
    assert "".join(word.text for word in words) == "abcdefghij" * 60


async def test_speed_changes_the_duration(tts: Tts) -> None:
    slow, normal, fast = [len((await said(tts, SENTENCE, Voice(speed=speed)))[0]) for speed in (0.7, 1.0, 1.5)]
    assert slow > 1.2 * normal
    assert fast < 0.8 * normal


async def test_closing_early_takes_no_time_and_leaves_the_engine_usable(tts: Tts) -> None:
    before, _, _ = await said(tts, "Still here.")
    text = " ".join([SENTENCE] * 20)
    async with aclosing(stream(tts, text, Voice(), TELEPHONE)) as speech:
        assert (await anext(speech)).audio
        started_s = time.perf_counter()
    assert time.perf_counter() - started_s < 0.05
    again, _, _ = await said(tts, "Still here.")
    assert len(again) == pytest.approx(len(before), rel=0.1)
    # What was cancelled is not spoken to the end first: two minutes of speech would take far longer.
    assert time.perf_counter() - started_s < 0.5


async def test_ten_at_once_are_ten_times_the_same(tts: Tts) -> None:
    alone = (await said(tts, SENTENCE))[:2]
    together = await asyncio.gather(*(said(tts, SENTENCE) for _ in range(10)))
    assert all(len(audio) == pytest.approx(len(alone[0]), rel=0.02) for audio, _, _ in together)
    assert all([w.text for w in words] == [w.text for w in alone[1]] for _, words, _ in together)


async def test_nobody_waits_for_somebody_elses_paragraph(tts: Tts) -> None:
    paragraph = " ".join([SENTENCE] * 40)
    async with aclosing(stream(tts, paragraph, Voice(), TELEPHONE)) as long:
        await anext(long)
        started_s = time.perf_counter()
        audio, _, _ = await said(tts, "One moment please.")
        assert audio
        assert time.perf_counter() - started_s < 0.5


async def test_a_voice_or_setting_that_is_not_there_is_named(process: VoiceProcess) -> None:
    with pytest.raises(StageError, match='no voice "Zarathustra"') as caught:
        await said(process, "Hello.", Voice(voice_id="Zarathustra"))
    assert caught.value.remedy is Remedy.SWITCH
    with pytest.raises(StageError, match='language "xx-YY"') as caught:
        await said(process, "Hello.", Voice(language="xx-YY"))
    assert caught.value.remedy is Remedy.SWITCH
    with pytest.raises(StageError, match=r"volume") as caught:
        await said(process, "Hello.", Voice(settings={"volume": 9999}))
    assert caught.value.remedy is Remedy.SWITCH
    audio, _, _ = await said(process, "Hello.", Voice(settings={"stability": 0.4}))  # another provider's
    assert audio


async def test_volume_is_heard(process: VoiceProcess) -> None:
    loud, _, _ = await said(process, SENTENCE)
    soft, _, _ = await said(process, SENTENCE, Voice(settings={"volume": 25}))
    assert level(loud, TELEPHONE) - level(soft, TELEPHONE) == pytest.approx(12, abs=2)


async def test_a_killed_process_fails_its_speech_and_comes_back(process: VoiceProcess) -> None:
    pid = process.worker.pid
    assert pid is not None
    with pytest.raises(StageError) as caught:  # noqa: PT012 - the error may come with any chunk
        async for _ in process.synthesize(LONG, Voice(), TELEPHONE):
            os.kill(pid, signal.SIGKILL)
    assert caught.value.remedy is Remedy.RETRY
    audio, _, _ = await said(process, "I am back.")
    assert len(audio) > 3000
    assert process.worker.pid not in (None, pid)


@pytest.mark.parametrize("name", IN_A_PROCESS)
async def test_closing_the_engine_leaves_no_process_and_no_descriptor(name: str) -> None:
    children, descriptors = processes_below_us(), len(os.listdir("/proc/self/fd"))
    tasks = asyncio.all_tasks()
    engine = await engine_called(name)
    speech = engine.synthesize(LONG, Voice(), TELEPHONE)
    await anext(speech)
    assert len(processes_below_us()) == len(children) + 1
    await engine.close()
    with pytest.raises(StageError):
        async for _ in speech:
            pass
    assert processes_below_us() == children
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1  # the loop's child watcher may keep one
    assert asyncio.all_tasks() == tasks


async def test_espeak_voices_are_chosen_by_name_variant_or_language() -> None:
    engine = await engine_called("espeak")
    try:
        voices = [
            Voice(),
            Voice(voice_id="en-gb"),
            Voice(voice_id="en-us+f3"),
            Voice(language="de"),
            Voice(language="de-AT"),
            Voice(voice_id="German"),
        ]
        spoken = [(await said(engine, "Guten Tag, schöne Grüße aus München.", voice))[0] for voice in voices]
        with pytest.raises(StageError, match=r"no voice \"en-us\+nobody\""):
            await said(engine, "Hello.", Voice(voice_id="en-us+nobody"))
    finally:
        await engine.close()
    assert all(len(audio) > 1000 * 8 for audio in spoken)
    assert len(set(spoken[:4])) == 4  # four different voices
    assert len(spoken[3]) == pytest.approx(len(spoken[4]), rel=0.01)
    assert len(spoken[3]) == pytest.approx(len(spoken[5]), rel=0.01)
