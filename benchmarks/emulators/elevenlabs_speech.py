"""One multi-context speech socket of the ElevenLabs emulator, and the tone that it speaks with."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import WSMsgType, web

from benchmarks.emulators.base import Fault
from pipelines.audio import Codec, from_pcm16

if TYPE_CHECKING:
    from benchmarks.emulators.elevenlabs import ElevenLabsEmulator

FORMATS = {
    "ulaw_8000": (Codec.ULAW, 8000),
    "alaw_8000": (Codec.ALAW, 8000),
    **{f"pcm_{rate_hz}": (Codec.PCM16, rate_hz) for rate_hz in (8000, 16000, 22050, 24000, 44100)},
}
CHARACTER_MS = 60
PIECE_CHARACTERS = 13  # in one message: words are cut anywhere
HUGE_MS = 600_000
SETTINGS = {
    "stability": (0, 1),
    "similarity_boost": (0, 1),
    "style": (0, 1),
    "use_speaker_boost": (0, 1),
    "speed": (0.7, 1.2),
}
FIELDS = frozenset(
    {"text", "context_id", "flush", "close_context", "close_socket", "voice_settings", "generation_config"}
    | {"pronunciation_dictionary_locators", "xi_api_key", "authorization"}
)
FIRST_ONLY = ("voice_settings", "generation_config", "pronunciation_dictionary_locators")


@lru_cache(maxsize=64)
def tone(name: str, ms: int) -> str:
    """A loud tone, in Base64."""
    codec, rate_hz = FORMATS[name]
    at = np.arange(rate_hz * ms // 1000) / rate_hz
    pcm = (16000 * np.sin(2 * np.pi * 250 * at)).astype("<i2").tobytes()
    return base64.b64encode(from_pcm16(pcm, codec)).decode()


def bad_settings(settings: Any, known: dict[str, tuple[float, float]]) -> str:
    for name, value in (settings or {}).items():
        if name not in known:
            return f"voice_settings: unknown {name}"
        if value is not None and not known[name][0] <= value <= known[name][1]:
            return f"voice_settings: {name} is out of range"
    return ""


async def pieces(
    emulator: ElevenLabsEmulator, text: str, name: str, fault: Fault
) -> AsyncGenerator[tuple[str, str, float]]:
    """(characters, their audio, milliseconds of each), at the emulator's pace; may come to a stop for ever."""
    if emulator.first_s:
        await asyncio.sleep(emulator.first_s)
    if fault is Fault.STALL:
        await asyncio.Event().wait()
    if fault is Fault.HUGE:
        seconds = HUGE_MS // 1000
        for second in range(seconds):
            yield text[second * len(text) // seconds : (second + 1) * len(text) // seconds], tone(name, 1000), 1000
            await asyncio.sleep(0)
        return
    for start in range(0, len(text), PIECE_CHARACTERS):
        piece = text[start : start + PIECE_CHARACTERS]
        ms = len(piece) * CHARACTER_MS
        yield piece, tone(name, ms), CHARACTER_MS
        await asyncio.sleep(ms / 1000 / emulator.pace if emulator.pace else 0)
        if fault is Fault.STALL_MIDWAY:
            await asyncio.Event().wait()


class _Context:
    def __init__(self, name: str, fault: Fault) -> None:
        self.name = name
        self.fault = fault
        self.text = ""
        self.task: asyncio.Task[None] | None = None
        self.closing = False


class SpeechSocket:
    def __init__(self, emulator: ElevenLabsEmulator, request: web.Request) -> None:
        self._emulator = emulator
        self._request = request
        self._format = request.query.get("output_format", "")
        self._automatic = request.query.get("auto_mode") == "true"
        self._contexts: dict[str, _Context] = {}
        self._socket = web.WebSocketResponse()

    async def run(self, wrong: str) -> web.WebSocketResponse:
        await self._socket.prepare(self._request)
        if wrong:
            await self.fail("invalid_request", wrong)
            return self._socket
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(json.loads(message.data))
        finally:
            for context in list(self._contexts.values()):
                self._end(context)
        return self._socket

    async def fail(self, kind: str, message: str) -> None:
        """The connection's own error: it is closed."""
        await self._send({"message": message, "error": kind, "code": 1008})
        await self._socket.close(code=1008, message=message.encode()[:120])

    async def give_up(self) -> None:
        """Ends every context before its text is spoken."""
        for context in list(self._contexts.values()):
            await self._close(context)

    async def _take(self, message: dict[str, Any]) -> None:
        emulator = self._emulator
        emulator.requests.append(message)
        if unknown := set(message) - FIELDS:
            await self.fail("invalid_request", f"unknown fields: {', '.join(sorted(unknown))}")
        elif message.get("close_socket"):
            await self._socket.close()
        elif "context_id" not in message:
            emulator.keep_alives += message.get("text") == ""
        else:
            await self._take_in_context(message["context_id"], message)

    async def _take_in_context(self, name: str, message: dict[str, Any]) -> None:
        context = self._contexts.get(name)
        if context is None:
            if len(self._contexts) >= self._emulator.most_contexts:
                most = self._emulator.most_contexts
                text = f"Maximum simultaneous contexts per WebSocket connection exceeded ({most})."
                await self.fail("max_active_conversations", text)
                return
            if wrong := bad_settings(message.get("voice_settings"), SETTINGS):
                await self.fail("invalid_request", wrong)
                return
            context = self._begin(name)
        elif any(field in message for field in FIRST_ONLY):
            await self.fail("invalid_request", "settings can only be given in the first message of a context")
            return
        if message.get("close_context"):
            self._emulator.closed_contexts.append(name)
            await self._close(context)
            return
        context.text += message.get("text") or ""
        if context.text.strip() and (message.get("flush") or self._automatic or len(context.text) >= 120):
            context.task = context.task or asyncio.create_task(self._speak(context))

    def _begin(self, name: str) -> _Context:
        emulator = self._emulator
        context = self._contexts[name] = _Context(name, emulator.fault)
        emulator.contexts_at_once += 1
        emulator.peak_contexts = max(emulator.peak_contexts, emulator.contexts_at_once)
        return context

    async def _close(self, context: _Context) -> None:
        speaking = context.task is not None and not context.task.done()
        context.closing = True
        if speaking and self._emulator.finishes_on_close:
            return
        self._end(context)
        if self._emulator.confirms_close:
            await self._send({"isFinal": True, "contextId": context.name})

    def _end(self, context: _Context) -> None:
        if self._contexts.pop(context.name, None) is not None:
            self._emulator.contexts_at_once -= 1
        if context.task is not None:
            context.task.cancel()

    async def _speak(self, context: _Context) -> None:
        emulator = self._emulator
        with emulator.stream():
            emulator.spoken.append(context.text.strip(" "))
            if not await self._misbehaves(context):
                # The single space that opens a context is no part of what is aligned.
                async for piece, audio, each_ms in pieces(emulator, context.text[1:], self._format, context.fault):
                    await self._send(self._audio(context.name, piece, audio, each_ms))
                    if context.fault is Fault.CUT and self._request.transport is not None:
                        self._request.transport.abort()
                        return
        if context.closing or context.fault is Fault.EMPTY:
            context.task = None
            self._end(context)
            await self._send({"isFinal": True, "contextId": context.name})

    async def _misbehaves(self, context: _Context) -> bool:
        """Is there no speech at all?"""
        told = {
            Fault.RATE_LIMIT: ("rate_limited", "too many requests"),
            Fault.SERVER_ERROR: ("internal_server_error", "it broke"),
            Fault.UNAUTHORIZED: ("invalid_api_key", f"Invalid API key {self._request.headers.get('xi-api-key')}"),
        }.get(context.fault)
        if told is not None:
            code = 1011 if context.fault is Fault.SERVER_ERROR else 1008
            await self._send({"message": told[1], "error": told[0], "code": code})
            await self._socket.close(code=code)
        elif context.fault is Fault.MALFORMED:
            await self._socket.send_str('{"audio": [1, ')
        return told is not None or context.fault in (Fault.MALFORMED, Fault.EMPTY)

    def _audio(self, name: str, piece: str, audio: str, each_ms: float) -> dict[str, Any]:
        """Times count from the beginning of this message's audio."""
        times = {
            "charStartTimesMs": [round(place * each_ms) for place in range(len(piece))],
            "charDurationsMs": [round(each_ms)] * len(piece),
        }
        aligns = self._emulator.aligns
        return {
            "audio": audio,
            "isFinal": None,
            "contextId": name,
            "alignment": {"chars": list(piece), **times} if aligns else None,
            "normalizedAlignment": None,
        }

    async def _send(self, message: dict[str, Any]) -> None:
        if not self._socket.closed:
            await self._socket.send_str(json.dumps(message))
