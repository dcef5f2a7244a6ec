"""A small real server that speaks the server's side of Twilio's protocol on loopback.

It greets, answers each utterance after a stretch of silence, marks its answers, and clears when the caller
talks over it. It can be told to misbehave.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

import numpy as np
from aiohttp import WSMsgType, web

from pipelines.audio import Codec, from_pcm16

SILENT = b"\xff" * 160


def tone_ulaw(duration_ms: int, amplitude: int = 9000) -> bytes:
    """A square wave of 1 kHz, audible from its first sample to its last."""
    samples = np.where(np.arange(duration_ms * 8) // 4 % 2 == 0, amplitude, -amplitude)
    return from_pcm16(samples.astype("<i2").tobytes(), Codec.ULAW)


@dataclass
class AgentServer:
    """What the test server does, and what it saw."""

    greeting_ms: int = 200
    answer_ms: int = 300
    wait_frames: int = 10  # of silence after speech before it answers
    mute: bool = False
    close_after_answers: int = 0
    abort_after_frames: int = 0
    garbage: tuple[str, ...] = ()
    binary: bool = False
    url: str = ""
    starts: list[dict[str, object]] = field(default_factory=list)
    webhooks: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    messages: list[dict[str, object]] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    answers: int = 0
    clears: int = 0

    @property
    def media(self) -> list[dict[str, str]]:
        return [m["media"] for m in self.messages if m["event"] == "media"]  # type: ignore[misc]

    async def voice(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.webhooks.append(form)
        self.headers.append(dict(request.headers))
        stream = self.url.replace("http", "ws") + "/twilio/media/secret"
        return web.Response(
            content_type="text/xml",
            text=f'<?xml version="1.0"?><Response><Connect><Stream url="{stream}">'
            f'<Parameter name="agent" value="{request.query.get("agent", "none")}"/></Stream></Connect>'
            "</Response>",
        )

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        self.headers.append(dict(request.headers))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await _Conversation(self, socket).run()
        return socket


class _Conversation:
    def __init__(self, server: AgentServer, socket: web.WebSocketResponse) -> None:
        self.server, self.socket = server, socket
        self.sid = ""
        self.silent = 0
        self.spoke = False
        self.talking = False

    async def run(self) -> None:
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            data = json.loads(message.data)
            self.server.messages.append(data)
            if data["event"] == "start":
                await self.started(data)
            elif data["event"] == "mark":
                self.server.marks.append(data["mark"]["name"])
                self.talking = self.talking and data["mark"]["name"] != f"end-{self.server.answers}"
            elif data["event"] == "media":
                await self.heard(base64.b64decode(data["media"]["payload"]))
            elif data["event"] == "stop":
                await self.socket.close()

    async def started(self, data: dict[str, dict[str, object]]) -> None:
        self.server.starts.append(data["start"])
        self.sid = str(data["start"]["streamSid"])
        if self.server.binary:
            await self.socket.send_bytes(b"\x00\x01")
        for line in self.server.garbage:
            await self.socket.send_str(line)
        if not self.server.mute:
            await self.say(self.server.greeting_ms, "greeting")

    async def heard(self, audio: bytes) -> None:
        server = self.server
        if server.abort_after_frames and len(server.media) >= server.abort_after_frames:
            assert self.socket._req is not None
            assert self.socket._req.transport is not None
            self.socket._req.transport.abort()
            return
        if audio != SILENT:
            self.spoke, self.silent = True, 0
            if self.talking:
                self.talking = False
                server.clears += 1
                await self.socket.send_json({"event": "clear", "streamSid": self.sid})
        else:
            self.silent += 1
        if self.spoke and self.silent == server.wait_frames and not server.mute:
            self.spoke = False
            server.answers += 1
            self.talking = True
            await self.say(server.answer_ms, f"end-{server.answers}")
            if server.answers == server.close_after_answers:
                await self.socket.close()

    async def say(self, duration_ms: int, mark: str) -> None:
        payload = base64.b64encode(tone_ulaw(duration_ms)).decode()
        media = {"event": "media", "streamSid": self.sid, "media": {"payload": payload}}
        await self.socket.send_json(media)
        await self.socket.send_json({"event": "mark", "streamSid": self.sid, "mark": {"name": mark}})
