"""One realtime transcription socket of the ElevenLabs emulator: it "understands" what it is told to."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from benchmarks.emulators.base import Fault

if TYPE_CHECKING:
    from benchmarks.emulators.elevenlabs import ElevenLabsEmulator

LEAST_COMMIT_MS = 300.0
PARTIAL_MS = 200.0  # of audio before the first partial result
FLOOD = 20_000


class HearingSocket:
    def __init__(self, emulator: ElevenLabsEmulator, request: web.Request) -> None:
        self._emulator = emulator
        self._request = request
        name, _, rate = request.query.get("audio_format", "pcm_16000").partition("_")
        self._rate_hz = int(rate) if rate.isdigit() else 16000
        self._bytes_per_ms = self._rate_hz * (1 if name == "ulaw" else 2) / 1000
        self._timestamps = request.query.get("include_timestamps") == "true"
        self._uncommitted_bytes = 0
        self._heard_before_ms = 0.0  # of everything that was committed
        self._partial_sent = False
        self._answers: set[asyncio.Task[None]] = set()
        self._socket = web.WebSocketResponse(max_msg_size=0)

    async def run(self, wrong: str) -> web.WebSocketResponse:
        await self._socket.prepare(self._request)
        if wrong:
            await self._fail("invalid_request", wrong)
            return self._socket
        await self._send({"message_type": "session_started", "session_id": "s1", "config": dict(self._request.query)})
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(json.loads(message.data))
        finally:
            for answer in self._answers:
                answer.cancel()
        return self._socket

    async def _take(self, message: dict[str, Any]) -> None:
        wrong = self._wrong(message)
        if wrong:
            await self._fail("input_error", wrong)
            return
        emulator = self._emulator
        audio = base64.b64decode(message["audio_base_64"])
        if not self._uncommitted_bytes:
            emulator.heard_bytes = 0
        self._uncommitted_bytes += len(audio)
        emulator.heard_bytes += len(audio)
        emulator.heard_ms = emulator.heard_bytes / self._bytes_per_ms
        if message["commit"]:
            await self._commit()
        elif self._uncommitted_bytes / self._bytes_per_ms >= PARTIAL_MS and not self._partial_sent:
            self._partial_sent = True
            words = emulator.transcript.split()
            await self._send({"message_type": "partial_transcript", "text": " ".join(words[: len(words) // 2 + 1])})

    def _wrong(self, message: dict[str, Any]) -> str:
        if message.get("message_type") != "input_audio_chunk":
            return "message_type is input_audio_chunk"
        if unknown := set(message) - {"message_type", "audio_base_64", "commit", "sample_rate", "previous_text"}:
            return f"unknown fields: {', '.join(sorted(unknown))}"
        if not isinstance(message.get("commit"), bool) or message.get("sample_rate") != self._rate_hz:
            return "commit or sample_rate is missing or wrong"
        try:
            base64.b64decode(message["audio_base_64"], validate=True)
        except (KeyError, binascii.Error):
            return "audio_base_64 is missing or no base64"
        return ""

    async def _commit(self) -> None:
        ms = self._uncommitted_bytes / self._bytes_per_ms
        self._uncommitted_bytes, self._partial_sent = 0, False
        if ms < LEAST_COMMIT_MS:
            text = f"Commit request ignored: only {ms / 1000:.2f}s of uncommitted audio."
            await self._fail("commit_throttled", text, code=1000)
            return
        answer = asyncio.create_task(self._answer(self._heard_before_ms, ms, self._emulator.transcript))
        self._heard_before_ms += ms
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, from_ms: float, ms: float, text: str) -> None:
        emulator = self._emulator
        with emulator.stream():
            if emulator.commit_s:
                await asyncio.sleep(emulator.commit_s)
            if emulator.fault in (Fault.STALL, Fault.STALL_MIDWAY):
                await asyncio.Event().wait()
            if not await self._misbehaves(text):
                await self._committed("" if emulator.fault is Fault.EMPTY else text, from_ms, ms)

    async def _misbehaves(self, text: str) -> bool:
        """Is there no result?"""
        fault = self._emulator.fault
        told = {
            Fault.RATE_LIMIT: ("rate_limited", "too many requests"),
            Fault.SERVER_ERROR: ("transcriber_error", "it broke"),
            Fault.UNAUTHORIZED: ("auth_error", f"invalid key {self._request.headers.get('xi-api-key')}"),
        }.get(fault)
        if told is not None:
            await self._fail(*told)
        elif fault is Fault.MALFORMED:
            await self._socket.send_str('{"message_type": 17')
        elif fault is Fault.CUT:
            await self._send({"message_type": "partial_transcript", "text": text})
            if self._request.transport is not None:
                self._request.transport.abort()
        elif fault is Fault.HUGE:
            for _ in range(FLOOD):
                await self._send({"message_type": "partial_transcript", "text": text * 20})
            return False
        return told is not None or fault in (Fault.MALFORMED, Fault.CUT)

    async def _committed(self, text: str, from_ms: float, ms: float) -> None:
        await self._send({"message_type": "committed_transcript", "text": text})
        if not self._timestamps:
            return
        written = text.split()
        each_s = ms / 1000 / max(len(written), 1)
        words: list[dict[str, Any]] = []
        for place, word in enumerate(written):
            start_s = from_ms / 1000 + place * each_s
            words.append({"text": word, "start": start_s, "end": start_s + each_s, "type": "word", "logprob": -0.1})
            words.append({"text": " ", "start": start_s + each_s, "end": start_s + each_s, "type": "spacing"})
        kind = "committed_transcript_with_timestamps"
        await self._send({"message_type": kind, "text": text, "language_code": self._emulator.language, "words": words})

    async def _fail(self, kind: str, message: str, *, code: int = 1008) -> None:
        await self._send({"message_type": kind, "error": message})
        await self._socket.close(code=code, message=kind.encode())

    async def _send(self, message: dict[str, Any]) -> None:
        if not self._socket.closed:
            await self._socket.send_str(json.dumps(message))
