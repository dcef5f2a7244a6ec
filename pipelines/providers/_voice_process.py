"""A voice that lives in one worker process, shared by all calls: the parent's half.

Knows requests and their replies; which engine speaks, only the worker module knows.
"""

from __future__ import annotations

import asyncio
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

# A voice answers in milliseconds. One that takes seconds hangs, and everybody waits behind it.
_PIECE_TIMEOUT_S = 5.0

_Answers = asyncio.Queue[Reply | StageError]


class VoiceProcess:
    """A `Tts` (see `pipelines.stages`). `settings` is the struct that a voice's own settings must fit."""

    def __init__(self, spec: WorkerSpec, settings: type[msgspec.Struct]) -> None:
        decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Reply)
        self.worker: Worker[Any] = Worker(spec, decoder, received=self._received, lost=self._lost)
        self._spec = spec
        self._settings = settings
        self._ids = count(1)
        # Bounded by the length of the texts: a voice is asked for one chunk of a reply at a time.
        self._pending: dict[int, _Answers] = {}

    async def start(self) -> None:
        """Raises EngineMissing when the engine cannot run here."""
        await self.worker.start()

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        """Raises StageError: to be asked of another engine, for a voice, language or setting that there is not."""
        if not text.strip():
            return
        await self.worker.ready(_PIECE_TIMEOUT_S)
        request = self._request(text, voice, audio_format)
        answers: _Answers = asyncio.Queue()
        self._pending[request.id] = answers
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
            async with asyncio.timeout(_PIECE_TIMEOUT_S):
                return await answers.get()
        except TimeoutError as error:
            reason = f"no audio within {_PIECE_TIMEOUT_S} s"
            self.worker.restart(reason)
            raise self._spec.error(reason, StageTimeout) from error

    def _received(self, worker: Worker[Any], reply: Reply) -> None:
        answers = self._pending.get(reply.id)  # None: cancelled meanwhile
        if answers is not None:
            answers.put_nowait(reply)

    def _lost(self, worker: Worker[Any], error: StageError) -> None:
        for answers in self._pending.values():
            answers.put_nowait(error)
