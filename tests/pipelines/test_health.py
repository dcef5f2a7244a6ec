"""When an engine that failed is asked again, by whom, and how many may ask at once."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import KeyRefused, Remedy, StageError
from pipelines.health import FIRST_BENCH_S, JITTER, LONGEST_BENCH_S, REFUSED_BENCH_S, Health


def error(retry_after_s: float | None = None) -> StageError:
    return StageError("broken", stage="llm", provider="x", retry_after_s=retry_after_s)


def fail(health: Health, now_s: float, told: StageError | None = None) -> float | None:
    """A request that is asked and fails at once."""
    tries = health.asked()
    seconds = health.failed(told or error(), now_s, now_s)
    if tries:
        health.settled()
    return seconds


def test_who_never_failed_is_always_asked() -> None:
    health = Health()
    assert not health.benched(0.0)
    assert not health.asked()
    health.worked(1.0)
    assert not health.benched(1.0)


def test_each_failure_in_a_row_doubles_the_pause_up_to_a_minute() -> None:
    health, now_s, pauses = Health(random=lambda: 0.0), 100.0, list[float]()
    for _ in range(9):
        pause_s = fail(health, now_s)
        assert pause_s is not None
        pauses.append(pause_s)
        assert health.benched(now_s + pause_s - 0.01)
        now_s += pause_s
        assert not health.benched(now_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_a_success_clears_it() -> None:
    health = Health(random=lambda: 0.0)
    fail(health, 10.0)
    fail(health, 20.0)
    health.worked(20.5)
    assert not health.benched(20.5)
    assert fail(health, 21.0) == FIRST_BENCH_S


def test_when_the_time_is_over_one_request_tries_it() -> None:
    health = Health()
    fail(health, 10.0)
    assert health.benched(10.5)
    assert not health.benched(12.0)
    assert health.asked()
    assert health.benched(12.0), "the others wait for how that goes"
    assert not health.asked()
    health.settled()
    assert not health.benched(12.0)


def test_the_requests_of_one_outage_count_once() -> None:
    health = Health(random=lambda: 0.0)
    assert health.failed(error(), 9.0, 10.0) == FIRST_BENCH_S
    assert [health.failed(error(), 9.5, 10.1) for _ in range(50)] == [None] * 50
    assert not health.benched(11.1)


def test_what_the_engine_said_itself_counts_exactly_and_outlasts_other_answers() -> None:
    health = Health(random=lambda: 1.0)
    assert fail(health, 10.0, error(retry_after_s=2.0)) == 2.0
    health.worked(10.5)
    assert health.benched(11.99)
    assert health.promised_s(11.0) == 1.0
    assert not health.benched(12.0)
    assert health.promised_s(12.0) == 0.0
    health.worked(12.5)
    assert fail(health, 13.0) == FIRST_BENCH_S * (1.0 + JITTER)


def test_a_key_that_is_refused_is_left_alone_for_long() -> None:
    told = KeyRefused("no", stage="llm", provider="x", remedy=Remedy.SWITCH)
    health = Health()
    assert fail(health, 10.0, told) == REFUSED_BENCH_S
    assert health.benched(10.0 + REFUSED_BENCH_S - 1.0)


def test_one_lost_race_is_forgiven_and_a_row_of_them_is_not() -> None:
    health = Health(random=lambda: 0.0)
    assert health.lost(10.0, 11.0) is None
    assert not health.benched(11.0)
    assert health.lost(12.0, 13.0) == FIRST_BENCH_S
    assert health.lost(12.5, 13.1) is None, "begun before"
    health.worked(14.5)
    assert health.lost(15.0, 16.0) is None


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.sampled_from(["fails", "lost", "works", "told"])), max_size=40))
def test_no_pause_without_an_end(steps: list[tuple[float, str]]) -> None:
    """Whatever happened: after the longest pause there is, it is asked again."""
    health, now_s = Health(), 0.0
    for passed_s, what in steps:
        now_s += passed_s
        tries = health.asked()
        if what == "fails":
            health.failed(error(), now_s, now_s)
        elif what == "told":
            health.failed(error(retry_after_s=30.0), now_s, now_s)
        elif what == "lost":
            health.lost(now_s, now_s)
        else:
            health.worked(now_s)
        if tries:
            health.settled()
        assert health.returns_s - now_s <= LONGEST_BENCH_S * (1.0 + JITTER)
    assert not health.benched(now_s + LONGEST_BENCH_S * (1.0 + JITTER))


async def test_only_so_many_at_once() -> None:
    health = Health(most_at_once=2)
    await health.enter()
    assert not health.busy
    await health.enter()
    assert health.busy
    third = asyncio.ensure_future(health.enter())
    await asyncio.sleep(0)
    assert not third.done()
    health.leave()
    await third
    health.leave()
    health.leave()
    assert not health.busy
    unlimited = Health()
    for _ in range(100):
        await unlimited.enter()
    assert not unlimited.busy
