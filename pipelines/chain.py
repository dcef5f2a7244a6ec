"""An ordered list of engines for one request: each has its time; the next one is asked as well when the first is slow,
and instead when it fails, also in the middle of an answer.

It knows no stage's protocol: what a request is, and what is left to answer of it, `Request` says. What it does besides
asking the first engine is reported, never silent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Generic, TypeVar

from pipelines.asking import Asking
from pipelines.errors import StageError, StageTimeout
from pipelines.news import Report
from pipelines.request import Attempt, Request
from pipelines.roster import Limits, Named, Roster

T = TypeVar("T")
E = TypeVar("E")


class Chain(Generic[E]):
    """One call's engines of a stage."""

    def __init__(self, stage: str, engines: Sequence[Named[E]], limits: Limits, report: Report) -> None:
        self._stage = stage
        self._roster = Roster(stage, engines, limits, report)

    async def stream(self, request: Request[E, T], first: Named[E] | None = None) -> AsyncGenerator[T, None]:
        """The answer, from as many engines as it takes; `first` is asked before the others. Raises StageError when not
        all of it could be had."""
        asking: Asking[E, T] = Asking(self._roster, request, first)
        within = asking.watchdog.within
        going_on = True
        try:
            while going_on:
                attempt = asking.next()
                within_s = asking.first_s()
                held: list[T] = []  # what came before the first output: nothing of a loser is used
                try:
                    async with aclosing(attempt.stream) as items:
                        while (item := await within(within_s, anext(items, None))) is not None:
                            if attempt.begun:
                                request.took(item)
                                yield item
                                continue
                            held.append(item)
                            if request.is_output(item):
                                await asking.begins(attempt)
                                within_s = asking.next_s()
                                for item in held:
                                    request.took(item)
                                    yield item
                    if not attempt.begun:
                        await asking.ends_empty(attempt)
                        for item in held:
                            yield item
                    asking.finished(attempt)
                    going_on = False
                except TimeoutError:
                    going_on = asking.lost(attempt) or asking.failed(attempt, self._timeout(attempt, within_s))
                except StageError as error:
                    going_on = asking.failed(attempt, error)
        finally:
            await asking.close()

    def _timeout(self, attempt: Attempt[E, T], within_s: float) -> StageTimeout:
        what = "it was not its turn" if attempt.waiting else "nothing came"
        return StageTimeout(f"{what} within {within_s:g} s", stage=self._stage, provider=attempt.named.name)
