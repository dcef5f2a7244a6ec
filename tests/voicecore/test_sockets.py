"""Frames that no carrier sends, and peers that take nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket as sockets
import struct

import pytest
from media_server import SILENT, House, Serve, changed, error_codes

from pipelines.events import EndReason

LIMIT = 65536


async def test_the_largest_message_is_taken_whole_and_in_pieces(house: House) -> None:
    async with house.socket() as call:
        await call.start()
        await call.until("media")
        padding = "x" * (LIMIT - len('{"event":"none","x":""}'))
        message = f'{{"event":"none","x":"{padding}"}}'
        assert len(message) == LIMIT
        await call.send(message)
        await call.connection.send([message[:1000], message[1000:60_000], message[60_000:]])
        await call.leave("stop")
        assert (await call.closed())[0] == 1000
    assert error_codes(await house.ended(call.sid)) == []


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("fragments", [1, 5])
async def test_an_oversized_message_is_1009(house: House, fragments: int, started: bool) -> None:
    async with house.socket() as call:
        if started:
            await call.start()
            await call.until("media")
        message = "x" * (LIMIT + 1)
        size = len(message) // fragments + 1
        pieces = [message[at : at + size] for at in range(0, len(message), size)]
        await call.connection.send(pieces if fragments > 1 else message)
        assert (await call.closed())[0] == 1009
    await house.idle()
    assert house.problems() == ["message_too_large"]
    if started:
        detail = await house.ended(call.sid)
        assert detail.call.end_reason is EndReason.PROTOCOL_ERROR
        assert error_codes(detail) == ["message_too_large"]


@pytest.mark.parametrize("started", [False, True])
async def test_binary_where_text_is_spoken_is_1003(house: House, started: bool) -> None:
    async with house.socket() as call:
        if started:
            await call.start()
            await call.until("media")
        await call.send(SILENT)
        assert (await call.closed())[0] == 1003
    await house.idle()
    assert house.problems() == ["audio_format"]
    if started:
        detail = await house.ended(call.sid)
        assert detail.call.end_reason is EndReason.AUDIO_FORMAT
        assert error_codes(detail) == ["audio_format"]


@pytest.mark.parametrize(
    "frame",
    [
        b"\x83\x80" + bytes(4),  # an opcode that there is not
        b"\x81\x01x",  # not masked
        b"\x09\x80" + bytes(4),  # a ping in fragments
    ],
)
async def test_frames_against_rfc_6455_are_1002(house: House, frame: bytes) -> None:
    async with house.socket() as call:
        await call.start()
        await call.until("media")
        call.connection.transport.write(frame)
        assert (await call.closed())[0] == 1002
    detail = await house.ended(call.sid)
    assert detail.call.end_reason is EndReason.PROTOCOL_ERROR
    assert error_codes(detail) == ["protocol"]


async def test_a_ping_is_answered(house: House) -> None:
    async with house.socket() as call:
        await (await call.connection.ping())
        await call.leave("stop")


async def test_a_peer_that_ignores_the_close_is_cut(serve: Serve) -> None:
    """It keeps the connection open; two seconds later it is gone."""
    house = await serve(media=changed(start_timeout_s=0.05))
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
    writer.write(upgrade_request("/twilio/media"))
    await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.readexactly(4))[:1] == b"\x88"
        with contextlib.suppress(ConnectionError):
            await reader.read()  # to the end
    writer.close()
    await house.idle()


async def test_a_peer_that_stops_reading_is_cut_off_and_only_it(serve: Serve) -> None:
    house = await serve(media=changed(send_timeout_s=0.3))
    token = await house.token()  # hashing takes a while, and the socket waits two seconds only
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", house.server.port))
    wide = {"encoding": "audio/x-l16", "sampleRate": 16000}  # fills buffers sooner
    async with house.socket("/ws/media/stuck", sock=raw, max_queue=1) as call:
        await call.send({"event": "auth", "token": token, "agent_id": "lecturer", "media_format": wide})
        good = asyncio.create_task(house.call())
        detail = await house.ended("stuck")
        call.reset()
    assert detail.call.end_reason is EndReason.SEND_TIMEOUT
    assert error_codes(detail) == ["media_timeout"]
    assert house.problems("stuck") == ["media_timeout"]
    assert [turn.answered for turn in (await good).turns] == [True]
    await house.idle()


def upgrade_request(path: str) -> bytes:
    key = base64.b64encode(os.urandom(16))
    return (
        b"GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (path.encode(), key)
    )


def text_frame(text: str) -> bytes:
    """A masked text frame with a mask of zeros."""
    data = text.encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return b"\x81" + length + bytes(4) + data


async def test_frames_may_arrive_byte_by_byte_and_many_at_once(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
    stream = text_frame('{"event":"connected"}') * 3 + text_frame('{"event":"stop"}')
    for at in range(len(stream) // 2):
        writer.write(upgrade_request("/twilio/media") + stream[:1] if at == 0 else stream[at : at + 1])
        await writer.drain()
    writer.write(stream[len(stream) // 2 :])
    async with asyncio.timeout(5):
        assert b"101" in (await reader.readuntil(b"\r\n\r\n")).splitlines()[0]
        assert (await reader.readexactly(4))[:4] == b"\x88\x02\x03\xe8"
    writer.close()
    await house.idle()
