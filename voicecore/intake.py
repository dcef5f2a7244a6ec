"""Where connections come from: a port of one's own, or a parent process that accepts and hands them over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from config.schema import ServerSettings

BACKLOG = 1024  # connections that may wait to be accepted

MakeProtocol = Callable[[], asyncio.Protocol]


class Intake(Protocol):
    async def open(self, make: MakeProtocol) -> int:
        """Serve connections with protocols from `make` from now on. Returns the port. Raises OSError."""
        ...

    def close(self) -> None:
        """No new connections."""
        ...


class PortIntake:
    """Listens itself."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._server: asyncio.Server | None = None

    async def open(self, make: MakeProtocol) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(make, self._settings.host, self._settings.port, backlog=BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


class HandedIntake:
    """Takes what the parent hands over through `take`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._make: MakeProtocol | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    async def open(self, make: MakeProtocol) -> int:
        self._make = make
        return self._port

    def take(self, connection: socket.socket) -> None:
        if self._make is None:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._adopt(connection, self._make))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, connection: socket.socket, make: MakeProtocol) -> object:
        connection.setblocking(False)
        return await asyncio.get_running_loop().connect_accepted_socket(make, connection)

    def close(self) -> None:
        self._make = None
