"""OpenAI's realtime socket in its transcription form: audio is appended and committed, text comes back by item.

Every commit is an item of its own with an id; results come when they come and name it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from itertools import count
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from benchmarks.emulators.base import RETRY_AFTER_S, Fault

if TYPE_CHECKING:
    from benchmarks.emulators.openai import OpenaiEmulator

BYTES_PER_MS = {"audio/pcmu": 8, "audio/pcma": 8, "audio/pcm": 48}
SHORTEST_MS = 100  # that can be committed
WORD_MS = 300  # of audio until a model that transcribes as it hears gives a word
MODELS = ("gpt-live-transcribe", "gpt-transcribe", "gpt-realtime-whisper", "gpt-4o-", "whisper-1")
LIVE = ("gpt-live-transcribe", "gpt-realtime-whisper")
WITH_KEYWORDS = ("gpt-transcribe", "gpt-live-transcribe")
ITEM = "conversation.item.input_audio_transcription"
TRANSCRIPTION = {"model", "language", "languages", "keywords", "prompt", "delay"}
HUGE_DELTAS = 4000
TROUBLE = {
    Fault.SERVER_ERROR: {"type": "server_error", "code": "server_error", "message": "it broke"},
    Fault.UNAUTHORIZED: {"type": "invalid_request_error", "code": "invalid_api_key", "message": "bad key"},
    Fault.RATE_LIMIT: {
        "type": "tokens",
        "code": "rate_limit_exceeded",
        "message": f"Rate limit reached. Please try again in {RETRY_AFTER_S}s.",
    },
}


class RealtimeSocket:
    """One connection of a client. It transcribes nothing: its words are the emulator's."""

    def __init__(self, emulator: OpenaiEmulator) -> None:
        self._emulator = emulator
        self._socket = web.WebSocketResponse()
        self._model = ""
        self._bytes_per_ms = BYTES_PER_MS["audio/pcm"]
        self._buffer = bytearray()
        self._numbers = count(1)
        self._item = self._new_item()  # of the audio in the buffer
        self._previous: str | None = None
        self._given = 0  # words, of this item
        self._told = ""  # transcript as of the last item
        self._late: list[tuple[str, str]] = []  # items and texts of which nothing was said while it stalled
        self._answers: set[asyncio.Task[None]] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if denied := self._emulator.denied(request):
            return denied
        if request.query.get("intent") != "transcription" or "model" in request.query:
            return web.json_response({"error": {"message": "unsupported intent"}}, status=400)
        await self._socket.prepare(request)
        with self._emulator.socket():
            try:
                await self._send("session.created", session={"type": "transcription", "id": "sess_1"})
                async for message in self._socket:
                    if message.type is WSMsgType.TEXT:
                        await self._received(json.loads(message.data), request)
            finally:
                for answer in self._answers:
                    answer.cancel()
                await asyncio.gather(*self._answers, return_exceptions=True)
        return self._socket

    async def _received(self, event: dict[str, Any], request: web.Request) -> None:
        if self._emulator.fault is not Fault.STALL:
            await self._catch_up()
        match event.get("type"):
            case "session.update":
                self._emulator.requests.append(event["session"])
                await self._configure(event)
            case "input_audio_buffer.append":
                await self._append(event)
            case "input_audio_buffer.clear":
                self._buffer.clear()
                self._item = self._new_item()
                await self._send("input_audio_buffer.cleared")
            case "input_audio_buffer.commit":
                await self._commit(event, request)
            case kind:
                await self._refuse(event, "invalid_value", f"Invalid value: '{kind}'.", "type")

    async def _configure(self, event: dict[str, Any]) -> None:
        session = event["session"]
        heard = session.get("audio", {}).get("input", {})
        asked = heard.get("transcription", {})
        self._model = asked.get("model", "")
        wrong = {"language"} if self._model.startswith(WITH_KEYWORDS) else {"languages", "keywords"}
        unknown = (set(asked) - TRANSCRIPTION) | (set(asked) & wrong)
        wire = heard.get("format", {})
        wrong_wire = wire.get("type") not in BYTES_PER_MS or (wire["type"] == "audio/pcm") != (
            wire.get("rate") == 24000
        )
        if session.get("type") != "transcription" or wrong_wire:
            await self._refuse(event, "invalid_value", "Invalid session.", "session")
        elif not self._model.startswith(MODELS):
            await self._refuse(event, "invalid_model", f"Model '{self._model}' is not supported.", "model")
        elif unknown:
            name = f"session.audio.input.transcription.{min(unknown)}"
            await self._refuse(event, "unknown_parameter", f"Unknown parameter: '{name}'.", name)
        elif heard.get("turn_detection") is not None and self._model.startswith(LIVE):
            message = "Turn detection is not supported for this transcription model"
            await self._refuse(event, "invalid_value", message, "session.audio.input.turn_detection")
        else:
            self._bytes_per_ms = BYTES_PER_MS[wire["type"]]
            self._emulator.language = asked.get("language") or asked.get("languages")
            await self._send("session.updated", session=session)

    async def _append(self, event: dict[str, Any]) -> None:
        try:
            self._buffer += base64.b64decode(event["audio"], validate=True)
        except (KeyError, binascii.Error):
            await self._refuse(event, "invalid_value", "Invalid 'audio'.", "audio")
            return
        words = self._words()
        hears = self._model.startswith(LIVE) and self._emulator.fault is Fault.NONE
        if hears and self._given < min(len(words), len(self._buffer) // self._bytes_per_ms // WORD_MS):
            await self._delta(self._item, words[self._given])
            self._given += 1

    async def _commit(self, event: dict[str, Any], request: web.Request) -> None:
        length_ms = len(self._buffer) / self._bytes_per_ms
        if length_ms < SHORTEST_MS:
            message = f"buffer too small. Expected at least 100ms of audio, but buffer only has {length_ms:.2f}ms."
            await self._refuse(event, "input_audio_buffer_commit_empty", message)
            return
        self._emulator.heard_ms = length_ms
        item, words, given = self._item, self._words(), self._given
        self._told = self._emulator.transcript
        self._buffer.clear()
        self._item, self._given = self._new_item(), 0
        if self._emulator.fault is Fault.STALL:
            with self._emulator.stream():  # nobody will answer, so there is nothing that the client could leave
                self._late.append((item, "".join(words)))
            return
        answer = asyncio.create_task(self._answer(item, words, given, request))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, item: str, words: list[str], given: int, request: web.Request) -> None:
        fault = self._emulator.fault
        with self._emulator.stream():
            await self._committed(item)
            await asyncio.sleep(self._emulator.first_s)
            if fault is Fault.MALFORMED:
                await self._socket.send_str('{"type": "conversation.item.input_audio_transc')
                return
            if fault in TROUBLE:
                await self._send(f"{ITEM}.failed", item_id=item, content_index=0, error=TROUBLE[fault])
                return
            if fault is Fault.HUGE:
                words, given = ["and on and on " * 20] * HUGE_DELTAS, 0
            for word in () if fault is Fault.EMPTY else words[given:]:
                await self._delta(item, word)
                if fault is Fault.CUT:
                    assert request.transport is not None
                    request.transport.abort()
                if fault in (Fault.CUT, Fault.STALL_MIDWAY):
                    await asyncio.Event().wait()
            text = "" if fault is Fault.EMPTY else "".join(words)
            await self._completed(item, text)

    async def _catch_up(self) -> None:
        """What was held back comes late, but it comes."""
        late, self._late = self._late, []
        for item, text in late:
            await self._committed(item)
            await self._completed(item, text)

    def _words(self) -> list[str]:
        """Of what was not told yet, each with the blank before it."""
        text = self._emulator.transcript
        if self._told and text != self._told and text.startswith(self._told):
            text = text[len(self._told) :].strip()
        return text.replace(" ", "\0 ").split("\0") if text else []

    def _new_item(self) -> str:
        return f"item_{next(self._numbers)}"

    async def _committed(self, item: str) -> None:
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=self._previous)
        self._previous = item
        await self._send("conversation.item.added", item={"id": item, "type": "message", "role": "user"})

    async def _delta(self, item: str, text: str) -> None:
        await self._send(f"{ITEM}.delta", item_id=item, content_index=0, delta=text)

    async def _completed(self, item: str, text: str) -> None:
        usage = {"type": "duration", "seconds": 1}
        await self._send(f"{ITEM}.completed", item_id=item, content_index=0, transcript=text, usage=usage)

    async def _refuse(self, event: dict[str, Any], code: str, message: str, param: str | None = None) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": param}
        await self._send("error", error={**error, "event_id": event.get("event_id")})

    async def _send(self, kind: str, **fields: Any) -> None:
        if self._emulator.fault is not Fault.STALL:
            event = {"type": kind, "event_id": f"event_{next(self._numbers)}", **fields}
            await self._socket.send_str(json.dumps(event, ensure_ascii=False))
