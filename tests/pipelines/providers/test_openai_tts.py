"""OpenAI's voice: what of an agent's voice goes into the request, and answers that are no PCM."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from benchmarks.emulators.openai import KEY, OpenaiEmulator
from pipelines.audio import TELEPHONE, AudioFormat, Codec, Transcoder
from pipelines.errors import StageError
from pipelines.providers._openai_tts import _samples
from pipelines.registry import make
from pipelines.stages import Voice

PCM_24K = AudioFormat(Codec.PCM16, 24_000)


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenaiEmulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with OpenaiEmulator() as emulator:
        yield emulator


async def spoken(
    emulator: OpenaiEmulator, voice: Voice, audio_format: AudioFormat = TELEPHONE, **options: Any
) -> bytes:
    engine: Any = await make("tts", "openai", {"base_url": f"{emulator.url}/v1", **options}, source="test")
    try:
        return b"".join([chunk.audio async for chunk in engine.synthesize("Guten Tag.", voice, audio_format)])
    finally:
        await engine.close()


async def test_an_agents_voice_goes_into_the_request(emulator: OpenaiEmulator) -> None:
    voice = Voice("sage", speed=9.0, settings={"instructions": "Calmly."})
    await spoken(emulator, voice, model="tts-1", instructions="Cheerfully.")
    assert emulator.requests[-1] == {
        "input": "Guten Tag.",
        "model": "tts-1",
        "voice": "sage",
        "response_format": "pcm",
        "speed": 4.0,
        "instructions": "Calmly.",
    }


async def test_what_is_ordinary_is_not_said(emulator: OpenaiEmulator) -> None:
    await spoken(emulator, Voice())
    assert {"speed", "instructions"} & set(emulator.requests[-1]) == set()
    assert emulator.requests[-1]["voice"]


async def test_native_audio_is_not_touched(emulator: OpenaiEmulator) -> None:
    native = await spoken(emulator, Voice(), PCM_24K)
    assert len(native) == 600 * PCM_24K.bytes_per_ms
    transcoder = Transcoder(24_000, TELEPHONE)
    assert await spoken(emulator, Voice()) == transcoder.feed(native) + transcoder.feed(b"", last=True)


@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
async def test_another_servers_pcm_has_another_rate(emulator: OpenaiEmulator, rate_hz: int) -> None:
    audio = await spoken(emulator, Voice(), pcm_rate_hz=rate_hz)
    assert TELEPHONE.duration_ms(len(audio)) == pytest.approx(600 * 24_000 / rate_hz, abs=10)


async def test_a_file_is_not_played_as_samples(emulator: OpenaiEmulator) -> None:
    emulator.container = b"RIFF\x00\x00\x00\x00WAVEfmt "
    with pytest.raises(StageError, match="WAV"):
        await spoken(emulator, Voice())


async def test_pieces_are_cut_between_samples() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"\x01", b"\x02\x03", b"", b"\x04\x05\x06\x07"):
            yield piece

    assert [piece async for piece in _samples(pieces())] == [b"\x01\x02", b"\x03\x04\x05\x06"]
