"""Requests of many calls, worked on together in one thread, the most urgent first. It does not know what the work is.

While a batch runs the next one gathers, so it needs no wait; only an idle engine waits a moment for company.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import structlog

from pipelines.errors import StageError

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class Request(Generic[T, R]):
    """One piece of work and its answer."""

    def __init__(self, item: T, since: float) -> None:
        self.item = item
        self.since = since
        self.urgent = False
        self.answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()


class Batcher(Generic[T, R]):
    """Belongs to one event loop. `work` runs in a thread of its own, one batch at a time, and gives every item its
    answer; what it raises is the answer to all of the batch.

    `together`: a batch with urgent requests takes others along. Right where a larger batch takes no longer (a GPU).
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R]],
        *,
        name: str,
        most: int,
        together: bool,
        collect_s: float,
        most_waiting: int,
    ) -> None:
        self._work = work
        self._name = name
        self._most = most
        self._together = together
        self._collect_s = collect_s
        self._most_waiting = most_waiting
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, name)
        self._waiting: list[Request[T, R]] = []
        self._running: list[Request[T, R]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.batches = 0  # run so far
        self.dropped = 0  # requests given up before they cost anything

    @property
    def backlog_ms(self) -> float:
        """Age of the oldest request that is still wanted."""
        ages = [self._loop.time() - one.since for one in self._waiting + self._running if not one.answer.done()]
        return max(ages, default=0.0) * 1000

    @property
    def waiting(self) -> int:
        self._forget_unwanted()
        return len(self._waiting)

    def submit(self, item: T, *, urgent: bool = False) -> Request[T, R]:
        """Raises StageError when too many wait already: an answer would come too late to be of use."""
        if self._closed:
            raise StageError("the engine is closed", stage="stt", provider=self._name)
        if self.waiting >= self._most_waiting:
            raise StageError(f"overloaded: {self._most_waiting} wait already", stage="stt", provider=self._name)
        request: Request[T, R] = Request(item, self._loop.time())
        self._waiting.append(request)
        if urgent:
            self.hurry(request)
        elif not self._running and self._timer is None:
            self._timer = self._loop.call_later(self._collect_s, self._start)
        return request

    def hurry(self, request: Request[T, R]) -> None:
        """Somebody waits for it now: it overtakes those that are asked for on suspicion."""
        request.urgent = True
        if request in self._waiting and not self._running:
            self._start()

    def drop(self, request: Request[T, R]) -> None:
        """Wanted no longer: when its batch has not begun, it costs nothing and `answer` is cancelled."""
        if request in self._waiting:
            request.answer.cancel()

    async def close(self) -> None:
        """What waits fails; what runs ends first."""
        self._closed = True
        self._stop_timer()
        for request in self._waiting + self._running:
            if not request.answer.done():
                request.answer.set_exception(StageError("the engine closes", stage="stt", provider=self._name))
        self._waiting.clear()
        await asyncio.to_thread(self._thread.shutdown)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget_unwanted(self) -> None:
        wanted = [one for one in self._waiting if not one.answer.done()]
        self.dropped += len(self._waiting) - len(wanted)
        self._waiting = wanted

    def _start(self) -> None:
        self._stop_timer()
        self._forget_unwanted()
        if self._running or not self._waiting or self._closed:
            return
        ranked = sorted(self._waiting, key=lambda one: not one.urgent)  # stable: the oldest first among equals
        if ranked[0].urgent and not self._together:
            ranked = [one for one in ranked if one.urgent]
        self._running = ranked[: self._most]
        self._waiting = [one for one in self._waiting if one not in self._running]
        self.batches += 1
        self._thread.submit(self._run, [one.item for one in self._running])

    def _run(self, items: Sequence[T]) -> None:
        """In the thread. A loop that is gone wants no answer."""
        try:
            answers: Sequence[R] | StageError = self._work(items)
        except Exception as error:  # whatever it is: these calls must hear of it, and the next batch must run
            log.exception("a batch failed", engine=self._name, size=len(items))
            answers = StageError(f"the network failed: {error}", stage="stt", provider=self._name)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._done, answers)

    def _done(self, answers: Sequence[R] | StageError) -> None:
        requests, self._running = self._running, []
        for index, request in enumerate(requests):
            if request.answer.done():
                continue
            if isinstance(answers, StageError):
                request.answer.set_exception(answers)
            else:
                request.answer.set_result(answers[index])
        self._start()
