"""What all emulators have in common: a port, a pace, a fault, and the count of what is open.

An emulator is an ordinary HTTP and WebSocket server; it knows its provider's protocol and nothing of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from aiohttp import web


class Fault(StrEnum):
    """How it misbehaves, until told otherwise."""

    NONE = "none"
    STALL = "stall"  # accepts, says nothing, for ever
    CUT = "cut"  # begins as it should, then the connection is gone, without a farewell
    STALL_MIDWAY = "stall_midway"  # begins as it should, then nothing more comes
    RATE_LIMIT = "rate_limit"  # 429 with Retry-After: 2, or the protocol's own way to say it
    SERVER_ERROR = "server_error"  # 500, or the protocol's own error message
    UNAUTHORIZED = "unauthorized"  # 401
    MALFORMED = "malformed"  # what comes is not what the protocol says: broken JSON, wrong types
    EMPTY = "empty"  # a correct ending, and nothing before it
    HUGE = "huge"  # far more than anybody can want; a client must not fall over


RETRY_AFTER_S = 2


class Emulator:
    """`async with` one; `url` is its root, without a slash at the end. Subclasses add routes."""

    def __init__(self, *, first_s: float = 0.0) -> None:
        """`first_s`: from request to first output."""
        self.first_s = first_s
        self.fault = Fault.NONE
        self.requests: list[dict[str, Any]] = []  # what was asked, newest last; keys as the protocol names them
        self.open_streams = 0  # requests and utterances being answered now
        self.open_sockets = 0  # WebSockets, also idle ones
        self.connections = 0  # TCP connections ever accepted
        self.cancelled = 0  # streams that the client ended before we did
        self.app = web.Application(client_max_size=32 * 1024 * 1024)
        self._runner: web.AppRunner | None = None
        self._idle, self._busy, self._unplugged = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        assert self._runner.server is not None
        made = self._runner.server

        def accept() -> asyncio.BaseProtocol:
            self.connections += 1
            return made()

        self._server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self._server.close()
        await self._runner.cleanup()

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Around the answer to one request; tells whether the client went away before its end."""
        self.open_streams += 1
        self._idle.clear()
        self._busy.set()
        try:
            yield
        except (asyncio.CancelledError, ConnectionError):
            self.cancelled += 1
            raise
        finally:
            self.open_streams -= 1
            if not self.open_streams:
                self._busy.clear()
                self._idle.set()

    @contextlib.contextmanager
    def socket(self) -> Iterator[None]:
        """Around the life of one WebSocket."""
        self.open_sockets += 1
        self._unplugged.clear()
        try:
            yield
        finally:
            self.open_sockets -= 1
            if not self.open_sockets:
                self._unplugged.set()

    async def busy(self) -> None:
        """Returns when a stream is open."""
        await self._busy.wait()

    async def unplugged(self) -> None:
        """Returns when no WebSocket is open."""
        if self.open_sockets:
            await self._unplugged.wait()

    async def idle(self) -> None:
        """Returns when no stream is open."""
        if self.open_streams:
            await self._idle.wait()

    def refusal(self) -> web.Response | None:
        """The answer of a fault that is an HTTP status; None when the request is to be accepted."""
        if self.fault is Fault.RATE_LIMIT:
            body = {"error": {"message": "slow down", "type": "rate_limit", "code": "rate_limit_exceeded"}}
            return web.json_response(body, status=429, headers={"Retry-After": str(RETRY_AFTER_S)})
        if self.fault is Fault.SERVER_ERROR:
            return web.json_response({"error": {"message": "it broke", "type": "server_error"}}, status=500)
        if self.fault is Fault.UNAUTHORIZED:
            return web.json_response({"error": {"message": "bad key", "type": "authentication"}}, status=401)
        return None
