"""Transcription: over HTTP, where a flush sends the whole utterance, or over the realtime socket, where it streams."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from pipelines.errors import Remedy
from pipelines.providers._openai_client import OpenaiClient
from pipelines.providers._openai_realtime import RealtimeSession, connect
from pipelines.providers.openai import OpenaiOptions
from pipelines.stages import Expect, SttOptions, SttSession, Transcript

MODELS = {"http": "gpt-transcribe", "realtime": "gpt-live-transcribe"}
WITH_KEYWORDS = ("gpt-transcribe", "gpt-live-transcribe")  # speech-to-text guide: `keywords` and `languages`
WITHOUT_PROMPT = ("gpt-realtime-whisper", "gpt-4o-transcribe-diarize")
MOST_KEYWORDS = 100  # the reference gives no limit: enough for names and products
LONGEST_KEYWORD = 50
LONGEST_PROMPT = 800  # characters; Whisper reads the last 224 tokens of one
SHORTEST_MS = 100  # the API refuses less audio than that
LONGEST_MS = 600_000  # of an utterance; 25 MB is what the API takes, at any rate of ours
LONGEST_ANSWER = 1 << 20


class _Answer(msgspec.Struct):
    text: str


class OpenaiStt:
    """An `Stt` (see `pipelines.stages`)."""

    def __init__(self, options: OpenaiOptions) -> None:
        self.model = options.model or MODELS[options.mode]
        self._options = options
        self._client = OpenaiClient("stt", options)

    async def warm(self) -> None:
        await self._client.warm()

    async def open(self, options: SttOptions) -> SttSession:
        hints = hints_for(self.model, options, self._options.prompt)
        if self._options.mode == "http":
            return HttpSession(self._client, self.model, options, hints)
        socket = await connect(self._client)
        return RealtimeSession(self._client, socket, {"model": self.model, **hints}, options)

    async def close(self) -> None:
        await self._client.close()


def hints_for(model: str, options: SttOptions, prompt: str) -> dict[str, Any]:
    """What helps `model` to understand, in the fields that it has: the API refuses the others."""
    language = options.language.lower().replace("_", "-").partition("-")[0]  # ISO 639-1
    if model.startswith(WITH_KEYWORDS):
        words = [phrase for phrase in options.phrases if len(phrase) <= LONGEST_KEYWORD][:MOST_KEYWORDS]
        hints: dict[str, Any] = {"languages": [language], "keywords": words, "prompt": prompt}
    elif model.startswith(WITHOUT_PROMPT):
        hints = {"language": language}
    else:
        hints = {"language": language, "prompt": ", ".join(filter(None, [prompt, *options.phrases]))[:LONGEST_PROMPT]}
    return {name: value for name, value in hints.items() if value}


class HttpSession:
    """One call's recogniser (`SttSession`). It has no hypotheses: what is said is heard when it is flushed."""

    partial = ""

    def __init__(self, client: OpenaiClient, model: str, options: SttOptions, hints: dict[str, Any]) -> None:
        self._client = client
        self._model = model
        self._options = options
        self._hints = hints
        self._begun = False
        self._pcm = bytearray()
        self.sent_s = 0.0  # `SendsAgain`
        self._bytes_per_ms = options.rate_hz * 2 // 1000

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._begun = True
        self._pcm.clear()

    def feed(self, pcm: bytes) -> None:
        if self._begun and len(self._pcm) < LONGEST_MS * self._bytes_per_ms:
            self._pcm += pcm

    async def flush(self) -> Transcript:
        if len(self._pcm) < SHORTEST_MS * self._bytes_per_ms:
            return Transcript("")
        self.sent_s += len(self._pcm) / self._bytes_per_ms / 1000.0
        with self._client.request():
            upload = self._client.sdk.audio.transcriptions.with_streaming_response.create(
                file=("speech.wav", self._wav(), "audio/wav"), model=self._model, extra_body=self._hints
            )
            async with upload as response:
                answer = msgspec.json.decode(await self._read(response.iter_bytes()), type=_Answer)
        return Transcript(answer.text.strip(), language=self._options.language)

    def end(self) -> None:
        self._begun = False
        self._pcm.clear()

    async def close(self) -> None:
        self.end()

    def _wav(self) -> bytes:
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(self._options.rate_hz)
            sound.writeframes(self._pcm)
        return file.getvalue()

    async def _read(self, pieces: AsyncIterator[bytes]) -> bytes:
        body = bytearray()
        async for piece in pieces:
            body += piece
            if len(body) > LONGEST_ANSWER:
                raise self._client.failure("an endless transcript", Remedy.SWITCH)
        return bytes(body)
