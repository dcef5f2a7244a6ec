"""Deepgram: `/v1/listen` (Nova), `/v2/listen` (Flux), `/v1/speak` (Aura), as its reference documents them.

It refuses what the real one refuses: another scheme of authorization, unknown parameters, thresholds out of range.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any

from aiohttp import WSMsgType, web

from benchmarks.emulators.base import Emulator, Fault
from benchmarks.emulators.deepgram_listen import FluxStream, ListenStream, NovaStream
from benchmarks.emulators.speech import CHARACTER_MS, Script, Scripted, tone
from pipelines.audio import AudioFormat, Codec

CODECS = {"mulaw": Codec.ULAW, "alaw": Codec.ALAW, "linear16": Codec.PCM16}
ONCE_V1 = {
    "model",
    "language",
    "encoding",
    "sample_rate",
    "channels",
    "interim_results",
    "punctuate",
    "smart_format",
} | {"endpointing", "utterance_end_ms", "vad_events", "numerals", "profanity_filter", "mip_opt_out", "multichannel"}
ONCE_V2 = {"model", "encoding", "sample_rate", "eager_eot_threshold", "eot_threshold", "eot_timeout_ms"} | {
    "mip_opt_out"
}
MANY = {"/v1/listen": {"keyterm", "keywords", "tag"}, "/v2/listen": {"keyterm", "language_hint", "tag"}}
ONCE = {"/v1/listen": ONCE_V1, "/v2/listen": ONCE_V2}
MODELS = {"/v1/listen": ("nova-3", "nova-2"), "/v2/listen": ("flux-general-en", "flux-general-multi")}
RANGES = {"eager_eot_threshold": (0.3, 0.9), "eot_threshold": (0.5, 1.0), "eot_timeout_ms": (500, 60000)}
SILENT_S = 10.0  # without audio or KeepAlive: NET-0001
PIECE_MS = 200
HUGE_MS = 600_000


class DeepgramEmulator(Scripted, Emulator):
    """`first_s`: from a Finalize to its result, from audio to the events about it, from a text to its first sound."""

    def __init__(self, *, first_s: float = 0.0, silent_s: float = SILENT_S) -> None:
        super().__init__(first_s=first_s)
        self.script = Script("I would like to book an appointment.")
        self.language = ""  # asked for by the newest connection
        self.heard_ms = 0.0  # of loud audio, in the newest stretch of speech
        self.spoken: list[str] = []
        self.refused: list[str] = []  # why requests were not taken
        self.keep_alives = 0
        self._silent_s = silent_s
        self.app.router.add_get("/v1/listen", self._listen)
        self.app.router.add_get("/v2/listen", self._listen)
        self.app.router.add_post("/v1/speak", self._speak)
        self.app.router.add_get("/v1/auth/token", self._who)

    def _refuse(self, status: int, code: str, message: str) -> web.Response:
        self.refused.append(message)
        body = {"err_code": code, "err_msg": message, "request_id": "11111111-2222-3333-4444-555555555555"}
        return web.json_response(body, status=status, headers={"dg-error": message})

    def _turned_away(self, request: web.Request) -> web.Response | None:
        if (refusal := self.refusal()) is not None:
            return refusal
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Token" or not key:
            return self._refuse(401, "INVALID_AUTH", "Invalid credentials.")
        return None

    # --- transcription ------------------------------------------------------------------------------

    def _wrong(self, request: web.Request) -> str:
        query, path = request.query, request.path
        for name in query:
            if name not in ONCE[path] | MANY[path] or (name in ONCE[path] and len(query.getall(name)) > 1):
                return f"Unexpected query parameter: {name}"
        if not query.get("model", "").startswith(MODELS[path]):
            return "No such model/version combination found."
        if query.get("encoding") not in CODECS or not query.get("sample_rate", "").isdigit():
            return "Unsupported encoding or sample rate"
        if "nova-3" in query["model"] and "keywords" in query:
            return "Keywords are not supported for Nova-3; use keyterm"
        if sum(len(term.split()) for term in query.getall("keyterm", [])) > 500:
            return "Keyterm limit exceeded"
        for name, (least, most) in RANGES.items():
            if name in query and not least <= float(query[name]) <= most:
                return f"{name} is out of range"
        if float(query.get("eager_eot_threshold", 0)) > float(query.get("eot_threshold", 0.7)):
            return "eager_eot_threshold exceeds eot_threshold"
        return ""

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._turned_away(request)) is not None:
            return refusal
        if wrong := self._wrong(request):
            return self._refuse(400, "INVALID_QUERY_PARAMETER", wrong)
        query = {name: request.query.getall(name) for name in request.query}
        self.requests.append({"path": request.path, **query})
        self.language = ",".join(query.get("language", []) + query.get("language_hint", []))
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        audio = AudioFormat(CODECS[request.query["encoding"]], int(request.query["sample_rate"]))
        kind = FluxStream if request.path == "/v2/listen" else NovaStream
        link = Link(self, request, ws)
        with self.socket():
            try:
                await self._converse(ws, kind(self, link, audio, request.query))
            finally:
                link.close()
        return ws

    async def _converse(self, ws: web.WebSocketResponse, stream: ListenStream) -> None:
        stream.begin()
        while True:
            try:
                message = await ws.receive(timeout=self._silent_s)
            except TimeoutError:
                await ws.close(code=1011, message=b"NET-0001: no audio was received in time")
                return
            if message.type is WSMsgType.BINARY:
                if len(message.data) % stream.audio.bytes_per_sample:
                    await ws.close(code=1008, message=b"DATA-0000: the payload cannot be decoded as audio")
                    return
                stream.heard(message.data)
            elif message.type is WSMsgType.TEXT:
                if not stream.asked(json.loads(message.data)):
                    return
            else:
                return

    # --- voices -------------------------------------------------------------------------------------

    async def _who(self, request: web.Request) -> web.Response:
        return self._turned_away(request) or web.json_response({"api_key_id": "emulated"})

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._turned_away(request)) is not None:
            return refusal
        query, body = request.query, await request.json()
        known = {"model", "encoding", "sample_rate", "container", "speed", "mip_opt_out"}
        if set(query) - known or set(body) != {"text"} or not query.get("model", "").startswith("aura"):
            return self._refuse(400, "UNSUPPORTED_PARAMETER", "Unsupported parameter or model")
        rate_hz = int(query["sample_rate"])
        if rate_hz not in ((8000, 16000, 24000, 32000, 48000) if query["encoding"] == "linear16" else (8000, 16000)):
            return self._refuse(400, "UNSUPPORTED_AUDIO_FORMAT", "Unsupported encoding and sample rate")
        if len(body["text"]) > 2000:
            return self._refuse(413, "PAYLOAD_ERROR", "Input text exceeds maximum character limit of 2000.")
        self.requests.append({**query, **body})
        with self.stream():
            if self.fault is Fault.STALL:
                await asyncio.Event().wait()
            await asyncio.sleep(self.first_s)
            self.spoken.append(body["text"])
            return await self._sound(request, body["text"], AudioFormat(CODECS[query["encoding"]], rate_hz))

    async def _sound(self, request: web.Request, text: str, audio: AudioFormat) -> web.StreamResponse:
        if self.fault is Fault.MALFORMED:
            return web.json_response({"audio": 17})
        response = web.StreamResponse(headers={"Content-Type": f"audio/{request.query['encoding']}"})
        await response.prepare(request)
        length_ms = HUGE_MS if self.fault is Fault.HUGE else len(text) * CHARACTER_MS
        if self.fault is Fault.EMPTY:
            length_ms = 0
        for at_ms in range(0, length_ms, PIECE_MS):
            await response.write(tone(audio, min(PIECE_MS, length_ms - at_ms)))
            if self.fault is Fault.STALL_MIDWAY:
                await asyncio.Event().wait()
            if self.fault is Fault.CUT:
                assert request.transport is not None
                request.transport.abort()
                break
        else:
            await response.write_eof()
        return response


class Link:
    """What a stream answers with: messages after the emulator's delay, or the ways a connection ends."""

    def __init__(self, emulator: Emulator, request: web.Request, ws: web.WebSocketResponse) -> None:
        self._emulator = emulator
        self._request = request
        self._ws = ws
        self._tasks: set[asyncio.Task[None]] = set()

    def say(self, *messages: dict[str, Any] | str, delayed: bool = True) -> None:
        self._do(self._send(messages, self._emulator.first_s if delayed else 0.0))

    def swallow(self) -> None:
        """Busy for a moment, and no answer: whoever gave up waiting for it has no way to say so."""
        self._do(self._send((), 0.0))

    def end(self, code: int, reason: str) -> None:
        self._do(self._close(code, reason))

    def cut(self) -> None:
        self._do(self._abort())

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, messages: tuple[dict[str, Any] | str, ...], delay_s: float) -> None:
        with contextlib.suppress(ConnectionError), self._emulator.stream():  # who went away hears no more
            await asyncio.sleep(delay_s)
            for message in messages:
                await self._ws.send_str(message if isinstance(message, str) else json.dumps(message))

    async def _close(self, code: int, reason: str) -> None:
        await self._ws.close(code=code, message=reason.encode())

    async def _abort(self) -> None:
        assert self._request.transport is not None
        self._request.transport.abort()
