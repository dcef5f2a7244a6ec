"""Who goes with whom, who goes first, and what is not done at all. The work is held by a gate, in its real thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from pipelines.errors import StageError
from pipelines.whisper.batcher import Batcher, Request


class Work:
    """Answers in capitals, once the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self.begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        self.threads.add(threading.current_thread().name)
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self.gate.wait(10)
        if "bad" in items:
            raise RuntimeError("out of memory")
        return [one.upper() for one in items]


@asynccontextmanager
async def batcher(
    most: int = 4, together: bool = True, most_waiting: int = 8
) -> AsyncIterator[tuple[Batcher[str, str], Work]]:
    work = Work()
    made: Batcher[str, str] = Batcher(
        work, name="test", most=most, together=together, collect_s=0.01, most_waiting=most_waiting
    )
    try:
        yield made, work
    finally:
        work.gate.set()
        await made.close()


async def busy(made: Batcher[str, str], work: Work) -> Request[str, str]:
    """A batch runs and does not end before the gate is opened."""
    work.gate.clear()
    request = made.submit("first", urgent=True)
    await work.begun.wait()
    return request


async def test_an_idle_engine_waits_a_moment_for_company() -> None:
    async with batcher() as (made, work):
        requests = [made.submit(one) for one in "abc"]
        assert await asyncio.gather(*(one.answer for one in requests)) == ["A", "B", "C"]
        assert work.batches == [["a", "b", "c"]]


async def test_an_urgent_request_does_not_wait_for_company_but_takes_along_what_is_there() -> None:
    async with batcher() as (made, work):
        early = made.submit("early")
        await made.submit("now", urgent=True).answer
        assert await early.answer == "EARLY"
        assert work.batches == [["now", "early"]]


async def test_what_comes_while_a_batch_runs_is_the_next_batch() -> None:
    async with batcher() as (made, work):
        await busy(made, work)
        rest = [made.submit(one) for one in "abcde"]
        work.gate.set()
        await asyncio.gather(*(one.answer for one in rest))
        assert work.batches == [["first"], ["a", "b", "c", "d"], ["e"]]
        assert len(work.threads) == 1
        assert threading.current_thread().name not in work.threads


async def test_a_committed_turn_overtakes_the_speculative_ones() -> None:
    async with batcher(most=2) as (made, work):
        await busy(made, work)
        rest = {one: made.submit(one) for one in "abcd"}
        made.hurry(rest["d"])
        work.gate.set()
        await asyncio.gather(*(one.answer for one in rest.values()))
        assert work.batches[1:] == [["d", "a"], ["b", "c"]]


async def test_where_company_costs_time_urgent_requests_go_among_themselves() -> None:
    async with batcher(together=False) as (made, work):
        await busy(made, work)
        rest = {one: made.submit(one) for one in "abcd"}
        made.hurry(rest["b"])
        made.hurry(rest["d"])
        work.gate.set()
        await asyncio.gather(*(one.answer for one in rest.values()))
        assert work.batches[1:] == [["b", "d"], ["a", "c"]]


async def test_what_is_wanted_no_longer_costs_nothing() -> None:
    async with batcher() as (made, work):
        await busy(made, work)
        stale, cancelled, kept = (made.submit(one) for one in ("stale", "cancelled", "kept"))
        made.drop(stale)
        cancelled.answer.cancel()
        work.gate.set()
        assert await kept.answer == "KEPT"
        assert stale.answer.cancelled()
        assert work.batches == [["first"], ["kept"]]
        assert made.dropped == 2


async def test_what_runs_already_is_not_dropped() -> None:
    async with batcher() as (made, work):
        running = await busy(made, work)
        made.drop(running)
        work.gate.set()
        assert await running.answer == "FIRST"


async def test_a_full_queue_refuses_and_room_is_made_by_those_who_gave_up() -> None:
    async with batcher(most_waiting=2) as (made, work):
        await busy(made, work)
        waiting = [made.submit(one) for one in "ab"]
        with pytest.raises(StageError, match="overloaded"):
            made.submit("c")
        made.drop(waiting[0])
        assert made.submit("c").item == "c"


async def test_the_backlog_is_the_age_of_the_oldest_that_is_wanted() -> None:
    async with batcher() as (made, work):
        assert made.backlog_ms == 0
        running = await busy(made, work)
        waiting = made.submit("a")
        running.since -= 2.0
        waiting.since -= 1.0
        assert 2000 <= made.backlog_ms < 3000
        work.gate.set()
        await asyncio.gather(running.answer, waiting.answer)
        assert made.backlog_ms == 0


async def test_a_failure_is_the_answer_to_all_of_its_batch_and_the_next_one_runs() -> None:
    async with batcher() as (made, work):
        await busy(made, work)
        failed = [made.submit(one) for one in ("bad", "b", "c", "d")]
        good = made.submit("good")
        work.gate.set()
        for request in failed:
            with pytest.raises(StageError, match="out of memory"):
                await request.answer
        assert await good.answer == "GOOD"


async def test_closing_fails_what_waits_and_leaves_no_thread() -> None:
    async with batcher() as (made, work):
        await busy(made, work)
        waiting = made.submit("a")
        work.gate.set()
        await made.close()
        with pytest.raises(StageError, match="closes"):
            await waiting.answer
        with pytest.raises(StageError, match="closed"):
            made.submit("b")
        assert not {one.name for one in threading.enumerate()} & work.threads
        assert work.batches == [["first"]]
