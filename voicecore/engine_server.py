"""Whisper for many gateways: the shared engine behind OpenAI's transcription protocol, for any client of that.

It knows requests and their answers; batches and texts are made in `pipelines.whisper`. It keeps no audio.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import BodyPartReader, web

from pipelines.audio import Samples
from pipelines.errors import (
    AudioFormatError,
    AuthenticationError,
    EngineMissing,
    MessageTooLarge,
    NotFound,
    Overloaded,
    StageError,
    ValidationError,
    VoicecoreError,
)
from pipelines.providers.faster_whisper import Engine
from pipelines.secrets import Secret
from pipelines.whisper import guards, recording
from pipelines.whisper.decoder import Utterance
from pipelines.whisper.recording import Segment

FILE_LIMIT = 25 * 1024 * 1024  # bytes: OpenAI's own limit
FORM_LIMIT = FILE_LIMIT + 65536
CHUNK = 65536
LONGEST_S = 600.0  # of a recording; a longer one would hold up the calls
FORMATS = ("json", "text", "verbose_json")
USUAL_NAME = "whisper-1"  # what clients ask for when they were not told anything
RETRY_AFTER_S = 1
CODES = {401: "invalid_api_key", 404: "model_not_found", 503: "overloaded"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Wanted(msgspec.Struct, frozen=True):
    """One transcription request."""

    file: bytes
    language: str
    prompt: str
    form: str
    words: bool
    stream: bool


class EngineServer:
    """`name`: of the model, as clients ask for it. `key` without a value: everybody may ask."""

    def __init__(self, engine: Engine, name: str, key: Secret) -> None:
        self._engine = engine
        self._name = name
        self._key = key.reveal().encode()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded])
        app.router.add_post("/v1/audio/transcriptions", self._transcriptions)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{model:.+}", self._model)
        app.router.add_get("/healthz", self._health)
        return app

    # --- routes -------------------------------------------------------------------------------------

    async def _health(self, request: web.Request) -> web.Response:
        batcher = self._engine.batcher
        state = {"backlog_ms": round(batcher.backlog_ms), "waiting": batcher.waiting, "batches": batcher.batches}
        return web.json_response({"status": "ok", "model": self._name, **state})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [self._described()]})

    async def _model(self, request: web.Request) -> web.Response:
        self._check_model(request.match_info["model"])
        return web.json_response(self._described())

    async def _transcriptions(self, request: web.Request) -> web.StreamResponse:
        wanted = await self._wanted(request)
        samples, rate_hz = await asyncio.to_thread(recording.read, wanted.file, LONGEST_S)
        about = Utterance(
            b"",
            rate_hz,
            language=self._language(wanted.language),
            hotwords=self._engine.decoder.prompt(wanted.prompt),
            word_times=wanted.words,
        )
        async with contextlib.aclosing(recording.transcribe(self._engine.batcher, about, samples)) as segments:
            if wanted.stream:
                return await _streamed(request, segments)
            return _answer(wanted, [segment async for segment in segments], samples, rate_hz)

    # --- requests -----------------------------------------------------------------------------------

    async def _wanted(self, request: web.Request) -> Wanted:
        """Raises ValidationError that names the field."""
        if not request.content_type.startswith("multipart/"):
            raise ValidationError("send multipart/form-data", (("file", "missing"),))
        form = await _form(request)
        text = {name: values[-1].decode(errors="replace") for name, values in form.items() if name != "file"}
        if not form.get("file"):
            raise ValidationError("file: an audio file is required", (("file", "missing"),))
        self._check_model(text.get("model", ""))
        chosen = text.get("response_format", "json")
        if chosen not in FORMATS:
            raise ValidationError(f"response_format: one of {', '.join(FORMATS)}", (("response_format", "unknown"),))
        return Wanted(
            form["file"][-1],
            text.get("language", ""),
            text.get("prompt", ""),
            chosen,
            b"word" in form.get("timestamp_granularities[]", []),
            text.get("stream", "").lower() in ("true", "1"),
        )

    def _check_model(self, name: str) -> None:
        if not name:
            raise ValidationError("model: required", (("model", "missing"),))
        if name not in (self._name, USUAL_NAME):
            raise NotFound(f'no model "{name}"; this server has "{self._name}"')

    def _language(self, name: str) -> str:
        try:
            return self._engine.language(name)
        except EngineMissing as error:
            raise ValidationError(f"language: {error.message}", (("language", "unknown"),)) from error

    def _described(self) -> dict[str, Any]:
        return {"id": self._name, "object": "model", "created": 0, "owned_by": "voicecore"}

    # --- who may, and errors --------------------------------------------------------------------------

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if self._key and request.path != "/healthz":
                self._authenticate(request.headers.get("Authorization", ""))
            return await handler(request)
        except StageError as error:  # a full queue, a failed run: later it may work
            return _refusal(Overloaded(error.message))
        except AudioFormatError as error:
            return _refusal(ValidationError(f"file: {error.message}", (("file", "unreadable"),)))
        except VoicecoreError as error:
            return _refusal(error)
        except web.HTTPException as error:
            return _error(error.status, f"{request.method} {request.path}: {error.reason}")

    def _authenticate(self, header: str) -> None:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._key):
            raise AuthenticationError("incorrect API key provided")


async def _form(request: web.Request) -> dict[str, list[bytes]]:
    """The parts of a form by their names. Raises MessageTooLarge, ValidationError."""
    form: dict[str, list[bytes]] = {}
    size = 0
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise ValidationError("a form inside the form", (("file", "nested"),))
            content = bytearray()
            while chunk := await part.read_chunk(CHUNK):
                size += len(chunk)
                if size > FORM_LIMIT:
                    raise MessageTooLarge(f"the file may have {FILE_LIMIT} bytes")
                content += chunk
            form.setdefault(part.name or "", []).append(bytes(content))
    except ValueError as error:  # aiohttp's, for what is no multipart
        raise ValidationError("the form is broken", (("file", "unreadable"),)) from error
    return form


def _refusal(error: VoicecoreError) -> web.Response:
    status = 400 if isinstance(error, ValidationError) else error.http_status
    fields = error.fields if isinstance(error, ValidationError) else ()
    return _error(status, error.message, param=fields[0][0] if fields else None)


def _error(status: int, message: str, *, param: str | None = None) -> web.Response:
    """As OpenAI's API writes errors."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": param, "code": CODES.get(status)}}
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return web.json_response(body, status=status, headers=headers)


# --- answers ------------------------------------------------------------------------------------------


def _text(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments if segment.text)


def _answer(wanted: Wanted, segments: list[Segment], samples: Samples, rate_hz: int) -> web.Response:
    if wanted.form == "text":
        return web.Response(text=_text(segments) + "\n")
    if wanted.form == "json":
        return web.json_response({"text": _text(segments)})
    body = {
        "task": "transcribe",
        "language": segments[0].heard.language if segments else wanted.language,
        "duration": len(samples) / rate_hz,
        "text": _text(segments),
        "segments": [_segment(number, one) for number, one in enumerate(segments) if one.text],
    }
    if wanted.words:
        body["words"] = [
            {"word": w.text, "start": one.start_s + w.start_ms / 1000, "end": one.start_s + w.end_ms / 1000}
            for one in segments
            if one.text
            for w in one.heard.words
        ]
    return web.json_response(body)


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": number,
        "seek": round(segment.start_s * 100),
        "start": segment.start_s,
        "end": segment.end_s,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": segment.heard.avg_logprob,
        "compression_ratio": guards.compression(segment.text),
        "no_speech_prob": segment.heard.no_speech,
    }


async def _streamed(request: web.Request, segments: AsyncGenerator[Segment, None]) -> web.StreamResponse:
    """Server-sent events, one for each stretch. What fails before the first one is answered with a status."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    said: list[str] = []

    async def send(event: dict[str, Any]) -> None:
        if not response.prepared:
            await response.prepare(request)
        await response.write(b"data: " + msgspec.json.encode(event) + b"\n\n")

    try:
        async for segment in segments:
            if segment.text:
                await send({"type": "transcript.text.delta", "delta": (" " if said else "") + segment.text})
                said.append(segment.text)
    except StageError as error:
        if not response.prepared:
            raise
        await send({"error": {"message": error.message, "type": "server_error", "param": None, "code": "overloaded"}})
        return response
    await send({"type": "transcript.text.done", "text": " ".join(said)})
    return response
