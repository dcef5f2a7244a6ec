"""Speech over ElevenLabs' own SDK: one HTTP request a text, streamed with its characters' times.

The only module that uses the SDK, whose retries are off: whether to ask again is not decided here.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx

from pipelines.connections import CONNECT_S, KEEP_ALIVE_S, tls_context
from pipelines.providers._elevenlabs_audio import Wire
from pipelines.providers._elevenlabs_link import Account
from pipelines.providers._elevenlabs_voices import Manner
from pipelines.providers._elevenlabs_words import Aligner
from pipelines.stages import TtsChunk


class HttpSpeech:
    """A client with its own pool of connections: the SDK takes none but httpx. Made by `make`."""

    def __init__(self, account: Account, model: str, normalization: str) -> None:
        from elevenlabs import VoiceSettings
        from elevenlabs.client import AsyncElevenLabs
        from elevenlabs.core.api_error import ApiError

        self._api_error, self._voice_settings = ApiError, VoiceSettings
        self._account = account
        self._model = model
        self._normalization = normalization
        self._http = httpx.AsyncClient(
            verify=tls_context(),
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE_S),
            trust_env=False,
        )
        self._client = AsyncElevenLabs(
            base_url=account.base_url.rstrip("/"), api_key=account.key.reveal(), httpx_client=self._http
        )

    @classmethod
    async def make(cls, account: Account, model: str, normalization: str) -> HttpSpeech:
        """Importing the SDK takes a second: calls go on meanwhile. Raises ImportError."""
        await asyncio.to_thread(importlib.import_module, "elevenlabs.client")
        return cls(account, model, normalization)

    async def warm(self) -> None:
        """A connection is in the pool afterwards. Raises StageError."""
        try:
            await self._http.head(self._account.base_url)
        except httpx.HTTPError as error:
            raise self._account.failed(f"cannot connect: {type(error).__name__}") from error

    async def speak(self, text: str, manner: Manner, wire: Wire) -> AsyncGenerator[TtsChunk]:
        """Raises StageError. Leaving it early closes the connection, which is all the protocol has to cancel."""
        aligner = Aligner(text)
        try:
            async with aclosing(self._ask(text, manner, wire)) as answer:
                async for piece in answer:
                    chunk = self._chunk(piece, aligner, wire)
                    if chunk.audio or chunk.words:
                        yield chunk
        except self._api_error as error:
            raise self._account.refused(error.status_code or 500, error.headers or {}, _reason(error.body)) from error
        except httpx.HTTPError as error:
            raise self._account.failed(f"connection lost: {type(error).__name__}") from error
        if not wire.received_ms or aligner.cut_short:  # also the SDK drops what it cannot read
            raise self._account.failed("speech that stops in the middle of its text, or before it")
        tail, words = wire.end(), aligner.rest()
        if tail or words:
            yield TtsChunk(tail, words)

    def _ask(self, text: str, manner: Manner, wire: Wire) -> Any:
        optional: dict[str, Any] = {}
        if manner.language:
            optional["language_code"] = manner.language
        if manner.settings:
            optional["voice_settings"] = self._voice_settings(**manner.settings)
        return self._client.text_to_speech.stream_with_timestamps(
            manner.voice_id,
            text=text,
            model_id=self._model,
            output_format=wire.name,
            apply_text_normalization=self._normalization,
            request_options={"max_retries": 0},
            **optional,
        )

    def _chunk(self, piece: Any, aligner: Aligner, wire: Wire) -> TtsChunk:
        """The SDK checks no types. Times count from the beginning of the whole speech here."""
        try:
            alignment = piece.alignment or piece.normalized_alignment
            words = aligner.feed(_times(alignment)) if alignment else ()
            return TtsChunk(wire.feed(piece.audio_base_64 or ""), words)
        except (ValueError, TypeError, AttributeError) as error:
            raise self._account.failed("a piece of speech that is none") from error

    async def close(self) -> None:
        await self._http.aclose()


def _times(alignment: Any) -> list[tuple[str, float, float]]:
    starts, ends = alignment.character_start_times_seconds, alignment.character_end_times_seconds
    return [
        (text, start_s * 1000.0, end_s * 1000.0)
        for text, start_s, end_s in zip(alignment.characters, starts, ends, strict=False)
    ]


def _reason(body: Any) -> str:
    """`detail` is a text, or an object with `status` and `message`."""
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if isinstance(detail, dict) and "message" in detail:
        return f"{detail.get('status', '')} {detail['message']}".strip()
    return str(detail)
