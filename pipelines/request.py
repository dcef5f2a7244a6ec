"""What is asked of a list of engines, and one engine that was asked it.

It decides nothing: who is asked, and how often, `Asking` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from pipelines.roster import Named

T = TypeVar("T")
E = TypeVar("E")


class Outcome(StrEnum):
    """How it ended that an engine was asked."""

    FINISHED = "finished"
    FAILED = "failed"
    LOST = "lost"  # a race: nothing of it was used
    CLOSED = "closed"  # whoever read it wants no more


class Request(Protocol[E, T]):
    """One question to a stage, whoever answers it."""

    @property
    def may_be_empty(self) -> bool:
        """An answer without output is an answer."""
        ...

    @property
    def complete(self) -> bool:
        """So much of the answer was taken that nobody needs to be asked for a rest of it."""
        ...

    def ask(self, named: Named[E]) -> AsyncGenerator[T, None]:
        """The answer; once some of it was taken, what is left of it."""
        ...

    def is_output(self, item: T) -> bool: ...

    def took(self, item: T) -> None:
        """This is part of the answer."""
        ...

    def ended(self, named: Named[E], outcome: Outcome) -> None:
        """Once for each `ask`."""
        ...


class Attempt(Generic[E, T]):
    """One engine that was asked."""

    __slots__ = ("asked_s", "begun", "named", "stream", "tries", "waiting")

    def __init__(self, named: Named[E], stream: AsyncGenerator[T, None], asked_s: float) -> None:
        self.named = named
        self.stream = stream
        self.asked_s = asked_s
        self.tries = named.health.asked()
        self.waiting = False  # for its turn: that is no fault of the engine
        self.begun = False  # some of it was used


async def in_turn(attempt: Attempt[E, T], stream: AsyncGenerator[T, None], wait_s: float) -> AsyncGenerator[T, None]:
    """The stream, begun when its engine wants to be asked again and has room."""
    attempt.waiting = True
    if wait_s:
        await asyncio.sleep(wait_s)
    await attempt.named.health.enter()
    try:
        attempt.waiting = False
        async with aclosing(stream):
            async for item in stream:
                yield item
    finally:
        attempt.named.health.leave()
