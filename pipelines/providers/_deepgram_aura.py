"""Deepgram's voices (Aura, `/v1/speak`), streamed over HTTP: a request for every chunk of text, raw audio back.

Protocol: https://developers.deepgram.com/reference/text-to-speech/speak-request. It has no word timings.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import aiohttp
import msgspec

from pipelines.audio import AudioFormat, Codec, Transcoder
from pipelines.connections import Connections
from pipelines.errors import Remedy, StageError
from pipelines.providers._deepgram_options import DeepgramOptions
from pipelines.providers._refusals import refused
from pipelines.stages import TtsChunk, Voice

RATES_HZ = (8000, 16000, 24000, 32000, 48000)  # of linear16
PIECE_BYTES = 4096
LARGEST_BYTES = 64 * 1024 * 1024  # of one chunk's audio: no text that fits into a request takes so long to say


class _Refusal(msgspec.Struct):
    err_msg: str = ""


class DeepgramTts:
    """`Tts`, `Warmable`."""

    def __init__(self, options: DeepgramOptions) -> None:
        self._options = options
        self._pool = Connections.take()
        self._url = options.base_url.rstrip("/")
        self._headers = {"Authorization": f"Token {options.api_key.reveal()}"}

    @property
    def model(self) -> str:
        return "aura-2"

    async def warm(self) -> None:
        """Raises StageError. The cheapest request there is: who am I?"""
        try:
            async with self._pool.session.get(f"{self._url}/v1/auth/token", headers=self._headers) as answer:
                if answer.status >= 400:
                    raise await _refused(answer)
                await answer.read()
        except aiohttp.ClientError as error:
            raise _broken(error) from None  # the cause carries the request, and with it the key

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        if not text.strip():
            return
        native = _nearest(audio_format)
        transcoder = Transcoder(native.rate_hz, audio_format) if native != audio_format else None
        query = {
            "model": self._voice(voice),
            "encoding": {Codec.ULAW: "mulaw", Codec.ALAW: "alaw", Codec.PCM16: "linear16"}[native.codec],
            "sample_rate": str(native.rate_hz),
            "container": "none",
        }
        if voice.speed != 1.0:
            query["speed"] = f"{min(max(voice.speed, 0.7), 1.5):g}"
        try:
            async with self._pool.session.post(
                f"{self._url}/v1/speak", params=query, headers=self._headers, json={"text": text}
            ) as answer:
                if answer.status >= 400:
                    raise await _refused(answer)
                async with aclosing(_whole_samples(answer, native.bytes_per_sample)) as pieces:
                    async for audio in pieces:
                        if made := transcoder.feed(audio) if transcoder else audio:
                            yield TtsChunk(made)
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(error) from None  # the cause carries the request, and with it the key
        if transcoder and (rest := transcoder.feed(b"", last=True)):
            yield TtsChunk(rest)

    async def close(self) -> None:
        await self._pool.give_back()

    def _voice(self, voice: Voice) -> str:
        if voice.settings:
            message = f"it knows no voice setting {next(iter(voice.settings))!r}"
            raise StageError(message, stage="tts", provider="deepgram", remedy=Remedy.SWITCH)
        chosen = voice.voice_id or self._options.voice(voice.language)
        if not chosen:
            message = f"no voice is set for the language {voice.language!r}: options.voices"
            raise StageError(message, stage="tts", provider="deepgram", remedy=Remedy.SWITCH)
        return chosen


def _nearest(wanted: AudioFormat) -> AudioFormat:
    """What is asked for exactly, where it is offered, else the next higher rate of PCM."""
    if wanted.codec is not Codec.PCM16 and wanted.rate_hz in (8000, 16000):
        return wanted
    return AudioFormat(Codec.PCM16, next((rate for rate in RATES_HZ if rate >= wanted.rate_hz), RATES_HZ[-1]))


async def _whole_samples(answer: aiohttp.ClientResponse, size: int) -> AsyncGenerator[bytes, None]:
    """Raises StageError for what is no audio, or is without end."""
    if not answer.content_type.startswith("audio/"):
        raise StageError(f"malformed answer: {answer.content_type[:80]}, not audio", stage="tts", provider="deepgram")
    rest, heard = b"", 0
    async for piece in answer.content.iter_chunked(PIECE_BYTES):
        heard += len(piece)
        if heard > LARGEST_BYTES:
            raise StageError("more audio than can be meant", stage="tts", provider="deepgram")
        audio = rest + piece
        whole = len(audio) - len(audio) % size
        rest = audio[whole:]
        yield audio[:whole]


async def _refused(answer: aiohttp.ClientResponse) -> StageError:
    body = await answer.content.read(2000)
    try:
        message = msgspec.json.decode(body, type=_Refusal).err_msg
    except msgspec.MsgspecError:
        message = ""
    return refused(answer.status, answer.headers, message or str(answer.reason), stage="tts", provider="deepgram")


def _broken(error: Exception) -> StageError:
    return StageError(f"the connection broke ({type(error).__name__})", stage="tts", provider="deepgram")
