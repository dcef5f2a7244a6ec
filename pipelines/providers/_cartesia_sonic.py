"""Cartesia's voices (`/tts/websocket`, the Sonic models): one connection for all calls, a context for every text.

Protocol: https://docs.cartesia.ai/api-reference/tts/websocket. A context that nobody listens to any more is cancelled;
what still comes of it is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from itertools import count
from typing import Any

import msgspec

from pipelines.audio import AudioFormat, Codec, Transcoder
from pipelines.errors import Remedy, StageError
from pipelines.providers._cartesia_ink import failure
from pipelines.providers._cartesia_options import CartesiaOptions, CartesiaVoice
from pipelines.providers._refusals import refused
from pipelines.providers._socket import ProviderSocket
from pipelines.stages import TtsChunk, Voice, Word

RATES_HZ = (8000, 16000, 22050, 24000, 44100, 48000)
ENCODINGS = {Codec.ULAW: "pcm_mulaw", Codec.ALAW: "pcm_alaw", Codec.PCM16: "pcm_s16le"}
SLOWEST, FASTEST = 0.6, 1.5
MOST_WAITING_BYTES = 16 * 1024 * 1024  # of one context, unheard: five minutes at 24 kHz


class _Chunk(msgspec.Struct):
    data: bytes  # base64 on the wire
    context_id: str


class _Times(msgspec.Struct):
    words: list[str]
    start: list[float]
    end: list[float]


class _Timestamps(msgspec.Struct):
    context_id: str
    word_timestamps: _Times


class _Done(msgspec.Struct):
    context_id: str


_chunk = msgspec.json.Decoder(_Chunk)
_timestamps = msgspec.json.Decoder(_Timestamps)
_done = msgspec.json.Decoder(_Done)

Item = bytes | tuple[Word, ...]


class Context:
    """What has come of one text and was not taken."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self.over = False
        self._failed: StageError | None = None

    def put(self, item: Item) -> None:
        self._items.append(item)
        if isinstance(item, bytes):
            self._waiting_bytes += len(item)
            if self._waiting_bytes > MOST_WAITING_BYTES:
                self.end(StageError("more audio than can be meant", stage="tts", provider="cartesia"))
        self._news.set()

    def end(self, error: StageError | None = None) -> None:
        self.over = True
        self._failed = self._failed or error
        self._news.set()

    async def take(self) -> Item | None:
        """The next; None at the end. Raises StageError."""
        while not self._items:
            if self._failed is not None:
                raise self._failed
            if self.over:
                return None
            self._news.clear()
            await self._news.wait()
        item = self._items.popleft()
        if isinstance(item, bytes):
            self._waiting_bytes -= len(item)
        return item


class SonicLine:
    """One connection and the contexts on it."""

    socket: ProviderSocket

    def __init__(self) -> None:
        self._contexts: dict[str, Context] = {}
        self._numbers = count(1)

    def open(self, request: dict[str, Any]) -> tuple[str, Context]:
        """A new context, with a first and last request in it."""
        name = f"c{next(self._numbers)}"
        context = self._contexts[name] = Context()
        self.socket.send(msgspec.json.encode(request | {"context_id": name}).decode())
        return name, context

    def leave(self, name: str) -> None:
        """Nobody listens to it any more."""
        context = self._contexts.pop(name, None)
        if context is not None and not context.over:
            self.socket.send(msgspec.json.encode({"context_id": name, "cancel": True}).decode())

    def told(self, kind: str, frame: str) -> None:
        """Raises StageError for an error that concerns the whole connection, msgspec errors for malformed frames."""
        if kind == "chunk":
            chunk = _chunk.decode(frame)
            if context := self._contexts.get(chunk.context_id):
                context.put(chunk.data)
        elif kind == "timestamps":
            timestamps = _timestamps.decode(frame)
            if context := self._contexts.get(timestamps.context_id):
                context.put(_words(timestamps.word_timestamps))
        elif kind == "done":
            if context := self._contexts.get(_done.decode(frame).context_id):
                context.end()
        elif kind == "error":
            error = failure.decode(frame)
            told = refused(error.status_code, {}, error.text, stage="tts", provider="cartesia")
            if error.context_id is None:
                raise told
            if context := self._contexts.get(error.context_id):
                context.end(told)

    def ended(self) -> None:
        for context in self._contexts.values():
            context.end(self.socket.failed)


class CartesiaTts:
    """`Tts`, `Warmable`. `dial` makes a connection."""

    def __init__(
        self, options: CartesiaOptions, dial: Callable[[SonicLine], ProviderSocket], closed: Callable[[], Any]
    ) -> None:
        self._options = options
        self._dial = dial
        self._closed = closed
        self._line: SonicLine | None = None

    @property
    def model(self) -> str:
        return self._options.tts_model

    async def warm(self) -> None:
        await self._connected().socket.opened()

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        if not text.strip():
            return
        native = _nearest(audio_format)
        transcoder = Transcoder(native.rate_hz, audio_format) if native != audio_format else None
        request = self._request(text, voice, native)
        line = self._connected()
        name, context = line.open(request)
        words: tuple[Word, ...] = ()  # they go with the next sound
        try:
            while (item := await context.take()) is not None:
                if isinstance(item, tuple):
                    words += item
                elif audio := transcoder.feed(item) if transcoder else item:
                    yield TtsChunk(audio, words)
                    words = ()
        finally:
            line.leave(name)
        rest = transcoder.feed(b"", last=True) if transcoder else b""
        if rest or words:
            yield TtsChunk(rest, words)

    async def close(self) -> None:
        if self._line is not None:
            await self._line.socket.close()
        await self._closed()

    def _connected(self) -> SonicLine:
        """The connection, at least on its way. The provider closes it after five quiet minutes."""
        if self._line is None or self._line.socket.failed is not None:
            line = SonicLine()
            line.socket = self._dial(line)
            line.socket.start()
            self._line = line
        return self._line

    def _request(self, text: str, voice: Voice, native: AudioFormat) -> dict[str, Any]:
        try:
            settings = msgspec.convert(voice.settings, CartesiaVoice)
        except msgspec.ValidationError as error:
            message = f"voice settings: {error}"
            raise StageError(message, stage="tts", provider="cartesia", remedy=Remedy.SWITCH) from error
        language = voice.language.partition("-")[0].lower()
        delivery = settings.delivery()
        if voice.speed != 1.0:
            delivery["speed"] = min(max(voice.speed, SLOWEST), FASTEST)
        request: dict[str, Any] = {
            "model_id": self._options.tts_model,
            "transcript": text,
            "voice": {"mode": "id", "id": voice.voice_id or self._options.voice(language)},
            "language": language,
            "output_format": {
                "container": "raw",
                "encoding": ENCODINGS[native.codec],
                "sample_rate": native.rate_hz,
            },
            "add_timestamps": True,
            "use_normalized_timestamps": False,  # the words as written, not "five" for "5"
            "continue": False,
        }
        if delivery:
            request["generation_config"] = delivery
        if settings.pronunciation_dict_id:
            request["pronunciation_dict_id"] = settings.pronunciation_dict_id
        return request


def _nearest(wanted: AudioFormat) -> AudioFormat:
    """What is asked for exactly, where it is offered, else the next higher rate of PCM."""
    if wanted.rate_hz in RATES_HZ:
        return wanted
    return AudioFormat(Codec.PCM16, next((rate for rate in RATES_HZ if rate >= wanted.rate_hz), RATES_HZ[-1]))


def _words(times: _Times) -> tuple[Word, ...]:
    """Lists of different lengths are a malformed frame."""
    if not len(times.words) == len(times.start) == len(times.end):
        raise msgspec.ValidationError("words and their times are not the same number")
    return tuple(
        Word(word, start * 1000, end * 1000)
        for word, start, end in zip(times.words, times.start, times.end, strict=True)
    )
