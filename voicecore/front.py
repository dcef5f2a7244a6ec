"""The one port: reads a request's head and hands the connection to the media sockets or to HTTP.

Media upgrades go to picows, whose frames arrive in a plain synchronous callback; everything else goes to
aiohttp's own protocol. The hand-over replays the bytes already read, so neither side knows of the other.
It refuses to know what a call or a route is: `claim` decides from the path.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from aiohttp import web
from picows import WSAutoPingStrategy, WSListener, WSUpgradeRequest, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # missing in the package's stubs

HEAD_LIMIT = 16 * 1024  # bytes of request head, as picows limits it
HEAD_TIMEOUT_S = 10.0  # a connection that sends no whole head by then is closed

log = logging.getLogger(__name__)
_picows_log = logging.getLogger("voicecore.sockets")
_picows_log.setLevel(logging.CRITICAL)  # it logs every connection; failures reach us through the listener

Claim = Callable[[bytes], bool]
ListenerFactory = Callable[[WSUpgradeRequest, str], WSListener | WSUpgradeResponseWithListener]
HttpFactory = Callable[[], asyncio.Protocol]


class MediaDoor:
    """Hands connections to picows. `claim` says which paths are media; `listen` accepts or refuses."""

    def __init__(self, claim: Claim, listen: ListenerFactory, max_message_bytes: int) -> None:
        self.claim = claim
        self._listen = listen
        self._max_message_bytes = max_message_bytes
        self.waiting: set[asyncio.Transport] = set()  # connections whose first head is not there yet

    def close(self) -> None:
        """Cut the connections that have not asked for anything yet."""
        for transport in list(self.waiting):
            transport.abort()

    def open(self, transport: asyncio.Transport, head: bytes) -> None:
        """The connection is a media socket from now on; `head` is what was read of it."""
        peer = transport.get_extra_info("peername")
        host = peer[0] if isinstance(peer, tuple) else ""
        protocol = WSProtocol(
            None,  # host and path are the client side's
            None,
            False,
            lambda request: self._listen(request, host),
            _picows_log,
            True,  # an exception in the listener closes this connection, and only it
            HEAD_TIMEOUT_S,
            False,  # no pings of ours: carriers do not need them, and some hang up on them
            20,
            20,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            True,  # answers pings
            self._max_message_bytes,
            None,
            16 * 1024,
        )
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        _replay(protocol, head)

    async def adopt(self, request: web.Request) -> web.StreamResponse:
        """An aiohttp handler for media paths: a kept-alive HTTP connection turns into a media socket."""
        transport = request.transport
        if transport is None or "Upgrade" not in request.headers.get("Connection", "").title():
            return web.Response(status=426, text="this is a media socket", headers={"Upgrade": "websocket"})
        lines = [b"GET %s HTTP/1.1" % request.raw_path.encode()]
        lines += [name + b": " + value for name, value in request.raw_headers]
        # For aiohttp it is as if the connection were lost; without the transport in hand it cannot close it,
        # and what this handler returns goes nowhere.
        request.protocol.transport = None
        request.protocol.connection_lost(None)
        self.open(transport, b"\r\n".join(lines) + b"\r\n\r\n")
        return web.Response()


class Front(asyncio.Protocol):
    """One accepted connection until its first request's head is there."""

    def __init__(self, door: MediaDoor, http: HttpFactory) -> None:
        self._door = door
        self._http = http
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of its subclasses
        self._door.waiting.add(self._transport)
        self._timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT_S, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._leave()

    def data_received(self, data: bytes) -> None:
        # The whole head, also for HTTP: neither side has a deadline of its own for one that trickles in.
        self._head += data
        size = self._head.find(b"\r\n\r\n")
        if size < 0 and len(self._head) <= HEAD_LIMIT:
            return
        parts = self._head.partition(b"\r\n")[0].split(b" ")
        path = parts[1].partition(b"?")[0] if len(parts) == 3 else b""
        if 0 <= size < HEAD_LIMIT and parts[0] == b"GET" and self._door.claim(path):
            self._door.open(*self._leave())
            return
        transport, head = self._leave()
        protocol = self._http()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(head)

    def _leave(self) -> tuple[asyncio.Transport, bytes]:
        assert self._transport is not None
        assert self._timer is not None
        self._timer.cancel()
        transport, self._transport = self._transport, None
        self._door.waiting.discard(transport)
        head, self._head = self._head, b""
        return transport, head


def _replay(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Give a buffered protocol bytes that were read before it took over."""
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
