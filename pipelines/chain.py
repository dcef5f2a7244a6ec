"""An ordered list of engines for one request: each has its time, and the next one is asked when it gives nothing.

It knows no stage's protocol. A switch is reported, never silent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Generic, TypeVar

import msgspec

from pipelines.errors import Remedy, StageError, StageTimeout
from pipelines.watchdog import Watchdog

T = TypeVar("T")
E = TypeVar("E")


class Switched(msgspec.Struct, frozen=True):
    """An engine failed. `to` is who was asked instead; "" when nobody was left."""

    stage: str
    provider: str
    to: str
    error: str


Report = Callable[[Switched], None]


class Named(msgspec.Struct, Generic[E]):
    """An engine and the provider name it was built from."""

    name: str
    engine: E


class Limits(msgspec.Struct, frozen=True):
    """Seconds that an engine of a stage is given."""

    first_s: float  # to its first output, when nobody else can be asked
    switch_s: float  # when somebody can
    next_s: float  # from one output to the next


async def each_within(
    stream: AsyncGenerator[T, None], first_s: float, next_s: float, stage: str, provider: str
) -> AsyncGenerator[T]:
    """The stream, with a deadline on the wait for every item; it is closed with this one. Raises StageTimeout."""
    seconds, watchdog = first_s, Watchdog()
    try:
        async with aclosing(stream):
            while (item := await watchdog.within(seconds, anext(stream, None))) is not None:
                yield item
                seconds = next_s
    except TimeoutError as error:
        raise StageTimeout(f"nothing came within {seconds:g} s", stage=stage, provider=provider) from error
    finally:
        watchdog.close()


class Chain(Generic[E]):
    """One call's engines of a stage, in order. An only engine that fails, but not by a stall, is asked once again."""

    def __init__(self, stage: str, engines: Sequence[Named[E]], limits: Limits, report: Report) -> None:
        self._stage = stage
        self._order = engines if len(engines) > 1 else [*engines, *engines]
        self._limits = limits
        self._report = report

    async def stream(
        self, ask: Callable[[E], AsyncGenerator[T, None]], is_output: Callable[[T], bool], *, may_be_empty: bool
    ) -> AsyncGenerator[T]:
        """What the first engine gives that gives anything. Nobody takes over from one that has begun."""
        for place, named in enumerate(self._order):
            begun = False
            following = self._order[place + 1] if place + 1 < len(self._order) else None
            first_s = self._limits.first_s if following in (None, named) else self._limits.switch_s
            inner = each_within(ask(named.engine), first_s, self._limits.next_s, self._stage, named.name)
            try:
                async with aclosing(inner) as items:
                    async for item in items:
                        begun = begun or is_output(item)
                        yield item
                if not begun and not may_be_empty:
                    raise StageError("gave nothing", stage=self._stage, provider=named.name)
                return
            except StageError as error:
                hopeless = following is named and (isinstance(error, StageTimeout) or error.remedy is not Remedy.RETRY)
                to = "" if begun or hopeless or following is None else following.name
                self._report(Switched(self._stage, named.name, to, error.message))
                error.reported = True
                if not to:
                    raise
