"""OpenAI's transcription: what each model is told, and how the realtime socket keeps utterances apart."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import numpy as np
import pytest
from openai import AsyncOpenAI

from benchmarks.emulators.base import RETRY_AFTER_S, Fault
from benchmarks.emulators.openai import KEY, OpenaiEmulator
from pipelines.errors import KeyRefused, Remedy, StageError
from pipelines.providers._openai_stt import hints_for
from pipelines.registry import make
from pipelines.stages import SttOptions, SttSession

T = TypeVar("T")
PHRASES = ("Frau Müller", "a sentence that callers say and that is far longer than any keyword is")


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenaiEmulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with OpenaiEmulator() as emulator:
        yield emulator


@pytest.fixture
async def engine(emulator: OpenaiEmulator) -> AsyncIterator[Any]:
    engine = await made(emulator)
    yield engine
    await engine.close()


@pytest.fixture
async def session(engine: Any) -> AsyncIterator[SttSession]:
    session: SttSession = await engine.open(SttOptions())
    yield session
    await session.close()


async def made(emulator: OpenaiEmulator, **options: Any) -> Any:
    return await make("stt", "openai", {"base_url": f"{emulator.url}/v1", **options}, source="test")


async def soon(step: Awaitable[T]) -> T:
    async with asyncio.timeout(10):
        return await step


def hum(ms: int, rate_hz: int = 8000) -> bytes:
    return bytes((8000 * np.sin(np.arange(ms * rate_hz // 1000) * 0.2)).astype("<i2").tobytes())


async def until_partial(session: SttSession, wanted: str) -> None:
    for _ in range(10_000):
        if session.partial == wanted:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{session.partial!r}, never {wanted!r}")


# --- what a model is told -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-transcribe", {"languages": ["de"], "keywords": ["Frau Müller"], "prompt": "Calls."}),
        ("gpt-live-transcribe-2026", {"languages": ["de"], "keywords": ["Frau Müller"], "prompt": "Calls."}),
        ("gpt-realtime-whisper", {"language": "de"}),
        ("whisper-1", {"language": "de", "prompt": f"Calls., {', '.join(PHRASES)}"}),
        ("Systran/faster-whisper-small", {"language": "de", "prompt": f"Calls., {', '.join(PHRASES)}"}),
    ],
)
def test_every_model_gets_the_hints_that_it_takes(model: str, expected: dict[str, Any]) -> None:
    assert hints_for(model, SttOptions(language="de-AT", phrases=PHRASES), "Calls.") == expected


async def test_over_http_they_are_form_fields(emulator: OpenaiEmulator) -> None:
    engine = await made(emulator, mode="http")
    session = await engine.open(SttOptions(language="de", phrases=PHRASES))
    session.begin()
    session.feed(hum(600))
    await soon(session.flush())
    assert emulator.requests[-1] == {
        "model": "gpt-transcribe",
        "languages[]": ["de"],
        "keywords[]": ["Frau Müller"],
    }
    session.feed(hum(600))
    await soon(session.flush())
    assert emulator.heard_ms == 1200, "the second flush sends the whole utterance"
    session.begin()
    session.feed(hum(80))
    assert (await soon(session.flush())).text == ""
    assert len(emulator.requests) == 2, "so little is no request"
    await engine.close()


@pytest.mark.parametrize(
    ("rate_hz", "wire"),
    [(8000, {"type": "audio/pcmu"}), (16000, {"type": "audio/pcm", "rate": 24000})],
)
async def test_a_telephones_audio_goes_as_it_came(
    emulator: OpenaiEmulator, engine: Any, rate_hz: int, wire: dict[str, Any]
) -> None:
    session = await engine.open(SttOptions(rate_hz=rate_hz, phrases=PHRASES))
    session.begin()
    session.feed(hum(300, rate_hz))
    await soon(session.flush())
    heard = emulator.requests[-1]["audio"]["input"]
    assert heard["format"] == wire
    assert heard["turn_detection"] is None
    assert heard["transcription"]["model"] == "gpt-live-transcribe"
    await session.close()


# --- utterances on the realtime socket ----------------------------------------------------------------


async def test_words_are_known_before_the_flush(emulator: OpenaiEmulator, session: SttSession) -> None:
    emulator.transcript = "my number is four seven"
    session.begin()
    for _ in range(7):
        session.feed(hum(100))
    await until_partial(session, "my number")
    assert (await soon(session.flush())).text == session.partial == "my number is four seven"
    session.begin()
    assert session.partial == ""


async def test_settled_audio_is_not_sent_again(emulator: OpenaiEmulator, session: SttSession) -> None:
    session.begin()
    emulator.transcript = "my number is"
    session.feed(hum(900))
    await soon(session.flush())
    emulator.add("four seven")
    session.feed(hum(500))
    assert (await soon(session.flush())).text == "my number is four seven"
    assert emulator.heard_ms == 500


async def test_what_is_too_short_to_commit_waits_for_more(emulator: OpenaiEmulator, session: SttSession) -> None:
    session.begin()
    emulator.transcript = "yes"
    session.feed(hum(600))
    await soon(session.flush())
    session.feed(hum(60))
    assert (await soon(session.flush())).text == "yes"
    emulator.add("please")
    session.feed(hum(60))
    assert (await soon(session.flush())).text == "yes please"
    assert emulator.heard_ms == 120


async def test_a_late_result_is_not_taken_for_the_next(emulator: OpenaiEmulator, session: SttSession) -> None:
    emulator.fault, emulator.transcript = Fault.STALL, "words of the first"
    session.begin()
    session.feed(hum(600))
    flush = asyncio.create_task(session.flush())
    await soon(emulator.busy())
    flush.cancel()
    await asyncio.wait([flush])
    emulator.fault = Fault.NONE
    session.begin()
    emulator.transcript = "words of the second"
    session.feed(hum(600))
    assert (await soon(session.flush())).text == "words of the second"


async def test_a_cancelled_flush_is_part_of_the_next(emulator: OpenaiEmulator, session: SttSession) -> None:
    """The caller went on speaking: what was committed already stays heard."""
    emulator.fault, emulator.transcript = Fault.STALL, "I would like"
    session.begin()
    session.feed(hum(600))
    flush = asyncio.create_task(session.flush())
    await soon(emulator.busy())
    flush.cancel()
    await asyncio.wait([flush])
    emulator.fault = Fault.NONE
    emulator.add("to book")
    session.feed(hum(600))
    assert (await soon(session.flush())).text == "I would like to book"


async def test_audio_of_a_dropped_utterance_is_forgotten(emulator: OpenaiEmulator, session: SttSession) -> None:
    session.begin()
    session.feed(hum(900))
    session.end()
    session.feed(hum(900))
    session.begin()
    emulator.transcript = "hello"
    session.feed(hum(300))
    assert (await soon(session.flush())).text == "hello"
    assert emulator.heard_ms == 300


async def test_a_limit_in_the_middle_of_a_session_says_how_long(emulator: OpenaiEmulator, session: SttSession) -> None:
    emulator.fault = Fault.RATE_LIMIT
    session.begin()
    session.feed(hum(600))
    with pytest.raises(StageError) as caught:
        await soon(session.flush())
    assert caught.value.remedy is Remedy.SWITCH
    assert caught.value.retry_after_s == RETRY_AFTER_S


async def test_a_key_that_is_withdrawn_meanwhile_is_told_as_such(emulator: OpenaiEmulator, session: SttSession) -> None:
    emulator.fault = Fault.UNAUTHORIZED
    session.begin()
    session.feed(hum(600))
    with pytest.raises(KeyRefused):
        await soon(session.flush())


async def test_closing_wakes_whoever_waits(emulator: OpenaiEmulator, session: SttSession) -> None:
    emulator.fault = Fault.STALL
    session.begin()
    session.feed(hum(600))
    flush = asyncio.create_task(session.flush())
    await soon(emulator.busy())
    await soon(session.close())
    with pytest.raises(StageError, match="closed"):
        await soon(flush)


async def test_a_session_that_is_refused_fails_at_the_flush(emulator: OpenaiEmulator) -> None:
    engine = await made(emulator, model="gpt-6-luna")
    session = await engine.open(SttOptions())
    session.begin()
    session.feed(hum(600))
    with pytest.raises(StageError, match="gpt-6-luna") as caught:
        await soon(session.flush())
    assert caught.value.remedy is Remedy.SWITCH
    await session.close()
    await engine.close()


async def test_a_connection_that_takes_nothing_is_given_up(session: SttSession) -> None:
    """Two minutes of audio, and nobody had a chance to send any."""
    session.begin()
    for _ in range(1400):
        session.feed(hum(100))
    with pytest.raises(StageError, match="does not take"):
        await soon(session.flush())


async def test_the_emulator_speaks_the_sdks_protocol(emulator: OpenaiEmulator) -> None:
    """The same conversation through the vendor's own client."""
    emulator.transcript = "hello there"
    async with (
        AsyncOpenAI(api_key=KEY, base_url=f"{emulator.url}/v1", max_retries=0) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as socket,
    ):
        transcription = {"model": "gpt-live-transcribe", "languages": ["en"]}
        heard: Any = {"format": {"type": "audio/pcmu"}, "transcription": transcription, "turn_detection": None}
        await socket.session.update(session={"type": "transcription", "audio": {"input": heard}})
        await socket.input_audio_buffer.append(audio=base64.b64encode(b"\xff" * 4800).decode())
        await socket.input_audio_buffer.commit()
        kinds = []
        async with asyncio.timeout(10):
            async for event in socket:
                kinds.append(event.type)
                if event.type == "conversation.item.input_audio_transcription.completed":
                    assert event.transcript == "hello there"
                    break
    assert kinds[:2] == ["session.created", "session.updated"]
    assert "input_audio_buffer.committed" in kinds
