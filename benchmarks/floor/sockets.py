"""WebSocket framing alone: what one received 20 ms frame of Twilio costs with each candidate library, on uvloop.

Server and client share one thread. The client is the same for all: it writes masked frames, made beforehand, in bulk
to a plain transport. Counted is the CPU from the first byte to the last frame delivered, minus what the same bytes
cost when nobody parses them; and echo round trips one at a time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiofastnet
from aiohttp import WSMsgType as AioType
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from benchmarks.floor.measure import Step

FRAMES = 20_000
ROUND_TRIPS = 3_000
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Sink:
    """Counts messages, echoes them on demand."""

    def __init__(self) -> None:
        self.count = 0
        self.echo = False
        self.expected = 0
        self.done = asyncio.Event()

    def take(self) -> None:
        self.count += 1
        if self.count == self.expected:
            self.done.set()


Server = Callable[[Sink], Awaitable[tuple[int, Callable[[], Awaitable[None]]]]]


def masked(message: bytes) -> bytes:
    """A client's text frame (RFC 6455 §5.2)."""
    frame: bytes = Frame(Opcode.TEXT, message).serialize(mask=True)
    return frame


# --- the candidates -------------------------------------------------------------------------------


class _Picows(WSListener):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            view = frame.get_payload_as_memoryview()
            if self._sink.echo:
                transport.send(WSMsgType.TEXT, bytes(view))
            self._sink.take()


async def picows_fastnet(sink: Sink) -> tuple[int, Callable[[], Awaitable[None]]]:
    return await _picows(sink, True)


async def picows_uvloop(sink: Sink) -> tuple[int, Callable[[], Awaitable[None]]]:
    return await _picows(sink, False)


async def _picows(sink: Sink, fastnet: bool) -> tuple[int, Callable[[], Awaitable[None]]]:
    server = await ws_create_server(lambda _: _Picows(sink), "127.0.0.1", 0, use_aiofastnet=fastnet)
    return _port(server), _closer(server)


class _SansIo(asyncio.Protocol):
    """`websockets`' protocol object between a transport and a sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._protocol = ServerProtocol()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                if self._sink.echo:
                    protocol.send_text(bytes(event.data))
                self._sink.take()
        for out in protocol.data_to_send():
            if out:
                self._transport.write(out)


async def websockets_sans_io(sink: Sink) -> tuple[int, Callable[[], Awaitable[None]]]:
    server = await asyncio.get_running_loop().create_server(lambda: _SansIo(sink), "127.0.0.1", 0)
    return _port(server), _closer(server)


async def aiohttp_server(sink: Sink) -> tuple[int, Callable[[], Awaitable[None]]]:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is AioType.TEXT:
                if sink.echo:
                    await socket.send_str(message.data)
                sink.take()
        return socket

    app = web.Application()
    app.router.add_get("/ws", handler)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return int(runner.addresses[0][1]), runner.cleanup


class _Raw(asyncio.Protocol):
    """No framing at all: what the bytes cost by themselves."""

    def __init__(self, sink: Sink, size: int) -> None:
        self._sink = sink
        self._size = size
        self._left = len(HANDSHAKE)
        self._bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left = 0
            self._transport.write(b"HTTP/1.1 101 x\r\n\r\n")
            return
        self._bytes += len(data)
        while self._bytes >= self._size:
            self._bytes -= self._size
            if self._sink.echo:
                self._transport.write(bytes(self._size))
            self._sink.take()


def raw(size: int) -> Server:
    async def start(sink: Sink) -> tuple[int, Callable[[], Awaitable[None]]]:
        server = await asyncio.get_running_loop().create_server(lambda: _Raw(sink, size), "127.0.0.1", 0)
        return _port(server), _closer(server)

    return start


def _port(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])


def _closer(server: Any) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        server.close()

    return close


# --- the client -----------------------------------------------------------------------------------


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.heard = asyncio.Event()
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if not self.ready.is_set():
            self.ready.set()
        else:
            self.heard.set()


async def _one(name: str, server: Server, frame: bytes) -> tuple[float, float]:
    """(CPU µs per frame that arrives alone in its segment, round trips per second)."""
    sink = Sink()
    port, close = await server(sink)
    _, client = await asyncio.get_running_loop().create_connection(_Client, "127.0.0.1", port)
    await client.ready.wait()
    sink.expected = FRAMES
    spent = time.process_time()
    for _ in range(FRAMES):
        client.transport.write(frame)
        await asyncio.sleep(0)  # frames of one call come one at a time, not in bulk
    await sink.done.wait()
    cpu_us = (time.process_time() - spent) / FRAMES * 1e6
    sink.echo = True
    started = time.perf_counter()
    for _ in range(ROUND_TRIPS):
        client.heard.clear()
        client.transport.write(frame)
        await client.heard.wait()
    per_second = ROUND_TRIPS / (time.perf_counter() - started)
    client.transport.abort()
    await close()
    return cpu_us, per_second


async def steps(message: bytes, repeats: int = 3) -> list[Step]:
    """Each candidate `repeats` times; the first row is what the bytes cost without any framing."""
    frame = masked(message)
    candidates: dict[str, Server] = {
        "no framing (uvloop transport)": raw(len(frame)),
        "picows, uvloop transport": picows_uvloop,
        f"picows, aiofastnet {getattr(aiofastnet, '__version__', '')} transport": picows_fastnet,
        "websockets sans-I/O": websockets_sans_io,
        "aiohttp": aiohttp_server,
    }
    found = []
    for name, server in candidates.items():
        runs = [await _one(name, server, frame) for _ in range(repeats)]
        costs = sorted(run[0] for run in runs)
        rates = sorted(run[1] for run in runs)
        note = f"with the client's half; {rates[-1]:,.0f} echo round trips/s; {os.cpu_count()} cores"
        found.append(Step("websocket", name, round(costs[0], 2), round(costs[len(costs) // 2], 2), note))
    return found
