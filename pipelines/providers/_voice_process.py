"""A voice that lives in one worker process, shared by all calls: the parent's half.

Knows requests and their replies; which engine speaks, only the worker module knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec

from pipelines.audio import AudioFormat
from pipelines.errors import Remedy, StageError, StageTimeout
from pipelines.providers._voice_messages import Cancel, Done, Failed, Piece, Reply, Speak
from pipelines.stages import TtsChunk, Voice
from pipelines.workers import Worker, WorkerSpec

# A voice answers in milliseconds. One that says nothing to anybody for seconds hangs, and everybody waits behind it.
_PIECE_TIMEOUT_S = 5.0

_Answers = asyncio.Queue[Reply | StageError]


class VoiceProcess:
    """A `Tts` (see `pipelines.stages`). `settings` is the struct that a voice's own settings must fit; `max_waiting`:
    requests of which nothing is heard yet, the next one is refused (0: none ever is); `piece_timeout_s`: to the next
    piece of speech."""

    def __init__(
        self,
        spec: WorkerSpec,
        settings: type[msgspec.Struct],
        *,
        max_waiting: int = 0,
        piece_timeout_s: float = _PIECE_TIMEOUT_S,
    ) -> None:
        decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Reply)
        self.worker: Worker[Any] = Worker(spec, decoder, received=self._received, lost=self._lost)
        self._spec = spec
        self._settings = settings
        self._ids = count(1)
        # Bounded by the length of the texts: a voice is asked for one chunk of a reply at a time.
        self._pending: dict[int, _Answers] = {}
        self._silent_since: dict[int, float] = {}  # when those were asked of which nothing is heard yet, in order
        self._heard_s = 0.0  # when it last sent anything
        self._max_waiting = max_waiting
        self._piece_timeout_s = piece_timeout_s

    @property
    def backlog_ms(self) -> float:
        """How long the oldest request of which nothing is heard yet has been waiting."""
        first = next(iter(self._silent_since.values()), None)
        return 0.0 if first is None else (time.monotonic() - first) * 1000.0

    async def start(self) -> None:
        """Raises EngineMissing when the engine cannot run here."""
        await self.worker.start()

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        """Raises StageError: to be asked of another engine, for a voice, language or setting that there is not."""
        if not text.strip():
            return
        await self.worker.ready(self._piece_timeout_s)
        if len(self._silent_since) >= self._max_waiting > 0:
            raise self._spec.error(f"{len(self._silent_since)} requests are waiting already")
        request = self._request(text, voice, audio_format)
        answers: _Answers = asyncio.Queue()
        self._pending[request.id] = answers
        self._silent_since[request.id] = time.monotonic()
        finished = False
        try:
            self.worker.send(request)
            while not finished:
                match await self._next(answers):
                    case Piece(audio=audio, words=words):
                        yield TtsChunk(audio, words)
                    case Failed(reason=reason, retriable=retriable):
                        finished = True
                        raise StageError(
                            reason,
                            stage="tts",
                            provider=self._spec.provider,
                            remedy=Remedy.RETRY if retriable else Remedy.SWITCH,
                        )
                    case StageError() as error:
                        finished = True
                        raise error
                    case Done():
                        finished = True
        finally:
            del self._pending[request.id]
            self._silent_since.pop(request.id, None)
            if not finished:
                with suppress(StageError):  # one that is down, or hangs, has nothing to cancel
                    self.worker.send(Cancel(request.id))

    async def close(self) -> None:
        await self.worker.close()

    def _request(self, text: str, voice: Voice, audio_format: AudioFormat) -> Speak:
        try:
            settings = msgspec.convert(voice.settings, self._settings, strict=False)
        except msgspec.ValidationError as error:
            raise StageError(
                f"voice settings: {error}", stage="tts", provider=self._spec.provider, remedy=Remedy.SWITCH
            ) from error
        return Speak(
            next(self._ids),
            text.encode("utf-8", "replace").decode(),  # a lone surrogate cannot be sent
            voice.voice_id,
            voice.language,
            voice.speed,
            msgspec.to_builtins(settings),
            audio_format,
        )

    async def _next(self, answers: _Answers) -> Reply | StageError:
        if not answers.empty():
            return answers.get_nowait()
        try:
            async with asyncio.timeout(self._piece_timeout_s):
                return await answers.get()
        except TimeoutError as error:
            reason = f"no audio within {self._piece_timeout_s} s"
            if time.monotonic() - self._heard_s >= self._piece_timeout_s:  # else it is busy with others
                self.worker.restart(reason)
            raise self._spec.error(reason, StageTimeout) from error

    def _received(self, worker: Worker[Any], reply: Reply) -> None:
        self._heard_s = time.monotonic()
        self._silent_since.pop(reply.id, None)
        answers = self._pending.get(reply.id)  # None: cancelled meanwhile
        if answers is not None:
            answers.put_nowait(reply)

    def _lost(self, worker: Worker[Any], error: StageError) -> None:
        for answers in self._pending.values():
            answers.put_nowait(error)
