"""Asks for what will be wanted soon, one question after another, so that nobody waits for it then."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

MOST = 200  # that wait

log = structlog.get_logger(__name__)


class Foresight:
    def __init__(self, ask: Callable[[Any], Awaitable[None]]) -> None:
        self._ask = ask
        self._wanted: OrderedDict[Hashable, Any] = OrderedDict()
        self._asking: asyncio.Task[None] | None = None

    def want(self, key: Hashable, statement: Any) -> None:
        """Once for each key, until it was asked."""
        if key in self._wanted or len(self._wanted) >= MOST:
            return
        self._wanted[key] = statement
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._run(), name="foresight")

    async def _run(self) -> None:
        while self._wanted:
            key = next(iter(self._wanted))
            try:
                await self._ask(self._wanted[key])
            except (SQLAlchemyError, OSError) as error:  # who wants the answer asks again, and is told
                log.warning("question_failed", reason=str(error))
            self._wanted.pop(key)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
