"""Cartesia: `/tts/websocket` (contexts on one connection) and `/stt/websocket`, as its reference documents them.

It refuses what the real one refuses: a missing version, another scheme of authorization, unknown fields and values.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import Any

from aiohttp import WSMsgType, web

from benchmarks.emulators.base import Emulator, Fault
from benchmarks.emulators.speech import CHARACTER_MS, Script, Scripted, Speech, tone, word_times
from pipelines.audio import AudioFormat, Codec

CODECS = {"pcm_mulaw": Codec.ULAW, "pcm_alaw": Codec.ALAW, "pcm_s16le": Codec.PCM16}
RATES_HZ = (8000, 16000, 22050, 24000, 44100, 48000)
GENERATION = {
    "model_id",
    "transcript",
    "voice",
    "language",
    "context_id",
    "output_format",
    "continue",
    "flush",
    "add_timestamps",
    "add_phoneme_timestamps",
    "use_normalized_timestamps",
    "generation_config",
    "max_buffer_delay_ms",
    "pronunciation_dict_id",
    "speed",
}
RECOGNITION = {"model", "language", "encoding", "sample_rate", "keyterm", "min_volume", "max_silence_duration_secs"}
ENGLISH_ONLY = "ink-2"
REQUEST_ID = "b67e1c5d-2f4c-4c3d-9f82-96eb4d2f12a8"
PIECE_MS = 200
HUGE_MS = 600_000
INTERIM_MS = 240.0
FLOOD = 1500


class CartesiaEmulator(Scripted, Emulator):
    """`first_s`: from a text to its first sound, from a finalize to its text. `most_contexts`: at once, of all."""

    def __init__(self, *, first_s: float = 0.0, most_contexts: int = 1000) -> None:
        super().__init__(first_s=first_s)
        self.spoken: list[str] = []
        self.script = Script("I would like to book an appointment.")
        self.language = ""
        self.heard_ms = 0.0  # of loud audio, in the newest stretch of speech
        self.refused: list[str] = []
        self.most_contexts = most_contexts
        self.app.router.add_get("/tts/websocket", self._speak)
        self.app.router.add_get("/stt/websocket", self._listen)

    def _turned_away(self, request: web.Request) -> web.Response | None:
        if (refusal := self.refusal()) is not None:
            return refusal
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        key = (key if scheme == "Bearer" else "") or request.headers.get("X-API-Key", "")
        if not key:
            return self._refuse(401, "unauthorized", "Invalid API key")
        if not (request.headers.get("Cartesia-Version") or request.query.get("cartesia_version")):
            return self._refuse(400, "version_required", "Cartesia-Version is required")
        return None

    def _refuse(self, status: int, code: str, message: str) -> web.Response:
        self.refused.append(message)
        return web.json_response(
            {"error_code": code, "title": "Refused", "message": message, "request_id": REQUEST_ID}, status=status
        )

    # --- voices -------------------------------------------------------------------------------------

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._turned_away(request)) is not None:
            return refusal
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        contexts: dict[str, asyncio.Task[None]] = {}
        with self.socket():
            try:
                async for message in ws:
                    if message.type is WSMsgType.TEXT:
                        await self._told(request, ws, json.loads(message.data), contexts)
            finally:
                for task in contexts.values():
                    task.cancel()
        return ws

    async def _told(
        self,
        request: web.Request,
        ws: web.WebSocketResponse,
        message: dict[str, Any],
        contexts: dict[str, asyncio.Task[None]],
    ) -> None:
        name = message.get("context_id", "")
        if message.get("cancel"):
            if (task := contexts.pop(name, None)) is not None:
                task.cancel()
            return
        self.requests.append(message)
        if (wrong := _wrong(message, name, contexts)) is not None:
            self.refused.append(wrong)
            await ws.send_json(_error(400, "invalid_request", wrong, name))
        elif self.open_streams >= self.most_contexts:
            await ws.send_json(_error(429, "concurrency_limited", "Too many concurrent requests", name))
        elif self.fault in (Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.UNAUTHORIZED):
            status = {Fault.RATE_LIMIT: 429, Fault.SERVER_ERROR: 500, Fault.UNAUTHORIZED: 401}[self.fault]
            await ws.send_json(_error(status, None, str(self.fault), name))
        else:
            self.spoken.append(message["transcript"])
            contexts[name] = asyncio.create_task(self._generate(request, ws, message))
            contexts[name].add_done_callback(lambda task: contexts.pop(name, None))

    async def _generate(self, request: web.Request, ws: web.WebSocketResponse, message: dict[str, Any]) -> None:
        name, text = message["context_id"], message["transcript"]
        wanted = message["output_format"]
        audio = AudioFormat(CODECS[wanted["encoding"]], wanted["sample_rate"])
        common = {"context_id": name, "status_code": 206, "done": False}
        with contextlib.suppress(ConnectionError), self.stream():
            if self.fault is Fault.STALL:
                await asyncio.Event().wait()
            await asyncio.sleep(self.first_s)
            if self.fault is Fault.MALFORMED:
                await ws.send_str('{"type": "chunk", "context_id": 17, "data": {}}')
                return
            length_ms = HUGE_MS if self.fault is Fault.HUGE else len(text) * CHARACTER_MS
            if message.get("add_timestamps") and self.fault is not Fault.EMPTY:
                await ws.send_json(common | {"type": "timestamps", "word_timestamps": _times(text)})
            for at_ms in range(0, 0 if self.fault is Fault.EMPTY else length_ms, PIECE_MS):
                sound = base64.b64encode(tone(audio, min(PIECE_MS, length_ms - at_ms))).decode()
                await ws.send_json(common | {"type": "chunk", "data": sound, "step_time": 12.5})
                if self.fault is Fault.STALL_MIDWAY:
                    await asyncio.Event().wait()
                if self.fault is Fault.CUT:
                    assert request.transport is not None
                    request.transport.abort()
                    return
            await ws.send_json(common | {"type": "done", "done": True})

    # --- transcription ------------------------------------------------------------------------------

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._turned_away(request)) is not None:
            return refusal
        query = request.query
        model, language = query.get("model", ""), query.get("language", "en")
        if set(query) - RECOGNITION - {"cartesia_version"}:
            return self._refuse(400, "invalid_request", "unknown query parameter")
        if query.get("encoding") not in CODECS or not query.get("sample_rate", "").isdigit():
            return self._refuse(400, "invalid_request", "unknown encoding or sample rate")
        if not model.startswith("ink-") or (model == ENGLISH_ONLY and language != "en"):
            return self._refuse(400, "model_not_found", "no such model, or not in this language")
        self.requests.append({name: query.getall(name) for name in query})
        self.language = language
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        stream = InkStream(self, request, ws, AudioFormat(CODECS[query["encoding"]], int(query["sample_rate"])))
        with self.socket(), contextlib.suppress(ConnectionError):  # who went away hears no more
            async for message in ws:
                if message.type is WSMsgType.BINARY:
                    await stream.heard(message.data)
                elif message.type is WSMsgType.TEXT:
                    await stream.asked(message.data)
        return ws


class InkStream:
    """One connection to `/stt/websocket`. Texts are deltas: they are put together without anything between them."""

    def __init__(
        self, emulator: CartesiaEmulator, request: web.Request, ws: web.WebSocketResponse, audio: AudioFormat
    ) -> None:
        self._emulator = emulator
        self._request = request
        self._ws = ws
        self._speech = Speech(emulator.script, audio)
        self._shown_ms = 0.0
        self._joint = ""  # before the next text
        self._owed: list[str] = []  # what was not answered while it stalled comes later, in order

    async def heard(self, data: bytes) -> None:
        if self._speech.feed(data):
            self._emulator.heard_ms = self._speech.loud_ms
        quiet = self._emulator.fault in (Fault.EMPTY, Fault.STALL)
        if self._speech.at_ms - self._shown_ms >= INTERIM_MS and not quiet:
            self._shown_ms = self._speech.at_ms
            if guess := self._speech.hypothesis():
                await self._ws.send_json(self._transcript(guess, final=False))

    async def asked(self, command: str) -> None:
        if command in ("close", "done"):
            await self._ws.send_json({"type": "done", "request_id": REQUEST_ID})
            await self._ws.close()
        elif command == "finalize":
            with self._emulator.stream():
                await self._finalize()
        else:
            self._emulator.refused.append(command)
            await self._ws.send_json(_error(400, "invalid_request", "unknown command", None))

    async def _finalize(self) -> None:
        fault = self._emulator.fault
        if fault in (Fault.STALL, Fault.STALL_MIDWAY):
            self._owed.append(self._speech.say())
            return
        await asyncio.sleep(self._emulator.first_s)
        if fault is Fault.CUT:
            assert self._request.transport is not None
            self._request.transport.abort()
        elif fault in (Fault.SERVER_ERROR, Fault.UNAUTHORIZED, Fault.RATE_LIMIT):
            status = {Fault.SERVER_ERROR: 500, Fault.UNAUTHORIZED: 401, Fault.RATE_LIMIT: 429}[fault]
            await self._ws.send_json(_error(status, None, str(fault), None))
        elif fault is Fault.MALFORMED:
            await self._ws.send_str('{"type": "transcript", "text": ["no"]')
        else:
            for _ in range(FLOOD if fault is Fault.HUGE else 0):
                await self._ws.send_json(self._transcript("word " * 600, final=True))
            await self._answer()

    async def _answer(self) -> None:
        texts, self._owed = [*self._owed, self._speech.say()], []
        for text in texts:
            if text and self._emulator.fault is not Fault.EMPTY:
                await self._ws.send_json(self._transcript(text, final=True))
                self._joint = " "
            await self._ws.send_json({"type": "flush_done", "request_id": REQUEST_ID})

    def _transcript(self, text: str, *, final: bool) -> dict[str, Any]:
        return {
            "type": "transcript",
            "is_final": final,
            "request_id": REQUEST_ID,
            "text": self._joint + text,
            "duration": self._speech.loud_ms / 1000,
            "language": self._emulator.language,
        }


def _wrong(message: dict[str, Any], name: str, contexts: dict[str, asyncio.Task[None]]) -> str | None:
    """Why a generation request is not taken."""
    wanted = message.get("output_format", {})
    config = message.get("generation_config", {})
    if set(message) - GENERATION:
        return f"unknown fields: {', '.join(sorted(set(message) - GENERATION))}"
    if not name or name in contexts:
        return "context_id is missing or was closed"
    if not str(message.get("model_id", "")).startswith("sonic-"):
        return "model not found"
    if set(message.get("voice", {})) != {"mode", "id"} or message["voice"]["mode"] != "id":
        return "voice is not valid"
    if wanted.get("container") != "raw" or wanted.get("encoding") not in CODECS:
        return "output_format is not valid"
    if wanted.get("sample_rate") not in RATES_HZ:
        return "sample_rate is not valid"
    if set(config) - {"speed", "volume", "emotion"} or not 0.6 <= config.get("speed", 1.0) <= 1.5:
        return "generation_config is not valid"
    if not message.get("transcript") and not message.get("continue"):
        return "transcript is empty"
    return None


def _error(status: int, code: str | None, message: str, name: str | None) -> dict[str, Any]:
    error: dict[str, Any] = {
        "type": "error",
        "done": True,
        "status_code": status,
        "error_code": code,
        "title": "Request failed",
        "message": message,
        "request_id": REQUEST_ID,
    }
    return error if name is None else error | {"context_id": name}


def _times(text: str) -> dict[str, list[Any]]:
    times = word_times(text)
    return {
        "words": [word for word, _, _ in times],
        "start": [start / 1000 for _, start, _ in times],
        "end": [end / 1000 for _, _, end in times],
    }
