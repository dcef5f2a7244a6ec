"""Looks at the database, each a transaction that changes nothing, and how they are had: from a pool of connections
whose driver is asynchronous, or (`file_views.py`) of a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import FrozenResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

CONNECTIONS = 4  # to a database server


class View(Protocol):
    """Begun once, then asked, then closed, by one task at a time."""

    async def begin(self) -> None: ...

    async def ask(self, statement: Any, parameters: Any, shape: Hashable | None) -> FrozenResult[Any]:
        """All rows. Statements of one `shape` differ in their parameters only; None: nothing is known of it."""
        ...

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        """Whatever else a connection can do, somewhere where it may take its time."""
        ...

    async def close(self) -> None: ...


class Views(Protocol):
    @property
    def engine(self) -> sa.Engine:
        """Where the statements pass."""
        ...

    async def fill(self) -> None:
        """Connect all there may be, so that threads and files do not grow later."""
        ...

    def view(self) -> View: ...

    async def renew(self) -> None:
        """Views that begin from here on know what the database has learnt of itself."""
        ...

    async def close(self) -> None: ...


class PooledViews:
    """`engine` is its owner's to close."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.engine = engine.sync_engine

    async def fill(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(CONNECTIONS):
                await stack.enter_async_context(self._engine.connect())

    def view(self) -> View:
        return _PooledView(self._engine)

    async def renew(self) -> None:
        return None  # a database server does that itself

    async def close(self) -> None:
        return None


class _PooledView:
    def __init__(self, engine: AsyncEngine) -> None:
        self._connection = AsyncConnection(engine)

    async def begin(self) -> None:
        await self._connection.start()
        await self._connection.begin()

    async def ask(self, statement: Any, parameters: Any, shape: Hashable | None) -> FrozenResult[Any]:
        return (await self._connection.execute(statement, parameters)).freeze()

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        return await self._connection.run_sync(work)

    async def close(self) -> None:
        await self._connection.close()
