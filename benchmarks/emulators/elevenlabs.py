"""ElevenLabs on loopback: speech over the multi-context WebSocket and over HTTP, and realtime transcription.

Messages, parameters, limits and error names are those of the vendor's API reference; what that leaves open is an
attribute, so that a client can be tried with either.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from benchmarks.emulators.base import Emulator, Fault
from benchmarks.emulators.elevenlabs_hearing import HearingSocket
from benchmarks.emulators.elevenlabs_speech import (
    FORMATS,
    PIECE_CHARACTERS,
    SETTINGS,
    SpeechSocket,
    bad_settings,
    pieces,
)

SPEECH_QUERY = frozenset(
    {"model_id", "language_code", "enable_logging", "enable_ssml_parsing", "output_format", "inactivity_timeout"}
    | {"sync_alignment", "auto_mode", "apply_text_normalization", "seed"}
)
HTTP_BODY = frozenset(
    {"text", "model_id", "language_code", "voice_settings", "pronunciation_dictionary_locators", "seed"}
    | {"previous_text", "next_text", "previous_request_ids", "next_request_ids", "use_pvc_as_ivc"}
    | {"apply_text_normalization", "apply_language_text_normalization", "audio_effects"}
)
HTTP_QUERY = frozenset({"output_format", "enable_logging", "optimize_streaming_latency"})
HEARING_QUERY = frozenset(
    {"model_id", "audio_format", "commit_strategy", "language_code", "include_timestamps", "keyterms"}
    | {"include_language_detection", "enable_logging", "no_verbatim", "vad_threshold", "vad_silence_threshold_secs"}
)
HEARING_FORMATS = frozenset({f"pcm_{rate}" for rate in (8000, 16000, 22050, 24000, 44100, 48000)} | {"ulaw_8000"})


class ElevenLabsEmulator(Emulator):
    """Times are seconds: `first_s` from a flushed text to its first audio, `commit_s` from a commit to its answer;
    `pace` is seconds of speech made in a second (0: all at once)."""

    def __init__(self, *, first_s: float = 0.0, commit_s: float = 0.0, pace: float = 0.0, key: str = "") -> None:
        """`key`: the only one accepted; "": any."""
        super().__init__(first_s=first_s)
        self.commit_s = commit_s
        self.pace = pace
        self.key = key
        # to speak
        self.spoken: list[str] = []  # the text of every context or request, when its speech begins
        self.closed_contexts: list[str] = []  # told by the client
        self.keep_alives = 0
        self.most_contexts = 5  # of one socket
        self.contexts_at_once = 0  # of the whole account, also those that are closing; `peak_contexts`: the most so far
        self.peak_contexts = 0
        self.finishes_on_close = False  # a text that was flushed is spoken to its end although its context was closed
        self.confirms_close = True
        self.aligns = True
        self.speech_sockets: set[SpeechSocket] = set()
        # to hear
        self.transcript = "hello"  # what the newest audio that was not committed says
        self.language = ""
        self.keyterms: list[str] = []
        self.heard_bytes = 0
        self.heard_ms = 0.0
        self.app.router.add_get("/v1/text-to-speech/{voice_id}/multi-stream-input", self._speech_socket)
        self.app.router.add_post("/v1/text-to-speech/{voice_id}/stream/with-timestamps", self._speech_http)
        self.app.router.add_get("/v1/speech-to-text/realtime", self._hearing_socket)

    def add(self, text: str) -> None:
        """The caller goes on: what he says next."""
        self.transcript = text

    async def hang_up(self) -> None:
        """As after `inactivity_timeout`: every speech socket is closed."""
        for socket in list(self.speech_sockets):
            await socket.fail("input_timeout_exceeded", "no input was received in time")

    def _refused(self, request: web.Request) -> web.Response | None:
        key = request.headers.get("xi-api-key", "")
        if not key or (self.key and key != self.key):
            detail = {"status": "invalid_api_key", "message": f"Invalid API key {key}"}
            return web.json_response({"detail": detail}, status=401)
        return self.refusal()

    def _wrong(self, request: web.Request, known: frozenset[str], formats: frozenset[str], name: str) -> str:
        """What is wrong with a request's parameters; "" when nothing is."""
        if unknown := set(request.query) - known:
            return f"unknown parameters: {', '.join(sorted(unknown))}"
        if request.query.get(name) not in formats:
            return f"{name} is not one of {', '.join(sorted(formats))}"
        return ""

    async def _speech_socket(self, request: web.Request) -> web.StreamResponse:
        self.requests.append({"path": request.path, **request.query})
        if (refused := self._refused(request)) is not None:
            return refused
        wrong = self._wrong(request, SPEECH_QUERY, frozenset(FORMATS), "output_format")
        timeout_s = request.query.get("inactivity_timeout", "20")
        if not wrong and not (timeout_s.isdigit() and 1 <= int(timeout_s) <= 180):
            wrong = "inactivity_timeout is 1 to 180"
        if not wrong and request.query.get("model_id", "").startswith("eleven_v3"):
            wrong = "eleven_v3 has no multi-context WebSocket"
        socket = SpeechSocket(self, request)
        self.speech_sockets.add(socket)
        try:
            with self.socket():
                return await socket.run(wrong)
        finally:
            self.speech_sockets.discard(socket)

    async def _hearing_socket(self, request: web.Request) -> web.StreamResponse:
        self.requests.append({"path": request.path, **request.query})
        wrong = self._wrong(request, HEARING_QUERY, HEARING_FORMATS, "audio_format")
        if not wrong and request.query.get("commit_strategy", "manual") not in ("manual", "vad"):
            wrong = "commit_strategy is manual or vad"
        self.language = request.query.get("language_code", "")
        self.keyterms = request.query.getall("keyterms", [])
        if not wrong and (len(self.keyterms) > 50 or any(len(term) > 20 for term in self.keyterms)):
            wrong = "keyterms: at most 50 of at most 20 characters"
        if (refused := self._refused(request)) is not None:
            return refused
        with self.socket():
            return await HearingSocket(self, request).run(wrong)

    async def _speech_http(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        body: dict[str, Any] = await request.json()
        self.requests.append({"path": request.path, **request.query, **body})
        wrong = self._wrong(request, HTTP_QUERY, frozenset(FORMATS), "output_format")
        if unknown := set(body) - HTTP_BODY:
            wrong = f"unknown parameters: {', '.join(sorted(unknown))}"
        wrong = wrong or bad_settings(body.get("voice_settings"), SETTINGS)
        if wrong:
            return web.json_response({"detail": {"status": "invalid_request", "message": wrong}}, status=400)
        with self.stream():
            return await self._speak(request, str(body["text"]))

    async def _speak(self, request: web.Request, text: str) -> web.StreamResponse:
        self.spoken.append(text)
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        if self.fault is Fault.EMPTY:
            return answer
        made = pieces(self, text, request.query["output_format"], self.fault)
        async for number, (piece, audio, each_ms) in _numbered(made):
            at_s = number * PIECE_CHARACTERS * each_ms / 1000
            starts = [round(at_s + place * each_ms / 1000, 3) for place in range(len(piece))]
            alignment = {
                "characters": list(piece),
                "character_start_times_seconds": starts,
                "character_end_times_seconds": [round(start + each_ms / 1000, 3) for start in starts],
            }
            line = {"audio_base64": audio, "alignment": alignment, "normalized_alignment": alignment}
            if self.fault is Fault.MALFORMED:
                await answer.write(b'{"audio_base64": [1, \n')
                return answer
            await answer.write(json.dumps(line).encode() + b"\n")
            if self.fault is Fault.CUT and request.transport is not None:
                request.transport.abort()
        return answer


async def _numbered(made: Any) -> Any:
    number = 0
    async for piece in made:
        yield number, piece
        number += 1
