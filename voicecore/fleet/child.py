"""One member process as its parent sees it: how it is started, what it has to do, and what it says of itself."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Callable

import msgspec

from config.schema import ServerSettings
from voicecore.fleet.channel import Channel, Handed, Load, Message, Ready
from voicecore.fleet.member import Orders

CALL_WEIGHT = 20  # one call is as much as so many idle HTTP connections
HTTP_WEIGHT = 1


class Child:
    """`said(child, message)` gets what is meant for the other members."""

    def __init__(self, node: str, said: Callable[[Child, Message], None]) -> None:
        self.node = node
        self._said = said
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._handed: deque[int] = deque()  # weights of the connections that its reports do not know of yet
        self._in_report = 0
        self.calls = 0
        self.ready = False
        self.decided = asyncio.Event()  # it is ready, or it never will be
        self.wanted = False  # it is to take connections, and to be replaced when it dies

    @property
    def takes(self) -> bool:
        """Can it be given connections?"""
        return self.ready and self._channel is not None and self._channel.is_open

    @property
    def weight(self) -> int:
        return self._in_report + sum(self._handed)

    @property
    def pid(self) -> int:
        """0: not started."""
        return self._process.pid if self._process is not None else 0

    async def start(self, settings: ServerSettings, port: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "voicecore.fleet", str(theirs.fileno()), pass_fds=[theirs.fileno()]
            )
        ours.send(msgspec.msgpack.encode(Orders(settings, port, self.node)))
        self._channel = Channel(ours, self._received, lambda: None)

    async def gone(self) -> int:
        """Waits for the end of the process. Returns its status, negative: the signal."""
        assert self._process is not None
        status = await self._process.wait()
        if self._channel is not None:
            self._channel.close()
        self.decided.set()
        return status

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def send(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def hand(self, connection: socket.socket, *, is_call: bool) -> None:
        """The connection is the member's from now on."""
        assert self._channel is not None
        self._handed.append(CALL_WEIGHT if is_call else HTTP_WEIGHT)
        self._channel.send(Handed(), connection)

    def _received(self, message: Message, connection: socket.socket | None) -> None:
        if isinstance(message, Ready):
            self.ready = True
            self.decided.set()
        elif isinstance(message, Load):
            self.calls = message.calls
            self._in_report = message.calls * CALL_WEIGHT + message.connections * HTTP_WEIGHT
            for _ in range(min(message.taken, len(self._handed))):
                self._handed.popleft()
        else:
            self._said(self, message)
