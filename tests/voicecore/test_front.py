"""One port: heads that arrive in any manner, and connections that change their mind."""

from __future__ import annotations

import asyncio

import pytest
from media_server import House, eventually
from test_sockets import text_frame, upgrade_request

from voicecore import front
from voicecore.front import HEAD_LIMIT

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
STOPPED = b"\x88\x02\x03\xe8"  # close, code 1000


class Wire:
    """A raw connection. Everything it waits for is bounded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, house: House) -> Wire:
        return cls(*await asyncio.open_connection("127.0.0.1", house.server.port))

    async def head(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def body(self, head: bytes) -> bytes:
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        async with asyncio.timeout(5):
            return await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Until the server closes."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def media(self) -> None:
        """It is a media socket now: a stop is answered with a close."""
        assert (await self.head()).startswith(b"HTTP/1.1 101")
        self.writer.write(text_frame('{"event":"stop"}'))
        async with asyncio.timeout(5):
            assert await self.reader.readexactly(4) == STOPPED

    def close(self) -> None:
        self.writer.close()


async def test_http_head_byte_by_byte(house: House) -> None:
    wire = await Wire.to(house)
    for at in range(len(GET)):
        wire.writer.write(GET[at : at + 1])
        await wire.writer.drain()
    head = await wire.head()
    assert head.startswith(b"HTTP/1.1 200")
    wire.close()


async def test_media_head_byte_by_byte_and_with_the_first_frame_behind_it(house: House) -> None:
    request = upgrade_request("/twilio/media")
    slow, hasty = await Wire.to(house), await Wire.to(house)
    for at in range(len(request)):
        slow.writer.write(request[at : at + 1])
        await slow.writer.drain()
    hasty.writer.write(request + text_frame('{"event":"connected"}'))
    await slow.media()
    await hasty.media()
    slow.close()
    hasty.close()
    await house.idle()


async def test_a_kept_alive_connection_turns_into_a_media_socket(house: House) -> None:
    wire = await Wire.to(house)
    for _ in range(2):
        wire.writer.write(GET)
        head = await wire.head()
        assert head.startswith(b"HTTP/1.1 200")
        await wire.body(head)
    wire.writer.write(upgrade_request("/twilio/media"))
    await wire.media()
    wire.close()
    await house.idle()


async def test_a_media_path_without_an_upgrade_is_told_so(house: House) -> None:
    wire = await Wire.to(house)
    wire.writer.write(GET + b"GET /twilio/media HTTP/1.1\r\nHost: x\r\n\r\n")
    await wire.body(await wire.head())
    assert (await wire.head()).startswith(b"HTTP/1.1 426")
    wire.close()
    plain = await Wire.to(house)
    plain.writer.write(b"GET /twilio/media HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await plain.head()).startswith(b"HTTP/1.1 400")
    plain.close()


@pytest.mark.parametrize("path", ["/healthz", "/twilio/media"])
async def test_a_head_beyond_the_limit_is_refused(house: House, path: str) -> None:
    wire = await Wire.to(house)
    wire.writer.write(b"GET %s HTTP/1.1\r\nHost: x\r\nX-Long: %s" % (path.encode(), b"x" * (HEAD_LIMIT + 1)))
    wire.writer.write(b"\r\n\r\n")
    assert b" 400 " in (await wire.rest()).splitlines()[0]
    wire.close()
    assert house.server.gateway.active_calls == 0


async def test_garbage_is_no_request(house: House) -> None:
    wire = await Wire.to(house)
    wire.writer.write(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
    assert b" 400 " in (await wire.rest()).splitlines()[0]
    wire.close()


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\n", b"GET /twilio/media HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(front, "HEAD_TIMEOUT_S", 0.1)
    wire = await Wire.to(house)
    wire.writer.write(said)
    assert await wire.rest() == b""
    wire.close()


async def test_a_connection_that_goes_before_its_head_is_forgotten(house: House) -> None:
    wire = await Wire.to(house)
    wire.writer.write(b"GET /heal")
    await wire.writer.drain()
    wire.close()
    await wire.writer.wait_closed()
    assert (await house.get("/healthz"))[0] == 200
    await eventually(lambda: house.server.open_connections() == 0)
