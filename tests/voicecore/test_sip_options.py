"""Knocking at an exchange over TCP, where it speaks SIP and where it does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from voicecore.destinations import Destinations
from voicecore.sip_options import Knocker, options_request


@contextlib.asynccontextmanager
async def listening(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port and what came in; it answers once and hangs up."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"SIP/2.0 401 Unauthorized\r\nVia: x\r\n\r\n", "SIP/2.0 401 Unauthorized"),
        (b"SSH-2.0-OpenSSH\r\n", ""),
        (b"\xff\xfe\r\n", ""),
        (b"SIP/2.0 200 " + b"x" * 1000 + b"\r\n", "SIP/2.0 200 " + "x" * 188),
        (b"a" * 100_000, ""),  # no line at all
    ],
)
async def test_what_takes_the_connection_is_there(said: bytes, answer: str) -> None:
    async with listening(said) as (port, heard):
        found = await Knocker(Destinations(allow_private=True))("127.0.0.1", port)
    assert (found.reached, found.transport, found.answer) == (True, "tcp", answer)
    assert found.latency_ms is not None
    assert heard[0].startswith(f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:".encode())


async def test_nobody_is_there() -> None:
    async with listening(b"") as (port, _):
        pass
    found = await Knocker(Destinations(allow_private=True))("127.0.0.1", port)
    assert (found.reached, found.transport, found.latency_ms) == (False, "", None)
    assert found.problem


async def test_a_name_that_is_none() -> None:
    for host in ("a..b", "-", "x" * 70):
        found = await Knocker(Destinations(allow_private=True))(host, 5060)
        assert not found.reached
        assert found.problem


def test_a_request_has_what_the_standard_asks_for() -> None:
    """RFC 3261 §8.1.1: the six headers of every request; an IPv6 address stands in brackets."""
    text = options_request("::1", 5060, "udp", ("::1", 40000)).decode()
    assert text.startswith("OPTIONS sip:[::1]:5060 SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:40000;branch=z9hG4bK")
    assert text.endswith("\r\n\r\n")
    for header in ("To", "From", "CSeq", "Call-ID", "Max-Forwards", "Via"):
        assert text.count(f"\r\n{header}: ") == 1
