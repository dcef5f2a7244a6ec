"""Is a telephone exchange there? Asks with SIP OPTIONS over UDP and over TCP (RFC 3261 §11); any answer will do."""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Any

from voicecore.destinations import RESOLVE_S, Destinations
from voicecore.domain.telephony import Knock

PATIENCE_S = 2.0
T1_S = 0.5  # RFC 3261 §17.1.2.2: the first wait before an unanswered request is sent again
LONGEST_ANSWER = 200  # characters of it that are shown


def options_request(host: str, port: int, transport: str, local: tuple[str, int]) -> bytes:
    """A request that asks for nothing but an answer."""
    user, target = f"voicecore@{_uri_host(local[0])}", f"sip:{_uri_host(host)}:{port}"
    lines = (
        f"OPTIONS {target} SIP/2.0",
        f"Via: SIP/2.0/{transport.upper()} {_uri_host(local[0])}:{local[1]};branch=z9hG4bK{secrets.token_hex(8)};rport",
        "Max-Forwards: 70",
        f"From: <sip:{user}>;tag={secrets.token_hex(4)}",
        f"To: <{target}>",
        f"Call-ID: {secrets.token_hex(16)}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:{user}>",
        "Accept: application/sdp",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _uri_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class Knocker:
    """`patience_s`: how long an answer may take."""

    def __init__(self, destinations: Destinations, patience_s: float = PATIENCE_S) -> None:
        self._destinations = destinations
        self._patience_s = patience_s

    async def __call__(self, host: str, port: int) -> Knock:
        """Never raises for what the other side does, or does not do."""
        try:
            address = await self._address(host, port)
        except (OSError, UnicodeError, TimeoutError) as error:
            return Knock(problem=str(error) or "the name does not resolve in time")
        tries = await asyncio.gather(self._datagram(address, port), self._stream(address, port))
        reached = [one for one in tries if one.reached]
        return next((one for one in reached if one.answer), next(iter(reached), tries[-1]))

    async def _address(self, host: str, port: int) -> str:
        """Raises OSError, which PrivateDestination is one of."""
        if self._destinations.literal_refused(host):
            raise OSError("not a public address")
        async with asyncio.timeout(RESOLVE_S):
            found = await self._destinations.resolve(host, port, socket.AF_UNSPEC)
        return found[0]["host"]

    async def _datagram(self, address: str, port: int) -> Knock:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answered: asyncio.Future[bytes] = loop.create_future()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Mailbox(answered), remote_addr=(address, port))
        except OSError as error:
            return Knock(problem=str(error))
        try:
            request = options_request(address, port, "udp", transport.get_extra_info("sockname")[:2])
            async with asyncio.timeout(self._patience_s):
                transport.sendto(request)
                done, _ = await asyncio.wait([answered], timeout=T1_S)
                if not done:
                    transport.sendto(request)
                answer = await answered
        except TimeoutError:
            return Knock(problem="no answer")
        except OSError as error:
            return Knock(problem=str(error))
        finally:
            transport.close()
        return Knock(transport="udp", answer=_status_line(answer), latency_ms=1000 * (loop.time() - began))

    async def _stream(self, address: str, port: int) -> Knock:
        """Who takes the connection is there, even when it does not speak SIP."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._patience_s):
                reader, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError) as error:
            return Knock(problem=str(error) or "no answer")
        reached_ms, answer = 1000 * (loop.time() - began), b""
        try:
            async with asyncio.timeout(self._patience_s):
                writer.write(options_request(address, port, "tcp", writer.get_extra_info("sockname")[:2]))
                answer = await reader.readline()
        except (OSError, TimeoutError, ValueError):
            pass  # it was reached; what it says is an extra
        finally:
            writer.close()
        return Knock(transport="tcp", answer=_status_line(answer), latency_ms=reached_ms)


class _Mailbox(asyncio.DatagramProtocol):
    """The first datagram, or why there is none."""

    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)


def _status_line(answer: bytes) -> str:
    """ "" when it is not SIP."""
    line = answer.partition(b"\n")[0].decode("utf-8", "replace").strip()
    return line[:LONGEST_ANSWER] if line.startswith("SIP/2.0 ") else ""
