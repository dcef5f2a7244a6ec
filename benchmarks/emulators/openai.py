"""OpenAI's HTTP interface as its documentation and SDK have it: chat completions, transcriptions, speech,
embeddings.

What it does not know it refuses, as the original does: a client that is wrong fails here too. The realtime socket is in
`openai_realtime.py`.
"""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from aiohttp import web

from benchmarks.emulators.base import Emulator, Fault
from benchmarks.emulators.openai_embeddings import answer_of, embedding_mistake
from benchmarks.emulators.openai_realtime import RealtimeSocket
from benchmarks.emulators.openai_rules import chat_mistake, error, speech_mistake, transcription_mistake

KEY = "sk-emulator-0123456789"
NATIVE_HZ = 24_000
CHARACTER_MS = 60
TONE_HZ = 300
PIECE_MS = 100
HUGE_MS = 600_000
HUGE_CHARACTERS = 32 * 1024 * 1024


class Reply(msgspec.Struct):
    """One answer of the model. `deltas` come before its text, as they are; `trouble` is an error in their midst."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    finish: str = ""
    deltas: tuple[dict[str, Any], ...] = ()
    trouble: dict[str, Any] | None = None


class OpenaiEmulator(Emulator):
    """`replies` are given one after the other, the last one for ever."""

    def __init__(self, *, first_s: float = 0.0, token_s: float = 0.0, keys: Sequence[str] = (KEY,)) -> None:
        """`token_s`: from one piece of text to the next. `keys`: that are taken; "" takes requests without one."""
        super().__init__(first_s=first_s)
        self.token_s = token_s
        self.keys = keys
        self.replies: list[Reply] = [Reply("Certainly. What can I do for you?")]
        self.refuses: set[str] = set()  # parameters of chat that this model does not have
        self.names_parameters = True  # in refusals, as the original does; gateways forget it
        self.says_done = True
        self.says_finish = True
        self.container = b""  # what comes before the samples of speech
        self.organizations: list[str | None] = []  # that requests name
        self.spoken: list[str] = []
        self.transcript = ""  # what it understands of whatever it hears
        self.heard_ms = 0.0  # of audio, in the newest piece that it was asked about
        self.language: Any = None
        self.app.add_routes(
            [
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/audio/transcriptions", self._transcriptions),
                web.post("/v1/audio/speech", self._speech),
                web.post("/v1/embeddings", self._embeddings),
                web.get("/v1/realtime", self._realtime),
            ]
        )

    def say(self, text: str) -> None:
        self.replies = [Reply(text)]

    def call(self, *calls: tuple[str, dict[str, Any]]) -> None:
        self.replies = [Reply(calls=calls)]

    def add(self, text: str) -> None:
        """More is understood of the same utterance."""
        self.transcript = f"{self.transcript} {text}".strip()

    def denied(self, request: web.Request) -> web.Response | None:
        """The answer to who may not ask, or not now; None when he may."""
        self.organizations.append(request.headers.get("OpenAI-Organization"))
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if "" not in self.keys and (scheme != "Bearer" or key not in self.keys):
            return error(401, f"Incorrect API key provided: {key}", code="invalid_api_key")
        return self.refusal()

    async def _models(self, request: web.Request) -> web.Response:
        models = [{"id": "gpt-6-luna", "object": "model", "created": 1, "owned_by": "openai"}]
        return self.denied(request) or web.json_response({"object": "list", "data": models})

    async def _realtime(self, request: web.Request) -> web.StreamResponse:
        return await RealtimeSocket(self).serve(request)

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        with self.stream():
            if denied := self.denied(request):
                return denied
            body = json.loads(await request.read())
            self.requests.append(body)
            if wrong := embedding_mistake(body, self.refuses):
                return wrong
            if self.fault in (Fault.STALL, Fault.STALL_MIDWAY):
                await for_ever()
            await asyncio.sleep(self.first_s)
            if self.fault is Fault.CUT:
                cut(request)
            if self.fault is Fault.HUGE:
                return web.Response(body=b'{"data": [' + b" " * HUGE_CHARACTERS + b"]}")
            texts = {Fault.EMPTY: [], Fault.MALFORMED: None}
            return web.json_response(answer_of(body, texts.get(self.fault, body["input"])))

    # --- chat ---------------------------------------------------------------------------------------

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        with self.stream():
            if denied := self.denied(request):
                return denied
            body = json.loads(await request.read())
            self.requests.append(body)
            if wrong := chat_mistake(body, self.refuses, self.names_parameters):
                return wrong
            if self.fault is Fault.STALL:
                await for_ever()
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            await asyncio.sleep(self.first_s)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await self._answer(Events(response, body), reply, request)
            return response

    async def _answer(self, events: Events, reply: Reply, request: web.Request) -> None:
        await events.delta({"role": "assistant", "content": ""})
        if self.fault is not Fault.EMPTY:
            for number, delta in enumerate(deltas_of(reply)):
                if number == 1:
                    await self._misbehave(events, request)
                if number and self.token_s:
                    await asyncio.sleep(self.token_s)
                await events.delta(delta)
        if reply.trouble is not None:
            await events.raw(f"data: {json.dumps({'error': reply.trouble})}\n\n".encode())
        if self.says_finish:
            await events.finish(reply.finish or ("tool_calls" if reply.calls else "stop"), done=self.says_done)

    async def _misbehave(self, events: Events, request: web.Request) -> None:
        match self.fault:
            case Fault.CUT:
                cut(request)
                await for_ever()
            case Fault.STALL_MIDWAY:
                await for_ever()
            case Fault.MALFORMED:
                await events.raw(b'data: {"id": "chatcmpl-1", "choices": [{"delta"\n\n')
            case Fault.HUGE:
                while True:
                    await events.delta({"content": "and on and on it goes " * 20})

    # --- transcriptions -----------------------------------------------------------------------------

    async def _transcriptions(self, request: web.Request) -> web.StreamResponse:
        with self.stream():
            if denied := self.denied(request):
                return denied
            form = await request.post()
            fields: dict[str, Any] = {
                name: form.getall(name) if name.endswith("[]") else form[name] for name in form if name != "file"
            }
            self.requests.append(fields)
            if wrong := transcription_mistake(form):
                return wrong
            upload = form["file"]
            assert isinstance(upload, web.FileField)
            with upload.file as file, wave.open(io.BytesIO(file.read())) as sound:
                self.heard_ms = sound.getnframes() * 1000 / sound.getframerate()
            self.language = fields.get("language") or fields.get("languages[]")
            if self.fault is Fault.STALL:
                await for_ever()
            await asyncio.sleep(self.first_s)
            return await self._transcript(request)

    async def _transcript(self, request: web.Request) -> web.StreamResponse:
        match self.fault:
            case Fault.EMPTY:
                answer = b'{"text": ""}'
            case Fault.MALFORMED:
                answer = b'{"text": ["not", "a", "text"]}'
            case Fault.HUGE:
                answer = b'{"text": "%s"}' % (b"word " * (HUGE_CHARACTERS // 5))
            case _:
                answer = json.dumps({"text": self.transcript}, ensure_ascii=False).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(answer))})
        await response.prepare(request)
        if self.fault in (Fault.CUT, Fault.STALL_MIDWAY):
            await response.write(answer[:8])
            if self.fault is Fault.CUT:
                cut(request)
            await for_ever()
        await response.write(answer)
        return response

    # --- speech -------------------------------------------------------------------------------------

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        with self.stream():
            if denied := self.denied(request):
                return denied
            body = json.loads(await request.read())
            self.requests.append(body)
            if wrong := speech_mistake(body):
                return wrong
            self.spoken.append(body["input"])
            if self.fault is Fault.STALL:
                await for_ever()
            await asyncio.sleep(self.first_s)
            if self.fault is Fault.MALFORMED:
                return web.json_response({"audio": None})
            response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
            await response.prepare(request)
            if self.container:
                await response.write(self.container)
            length_ms = {Fault.EMPTY: 0, Fault.HUGE: HUGE_MS}.get(self.fault, CHARACTER_MS * len(body["input"]))
            for at_ms in range(0, length_ms, PIECE_MS):
                await response.write(tone(at_ms, min(PIECE_MS, length_ms - at_ms)))
                if self.fault is Fault.CUT:
                    cut(request)
                if self.fault in (Fault.CUT, Fault.STALL_MIDWAY):
                    await for_ever()
            return response


class Events:
    """A stream of server-sent events in chat's format."""

    def __init__(self, response: web.StreamResponse, body: Mapping[str, Any]) -> None:
        self._response = response
        self._with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self._head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        self._input = len(json.dumps(body["messages"])) // 4
        self._output = 0

    async def raw(self, data: bytes) -> None:
        await self._response.write(data)

    async def chunk(self, choices: list[dict[str, Any]], **more: Any) -> None:
        if self._with_usage:
            more = {"usage": None, **more}
        # As the original does it, without escapes beyond what JSON needs: letters outside ASCII go as UTF-8.
        data = json.dumps({**self._head, "choices": choices, **more}, ensure_ascii=False)
        await self.raw(f"data: {data}\n\n".encode())

    async def delta(self, delta: dict[str, Any], finish: str | None = None) -> None:
        self._output += 1
        await self.chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])

    async def finish(self, reason: str, *, done: bool) -> None:
        await self.delta({}, reason)
        if self._with_usage:
            tokens = {"prompt_tokens": self._input, "completion_tokens": self._output}
            tokens |= {"total_tokens": self._input + self._output}
            await self.chunk([], usage={**tokens, "prompt_tokens_details": {"cached_tokens": self._input // 2}})
        if done:
            await self.raw(b"data: [DONE]\n\n")


def deltas_of(reply: Reply) -> list[dict[str, Any]]:
    """Text word by word; of calls the name first, then the arguments in pieces that respect nothing."""
    deltas = list(reply.deltas)
    deltas += [{"content": word} for word in reply.text.replace(" ", " \0").split("\0") if word]
    for index, (name, arguments) in enumerate(reply.calls):
        function: dict[str, Any] = {"name": name, "arguments": ""}
        begin = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
        deltas.append({"tool_calls": [begin]})
        text = json.dumps(arguments, ensure_ascii=False)
        for at in range(0, len(text), 5):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": text[at : at + 5]}}]})
    return deltas


def tone(from_ms: int, length_ms: int) -> bytes:
    at = (np.arange(length_ms * NATIVE_HZ // 1000) + from_ms * NATIVE_HZ // 1000) / NATIVE_HZ
    return bytes((12_000 * np.sin(2 * np.pi * TONE_HZ * at)).astype("<i2").tobytes())


def cut(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


async def for_ever() -> None:
    await asyncio.Event().wait()
