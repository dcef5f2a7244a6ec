"""CMU PocketSphinx: offline English from the package registry, in worker processes, biased to what was asked.

It holds the GIL while it works, hence the processes. It hears what its language models expect: they are
built from generated sentences and the agent's phrases (`pipelines.speech`). It gives no confidence: its
posteriors are not worth showing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pipelines.errors import EngineMissing, Remedy, StageError, StageTimeout
from pipelines.registry import ProviderSpec
from pipelines.speech.expectations import model_for
from pipelines.speech.messages import Answer, Audio, Begin, Close, End, Failed, Final, Flush, Partial, Prepare, Request
from pipelines.speech.models import Models, default_cache
from pipelines.stages import Expect, SttOptions, Transcript
from pipelines.workers import Worker, WorkerPool, WorkerSpec

_NAME = "pocketsphinx"
_CHUNK_MS = 100  # of audio in one message to the worker
_FLUSH_TIMEOUT_S = 5.0  # a final text takes milliseconds; a worker that takes seconds hangs
_READY_TIMEOUT_S = 5.0
_RATES_HZ = (8000, 16000)
_REQUEST_BITS = 32  # a request's number is its session's number and a count below it


class PocketsphinxOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    workers: Annotated[int, Meta(ge=0, le=256)] = 0  # 0: as many as there are cores
    nice: Annotated[int, Meta(ge=0, le=19)] = 0
    ready_decoders: Annotated[int, Meta(ge=0, le=256)] = 4  # per worker, made before the first call
    max_decoders: Annotated[int, Meta(ge=1, le=1024)] = 64  # per worker: utterances at the same time
    cache: str = ""  # directory of the language models; "": the user's cache directory
    build_wait_s: Annotated[float, Meta(ge=0, le=60)] = 2.0  # a call waits so long for models that are being built


class Engine:
    """An `Stt` (see `pipelines.stages`)."""

    def __init__(self, options: PocketsphinxOptions) -> None:
        self._options = options
        spec = WorkerSpec(
            "pipelines.speech.worker", "stt", _NAME, arguments=(str(options.max_decoders),), nice=options.nice
        )
        decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Answer)
        workers = options.workers or os.cpu_count() or 1
        self._pool: WorkerPool[Any] = WorkerPool(spec, workers, decoder, received=self._received, lost=self._lost)
        self._models = Models(Path(options.cache) if options.cache else default_cache())
        self._sessions: dict[int, Session] = {}
        self._numbers = count(1)
        self._general: Path | None = None  # models without anybody's phrases

    async def start(self) -> None:
        """Raises EngineMissing or StageError when it cannot run here."""
        await self._models.start()
        try:
            _, general = await asyncio.gather(self._pool.start(), self._models.request(()))
        except BaseException:
            await self.close()
            raise
        self._general = general
        self._warm(general)

    @property
    def workers(self) -> tuple[Worker[Any], ...]:
        return self._pool.workers

    async def models(self, phrases: tuple[str, ...]) -> Path:
        """The directory of the models for `phrases`; built if need be. Raises StageError."""
        return await asyncio.shield(self._models.request(phrases))

    async def prepare(self, options: SttOptions) -> None:
        """Have an agent's models and decoders ready before its first call. Raises StageError."""
        self._warm(await self.models(options.phrases))

    async def open(self, options: SttOptions) -> Session:
        """`language` "" is English, all that it knows. Raises EngineMissing for another one, StageError when no worker
        is up."""
        _refuse_what_cannot_be(options)
        assert self._general is not None
        built = self._models.request(options.phrases)
        # A first call must not wait seconds for its models: it begins with the general ones.
        await asyncio.wait([built], timeout=self._options.build_wait_s)
        worker = min(self._pool.workers, key=self._load)
        await worker.ready(_READY_TIMEOUT_S)
        session = Session(next(self._numbers), worker, options.rate_hz, built, self._general, self._sessions)
        self._sessions[session.number] = session
        return session

    async def close(self) -> None:
        await self._models.close()
        await self._pool.close()

    def _load(self, worker: Worker[Any]) -> tuple[bool, int]:
        return not worker.running, sum(session.worker is worker for session in self._sessions.values())

    def _warm(self, models: Path) -> None:
        for worker in self._pool.workers:
            with contextlib.suppress(StageError):  # it is restarting: its decoders are made when needed
                worker.send(Prepare(str(models), self._options.ready_decoders))

    def _received(self, worker: Worker[Any], answer: Answer) -> None:
        match answer:
            case Partial() | Failed():
                session = self._sessions.get(answer.session)
                if session is not None:
                    session.received(answer)
            case Final():
                session = self._sessions.get(answer.request >> _REQUEST_BITS)
                if session is not None:
                    session.finished(answer)

    def _lost(self, worker: Worker[Any], error: StageError) -> None:
        for session in self._sessions.values():
            if session.worker is worker:
                session.lost(error)


class Session:
    """One call's recogniser (`SttSession`). It stays with its worker, which keeps what it learnt of the caller."""

    def __init__(
        self,
        number: int,
        worker: Worker[Any],
        rate_hz: int,
        models: asyncio.Task[Path],
        general: Path,
        register: dict[int, Session],
    ) -> None:
        self.number = number
        self.worker = worker
        self.partial = ""
        self._rate_hz = rate_hz
        self._chunk_bytes = rate_hz * 2 * _CHUNK_MS // 1000
        self._models = models
        self._general = general
        self._register = register
        self._utterance = 0
        self._begun = False
        self._gathered = bytearray()
        self._failure: StageError | None = None  # of this utterance
        self._pending: dict[int, asyncio.Future[Transcript]] = {}
        self._requests = count(number << _REQUEST_BITS)

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._utterance += 1
        self._failure = None
        self._begun = True
        self.partial = ""
        self._gathered.clear()
        self._send(Begin(self.number, self._utterance, str(self._directory()), model_for(expect).value, self._rate_hz))

    def feed(self, pcm: bytes) -> None:
        if not self._begun:
            return
        self._gathered += pcm
        if len(self._gathered) >= self._chunk_bytes:
            self._pass_on()

    async def flush(self) -> Transcript:
        if not self._begun:
            return Transcript("")
        self._pass_on()
        request = next(self._requests)
        self._send(Flush(self.number, request))
        if self._failure is not None:
            raise self._failure
        answer: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._pending[request] = answer
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                return await answer
        except TimeoutError as error:
            reason = f"no final text within {_FLUSH_TIMEOUT_S} s"
            self.worker.restart(reason)
            raise StageTimeout(reason, stage="stt", provider=_NAME) from error
        finally:
            del self._pending[request]

    def end(self) -> None:
        if self._begun:
            self._begun = False
            self._gathered.clear()
            self._send(End(self.number))

    async def close(self) -> None:
        if self._register.pop(self.number, None) is not None:
            self._begun = False
            self._send(Close(self.number))
            self.lost(StageError("session closed", stage="stt", provider=_NAME, remedy=Remedy.SWITCH))

    def received(self, answer: Partial | Failed) -> None:
        if answer.utterance != self._utterance:
            return
        if isinstance(answer, Failed):
            self._fail(StageError(answer.reason, stage="stt", provider=_NAME))
        else:
            self.partial = answer.text

    def finished(self, answer: Final) -> None:
        pending = self._pending.get(answer.request)  # None: the wait for it was cancelled
        if pending is not None and not pending.done():
            self.partial = answer.text
            pending.set_result(Transcript(answer.text, answer.words, language="en"))

    def lost(self, error: StageError) -> None:
        """The worker is gone, and with it this utterance."""
        if self._begun or self._pending:
            self._fail(error)

    def _fail(self, error: StageError) -> None:
        self._failure = error
        for pending in self._pending.values():
            if not pending.done():
                pending.set_exception(error)

    def _directory(self) -> Path:
        """The agent's own models once they are built, else the general ones."""
        ready = self._models.done() and not self._models.cancelled() and self._models.exception() is None
        return self._models.result() if ready else self._general

    def _pass_on(self) -> None:
        if self._gathered:
            self._send(Audio(self.number, bytes(self._gathered)))
            self._gathered.clear()

    def _send(self, request: Request) -> None:
        if self._failure is not None:
            return
        try:
            self.worker.send(request)
        except StageError as error:  # told to whoever asks for the text: feeding never raises
            self._failure = error


def _refuse_what_cannot_be(options: SttOptions) -> None:
    language = options.language.lower().replace("_", "-").partition("-")[0]
    if language not in ("", "en"):
        raise EngineMissing(
            f'no model for the language "{options.language}": this engine knows English ("en") only; '
            "faster-whisper, openai and deepgram know others",
            stage="stt",
            provider=_NAME,
        )
    if options.rate_hz not in _RATES_HZ:
        raise StageError(
            f"audio of {options.rate_hz} Hz; it takes 8000 or 16000", stage="stt", provider=_NAME, remedy=Remedy.SWITCH
        )


async def _stt(options: PocketsphinxOptions) -> Engine:
    if find_spec("pocketsphinx") is None:
        raise EngineMissing("pip install 'voicecore[embedded]'", stage="stt", provider=_NAME)
    engine = Engine(options)
    await engine.start()
    return engine


PROVIDER = ProviderSpec(name=_NAME, options=PocketsphinxOptions, stt=_stt)
