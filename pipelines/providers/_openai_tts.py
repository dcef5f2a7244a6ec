"""Speech over `audio/speech`, streamed as PCM and turned into the line's format piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from pipelines.audio import AudioFormat, Transcoder
from pipelines.errors import Remedy
from pipelines.providers._openai_client import OpenaiClient
from pipelines.providers.openai import OpenaiOptions
from pipelines.stages import TtsChunk, Voice

MODEL = "gpt-4o-mini-tts"
SPEEDS = (0.25, 4.0)  # API reference, createSpeech
NOT_SOUND = ("application/json", "text/", "audio/mpeg", "audio/wav", "audio/x-wav")
RIFF = b"RIFF"


class OpenaiTts:
    """A `Tts` (see `pipelines.stages`). A voice's settings are fields of the request, as `instructions`."""

    def __init__(self, options: OpenaiOptions) -> None:
        self.model = options.model or MODEL
        self._options = options
        self._client = OpenaiClient("tts", options)

    async def warm(self) -> None:
        await self._client.warm()

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        transcoder = Transcoder(self._options.pcm_rate_hz, audio_format)
        with self._client.request():
            speech = self._client.sdk.audio.speech.with_streaming_response.create(
                input=text,
                model=self.model,
                voice=voice.voice_id or self._options.voice,
                response_format="pcm",
                extra_body=self._settings(voice),
            )
            async with speech as response:
                kind = response.headers.get("content-type", "")
                if kind.startswith(NOT_SOUND):
                    raise self._client.failure(f"answered with {kind.partition(';')[0]}, not with PCM")
                async for pcm in _samples(response.iter_bytes()):
                    if pcm.startswith(RIFF):
                        raise self._client.failure("answered with a WAV file, not with PCM", Remedy.SWITCH)
                    if audio := transcoder.feed(pcm):
                        yield TtsChunk(audio)
        if audio := transcoder.feed(b"", last=True):
            yield TtsChunk(audio)

    async def close(self) -> None:
        await self._client.close()

    def _settings(self, voice: Voice) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if self._options.instructions:
            settings["instructions"] = self._options.instructions
        if voice.speed != 1.0:  # not every model has it
            settings["speed"] = min(max(voice.speed, SPEEDS[0]), SPEEDS[1])
        return settings | self._options.extra_body | voice.settings


async def _samples(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, cut between samples."""
    odd = b""
    async for piece in pieces:
        whole = odd + piece
        end = len(whole) - len(whole) % 2
        odd = whole[end:]
        if end:
            yield whole[:end]
