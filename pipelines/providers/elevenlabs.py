"""ElevenLabs: speech over its multi-context WebSocket (or over HTTP with its SDK) and its realtime transcription.

Vendor documentation: https://elevenlabs.io/docs/api-reference. What is proven: docs/engines/elevenlabs.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from pipelines.audio import AudioFormat
from pipelines.connections import tls_context
from pipelines.errors import ConfigError
from pipelines.providers._elevenlabs_audio import Wire
from pipelines.providers._elevenlabs_link import Account
from pipelines.providers._elevenlabs_places import Places
from pipelines.providers._elevenlabs_scribe import ScribeSession
from pipelines.providers._elevenlabs_speech import SpeechSocket, listen
from pipelines.providers._elevenlabs_voices import Manner, manner_of
from pipelines.registry import ProviderSpec
from pipelines.secrets import Secret
from pipelines.stages import SttOptions, TtsChunk, Voice

if TYPE_CHECKING:
    from pipelines.providers._elevenlabs_http import HttpSpeech

SPEECH_MODEL = "eleven_flash_v2_5"
HEARING_MODEL = "scribe_v2_realtime"


class ElevenLabsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of both stages; each reads what concerns it."""

    api_key: Secret = Secret("env:ELEVENLABS_API_KEY")
    base_url: str = "https://api.elevenlabs.io"
    model: str = ""  # "": eleven_flash_v2_5 to speak, scribe_v2_realtime to hear
    # to speak
    mode: Literal["websocket", "http"] = "websocket"
    voice: str = "JBFqnCBsd6RMkjVDRZzb"  # "George", who is in every account
    voices: dict[str, str] = {}  # language ("de", "de-AT") to voice id, before `voice`
    most_concurrent: Annotated[int, Meta(ge=1)] = 10  # texts being made at once, by the account's plan
    contexts_per_socket: Annotated[int, Meta(ge=1, le=5)] = 5  # the provider's limit is 5
    inactivity_timeout_s: Annotated[int, Meta(ge=10, le=180)] = 180  # the provider closes a socket that is idle so long
    auto_mode: bool = True  # every text is made at once; without it the provider waits for more to come
    chunk_length_schedule: tuple[Annotated[int, Meta(ge=50, le=500)], ...] = ()  # characters; without `auto_mode` only
    text_normalization: Literal["auto", "on", "off"] = "auto"
    # to hear
    keyterms: bool = True  # give it the agent's vocabulary
    timestamps: bool = False  # words with times; the final text comes a little later


class Speaking:
    """A `Tts`. Texts of one voice, model and format share sockets."""

    def __init__(self, options: ElevenLabsOptions, http: HttpSpeech | None) -> None:
        self._options = options
        self._account = _account("tts", options)
        self._http = http
        self._places = Places(options.most_concurrent)
        self._sockets: dict[str, list[SpeechSocket]] = {}
        self.model = options.model or SPEECH_MODEL

    @property
    def backlog_ms(self) -> float:
        return self._places.backlog_ms

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        if not any(character.isalnum() for character in text):
            return  # it would be asked for, and paid, and nothing would come
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no JSON
        manner, wire = self._manner(voice), Wire(audio_format)
        await self._places.take()
        if self._http is not None:
            try:
                async with aclosing(self._http.speak(text, manner, wire)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            finally:
                self._places.give_back()
            return
        socket = self._socket(manner, wire)
        context = socket.begin(text, self._first(manner))
        async with aclosing(listen(socket, context, wire, self._account)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def warm_voice(self, voice: Voice, audio_format: AudioFormat) -> None:
        """Raises StageError."""
        if self._http is not None:
            await self._http.warm()
            return
        socket = self._socket(self._manner(voice), Wire(audio_format))
        if socket.link.is_open:
            socket.keep_alive()
        await socket.link.opened()
        if socket.failure is not None:
            raise socket.failure

    async def close(self) -> None:
        sockets = [socket for some in self._sockets.values() for socket in some]
        for socket in sockets:
            socket.close()
        for socket in sockets:
            await socket.link.closed()
        if self._http is not None:
            await self._http.close()

    def _manner(self, voice: Voice) -> Manner:
        return manner_of(voice, self.model, self._options.voice, self._options.voices, self._account)

    def _first(self, manner: Manner) -> dict[str, Any]:
        """What only the first message of a context may say."""
        first: dict[str, Any] = {"voice_settings": manner.settings} if manner.settings else {}
        if self._options.chunk_length_schedule and not self._options.auto_mode:
            first["generation_config"] = {"chunk_length_schedule": self._options.chunk_length_schedule}
        return first

    def _socket(self, manner: Manner, wire: Wire) -> SpeechSocket:
        """One with room for another text."""
        path = self._path(manner, wire)
        sockets = self._sockets.setdefault(path, [])
        for socket in sockets:
            if socket.has_room:
                return socket

        def gone(socket: SpeechSocket) -> None:
            if socket in sockets:
                sockets.remove(socket)

        options = self._options
        limit, idle_s = options.contexts_per_socket, float(options.inactivity_timeout_s)
        sockets.append(SpeechSocket(path, self._account, self._places, limit, idle_s, gone))
        return sockets[-1]

    def _path(self, manner: Manner, wire: Wire) -> str:
        query = {
            "model_id": self.model,
            "output_format": wire.name,
            "inactivity_timeout": self._options.inactivity_timeout_s,
            "sync_alignment": "true",
            "auto_mode": str(self._options.auto_mode).lower(),
            "apply_text_normalization": self._options.text_normalization,
        }
        if manner.language:
            query["language_code"] = manner.language
        return f"/v1/text-to-speech/{quote(manner.voice_id, safe='')}/multi-stream-input?{urlencode(query)}"


class Hearing:
    """A `Stt`."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._options = options
        self._account = _account("stt", options)
        self.model = options.model or HEARING_MODEL

    async def open(self, options: SttOptions) -> ScribeSession:
        """The connection is being opened when this returns; what is wrong with it, the first flush says."""
        return ScribeSession(
            self._account,
            self.model,
            options if self._options.keyterms else msgspec.structs.replace(options, phrases=()),
            timestamps=self._options.timestamps,
        )

    async def close(self) -> None:
        """Connections belong to sessions."""


def _account(stage: str, options: ElevenLabsOptions) -> Account:
    return Account(stage, options.base_url, options.api_key)


async def _tts(options: ElevenLabsOptions) -> Speaking:
    await asyncio.to_thread(tls_context)
    if options.mode == "http":
        from pipelines.providers._elevenlabs_http import HttpSpeech  # and with it httpx

        model, normalization = options.model or SPEECH_MODEL, options.text_normalization
        return Speaking(options, await HttpSpeech.make(_account("tts", options), model, normalization))
    if options.model.startswith("eleven_v3"):
        raise ConfigError("speaks over HTTP only: mode: http", source="options", key="model")
    return Speaking(options, None)


async def _stt(options: ElevenLabsOptions) -> Hearing:
    await asyncio.to_thread(tls_context)
    return Hearing(options)


PROVIDER = ProviderSpec(name="elevenlabs", options=ElevenLabsOptions, tts=_tts, stt=_stt)
