"""Lists of engines for one request: races, second chances, benches, turns, and answers that are gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines.chain import Chain
from pipelines.errors import KeyRefused, Remedy, StageError, StageTimeout
from pipelines.health import Health
from pipelines.news import Benched, Hedged, News, Reason, Switched
from pipelines.request import Outcome
from pipelines.roster import Limits, Named

LIMITS = Limits(first_s=6.0, switch_s=2.0, next_s=5.0, hedge_s=1.0)
WHOLE = "abcdef"


class Plan(msgspec.Struct, frozen=True):
    """How an engine answers: so many letters of what it is asked for, `each_ms` apart, and then."""

    gives: int = 99
    then: str = "ends"
    first_ms: float = 50.0
    each_ms: float = 10.0


class Letters:
    """An engine that gives the rest of the alphabet's first six letters, and counts its open answers."""

    def __init__(self, *plans: Plan, closes_ms: float = 0.0) -> None:
        self.plans = list(plans) or [Plan()]  # one a request, the last one again and again
        self.closes_ms = closes_ms
        self.asked = self.open = 0
        self.asked_at: list[float] = []

    async def answer(self, rest: str) -> AsyncGenerator[str, None]:
        plan = self.plans[min(self.asked, len(self.plans) - 1)]
        self.asked += 1
        self.asked_at.append(virtual_loop().time())
        self.open += 1
        try:
            await pass_ms(plan.first_ms)
            for letter in rest[: plan.gives]:
                yield letter
                await pass_ms(plan.each_ms)
            self._end(plan.then)
            if plan.then == "hangs":
                await asyncio.get_running_loop().create_future()
        finally:
            self.open -= 1

    def _end(self, then: str) -> None:
        if then == "key":
            raise KeyRefused("who are you?", stage="any", provider="x", remedy=Remedy.SWITCH)
        if then.startswith("later"):
            raise StageError("later", stage="any", provider="x", remedy=Remedy.SWITCH, retry_after_s=float(then[5:]))
        if then in ("retry", "switch", "stop"):
            raise StageError(f"broke: {then}", stage="any", provider="x", remedy=Remedy(then))


class Question:
    """A `Request` for the letters that are missing."""

    may_be_empty = False

    def __init__(self) -> None:
        self.taken = ""
        self.asks = 0
        self.outcomes: list[tuple[str, Outcome]] = []

    @property
    def complete(self) -> bool:
        return self.taken == WHOLE

    def ask(self, named: Named[Letters]) -> AsyncGenerator[str, None]:
        self.asks += 1
        return named.engine.answer(WHOLE[len(self.taken) :])

    def is_output(self, item: str) -> bool:
        return True

    def took(self, item: str) -> None:
        self.taken += item

    def ended(self, named: Named[Letters], outcome: Outcome) -> None:
        self.outcomes.append((named.name, outcome))


class Play:
    """A chain over engines called a, b, c …"""

    def __init__(self, *engines: Letters, hedge_s: float | None = None, most_at_once: int = 0) -> None:
        self.engines = engines
        self.names = [
            Named("abc"[i], engine, Health(most_at_once, lambda: 0.0), hedge_s) for i, engine in enumerate(engines)
        ]
        self.news: list[News] = []
        self.question = Question()
        self.took_s = 0.0

    def chain(self) -> Chain[Letters]:
        return Chain("llm", self.names, LIMITS, self.news.append)

    async def ask(self) -> str:
        began, self.question = virtual_loop().time(), Question()
        try:
            async with aclosing(self.chain().stream(self.question)) as letters:
                return "".join([letter async for letter in letters])
        finally:
            self.took_s = virtual_loop().time() - began
            self.check()

    def check(self) -> None:
        """True after every request."""
        assert [engine.open for engine in self.engines] == [0] * len(self.engines)
        assert len(self.question.outcomes) == self.question.asks
        for named in self.names:
            assert not named.health.busy
            assert not named.health.benched(virtual_loop().time() + 1000.0), "nobody is trying it any more"

    def switched(self) -> list[tuple[str, str, str]]:
        return [(n.provider, n.to, n.reason.value) for n in self.news if isinstance(n, Switched)]

    def races(self) -> list[tuple[str, str, str]]:
        return [(n.provider, n.to, n.winner) for n in self.news if isinstance(n, Hedged)]

    def benches(self) -> list[tuple[str, float]]:
        return [(n.provider, n.seconds) for n in self.news if isinstance(n, Benched)]


# --- races ----------------------------------------------------------------------------------------


@in_virtual_time
async def test_who_answers_in_time_races_with_nobody() -> None:
    play = Play(Letters(Plan(first_ms=990)), Letters())
    assert await play.ask() == WHOLE
    assert play.engines[1].asked == 0
    assert play.news == []
    assert play.question.outcomes == [("a", Outcome.FINISHED)]


@in_virtual_time
async def test_the_faster_of_two_is_heard_and_the_other_one_is_closed() -> None:
    play = Play(Letters(Plan(first_ms=1500)), Letters(Plan(first_ms=200)))
    assert await play.ask() == WHOLE
    assert play.took_s == pytest.approx(1.0 + 0.2 + 0.06)
    assert play.races() == [("a", "b", "b")]
    assert play.question.outcomes == [("a", Outcome.LOST), ("b", Outcome.FINISHED)]
    assert play.switched() == play.benches() == [], "once, that happens"


@in_virtual_time
async def test_who_was_asked_first_may_still_win() -> None:
    play = Play(Letters(Plan(first_ms=1100)), Letters(Plan(first_ms=500)))
    assert await play.ask() == WHOLE
    assert play.races() == [("a", "b", "a")]
    assert play.question.outcomes == [("b", Outcome.LOST), ("a", Outcome.FINISHED)]


@in_virtual_time
async def test_who_always_loses_is_left_alone() -> None:
    play = Play(Letters(Plan(first_ms=60_000)), Letters())
    for _ in range(3):
        assert await play.ask() == WHOLE
    assert play.engines[0].asked == 2
    assert play.benches() == [("a", 1.0)]
    assert play.switched() == [("a", "b", "benched")]
    assert play.took_s < 0.2


@in_virtual_time
async def test_no_race_where_it_is_switched_off_and_each_has_a_time_of_its_own() -> None:
    play = Play(Letters(Plan(first_ms=1900)), Letters(), hedge_s=0.0)
    assert await play.ask() == WHOLE
    assert play.races() == []
    play = Play(Letters(Plan(first_ms=1900)), Letters(), hedge_s=0.2)
    assert await play.ask() == WHOLE
    assert play.took_s == pytest.approx(0.2 + 0.05 + 0.06)


@in_virtual_time
async def test_a_third_one_is_asked_when_the_second_fails_in_the_race() -> None:
    play = Play(Letters(Plan(then="hangs", gives=0)), Letters(Plan(gives=0, then="switch")), Letters())
    assert await play.ask() == WHOLE
    assert play.took_s == pytest.approx(1.0 + 0.05 + 0.05 + 0.06)
    assert play.switched() == [("b", "c", "refused")]
    assert play.races() == [("a", "b", ""), ("a", "c", "c")]


@in_virtual_time
async def test_a_third_one_is_asked_when_two_are_slow() -> None:
    play = Play(Letters(Plan(first_ms=9000)), Letters(Plan(first_ms=9000)), Letters())
    assert await play.ask() == WHOLE
    assert play.took_s == pytest.approx(LIMITS.switch_s + 1.0 + 0.05 + 0.06)
    assert play.switched() == [("a", "b", "timeout")]


@in_virtual_time
async def test_a_failure_during_a_race_leaves_the_rival() -> None:
    play = Play(Letters(Plan(first_ms=1100, gives=0, then="retry")), Letters(Plan(first_ms=400)))
    assert await play.ask() == WHOLE
    assert play.took_s == pytest.approx(1.4 + 0.06)
    assert play.switched() == [("a", "b", "error")]
    assert play.races() == [("a", "b", "b")]


@in_virtual_time
async def test_closing_in_the_middle_of_a_race_closes_both_at_once() -> None:
    play = Play(Letters(Plan(then="hangs", gives=0)), Letters(Plan(then="hangs", gives=0)))
    asking = asyncio.ensure_future(play.ask())
    await pass_ms(1500)
    assert [engine.open for engine in play.engines] == [1, 1]
    began = virtual_loop().time()
    asking.cancel()
    await asyncio.wait([asking])
    assert virtual_loop().time() == began
    play.check()
    assert play.races() == [("a", "b", "")]
    assert {outcome for _, outcome in play.question.outcomes} == {Outcome.CLOSED, Outcome.LOST}
    assert play.benches() == []


@in_virtual_time
async def test_a_loser_is_asked_when_the_winner_breaks_off() -> None:
    play = Play(Letters(Plan(first_ms=1500), Plan()), Letters(Plan(gives=2, then="switch")))
    assert await play.ask() == WHOLE
    assert play.races() == [("a", "b", "b")]
    assert play.switched() == [("b", "a", "refused")]
    play = Play(Letters(Plan(first_ms=1100, gives=2, then="switch")), Letters(Plan(first_ms=900)))
    assert await play.ask() == WHOLE
    assert play.races() == [("a", "b", "a")]
    assert play.switched() == [("a", "b", "refused")]


# --- second chances -------------------------------------------------------------------------------


@in_virtual_time
async def test_a_quick_failure_is_forgiven_once() -> None:
    play = Play(Letters(Plan(gives=0, then="retry"), Plan()), Letters())
    assert await play.ask() == WHOLE
    assert play.switched() == [("a", "a", "error")]
    assert play.benches() == []
    assert play.engines[1].asked == 0


@in_virtual_time
async def test_a_late_one_is_not() -> None:
    play = Play(Letters(Plan(gives=0, then="retry", first_ms=600), Plan()), Letters())
    assert await play.ask() == WHOLE
    assert play.switched() == [("a", "b", "error")]
    assert play.benches() == [("a", 1.0)]


@in_virtual_time
async def test_who_cannot_is_not_asked_again_and_a_wrong_request_is_nobodys() -> None:
    play = Play(Letters(Plan(gives=0, then="switch")), Letters())
    assert await play.ask() == WHOLE
    assert play.engines[0].asked == 1
    play = Play(Letters(Plan(gives=0, then="stop")), Letters())
    with pytest.raises(StageError, match="stop") as caught:
        await play.ask()
    assert caught.value.reported
    assert play.engines[1].asked == 0
    assert play.switched() == [("a", "", "invalid")]
    assert play.benches() == [], "it is not the engine's fault"


# --- benches --------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_bench_is_shared_by_all_calls_told_once_a_call_and_ends() -> None:
    play = Play(Letters(Plan(gives=0, then="switch"), Plan()), Letters())
    assert await play.ask() == WHOLE
    chain = play.chain()  # another call
    for _ in range(2):
        assert "".join([letter async for letter in chain.stream(Question())]) == WHOLE
    assert play.engines[0].asked == 1
    assert play.switched() == [("a", "b", "refused"), ("a", "b", "benched")]
    await pass_ms(1000)
    assert "".join([letter async for letter in chain.stream(Question())]) == WHOLE
    assert play.engines[0].asked == 2
    assert len(play.news) == 3


@in_virtual_time
async def test_after_the_bench_one_request_tries_and_the_others_do_not_wait_for_it() -> None:
    play = Play(Letters(Plan(gives=0, then="switch"), Plan(first_ms=900)), Letters())
    await play.ask()
    await pass_ms(1500)
    tries = [asyncio.ensure_future(_all(play.chain())) for _ in range(5)]
    answers = await asyncio.gather(*tries)
    assert answers == [WHOLE] * 5
    assert play.engines[0].asked == 2
    assert play.engines[1].asked == 1 + 4


async def _all(chain: Chain[Letters]) -> str:
    return "".join([letter async for letter in chain.stream(Question())])


@in_virtual_time
async def test_what_retry_after_says_is_kept_to() -> None:
    play = Play(Letters(Plan(gives=0, then="later3"), Plan()), Letters())
    for _ in range(20):
        assert await play.ask() == WHOLE
        await pass_ms(200)
    first, second = play.engines[0].asked_at[:2]
    assert second - first >= 3.05
    assert play.benches() == [("a", 3.0)]
    assert play.switched()[0] == ("a", "b", "rate_limited")


@in_virtual_time
async def test_an_only_engine_that_says_when_is_waited_for() -> None:
    play = Play(Letters(Plan(gives=0, then="later1.5"), Plan()))
    assert await play.ask() == WHOLE
    first, second = play.engines[0].asked_at
    assert second - first == pytest.approx(1.55)
    play = Play(Letters(Plan(gives=0, then="later30"), Plan()))
    with pytest.raises(StageError):
        await play.ask()
    assert await play.ask() == WHOLE, "all are benched: it is asked anyway"


@in_virtual_time
async def test_when_all_are_benched_the_one_that_returns_first_is_asked() -> None:
    play = Play(Letters(Plan(gives=0, then="later40"), Plan()), Letters(Plan(gives=0, then="later20"), Plan()))
    with pytest.raises(StageError):
        await play.ask()
    assert await play.ask() == WHOLE
    assert [engine.asked for engine in play.engines] == [1, 2]


@in_virtual_time
async def test_a_refused_key_is_logged_once() -> None:
    play = Play(Letters(Plan(gives=0, then="key")), Letters())
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert await play.ask() == WHOLE
            await pass_ms(400_000)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("engine_key_refused", "error")]
    assert play.benches() == [("a", 300.0)] * 3


# --- so many at once ------------------------------------------------------------------------------


@in_virtual_time
async def test_beyond_its_limit_the_next_engine_is_asked() -> None:
    play = Play(Letters(Plan(each_ms=100)), Letters(Plan(each_ms=100)), most_at_once=2)
    tries = [asyncio.ensure_future(_all(play.chain())) for _ in range(4)]
    assert await asyncio.gather(*tries) == [WHOLE] * 4
    assert [engine.asked for engine in play.engines] == [2, 2]
    assert play.switched() == [("a", "b", "busy")] * 2


@in_virtual_time
async def test_without_another_it_waits_and_is_not_blamed() -> None:
    play = Play(Letters(Plan(each_ms=100)), most_at_once=1)
    tries = [asyncio.ensure_future(_all(play.chain())) for _ in range(3)]
    assert await asyncio.gather(*tries) == [WHOLE] * 3
    assert play.news == []
    first, second, third = play.engines[0].asked_at
    assert second - first == third - second == pytest.approx(0.65)
    play = Play(Letters(Plan(gives=0, then="hangs"), Plan()), most_at_once=1)
    tries = [asyncio.ensure_future(_all(play.chain())) for _ in range(2)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(result) for result in results] == [StageTimeout, StageTimeout]
    assert [n.reason for n in play.news if isinstance(n, Switched)] == [Reason.TIMEOUT, Reason.BUSY]
    assert play.benches() == [("a", 1.0)]


# --- whatever happens -----------------------------------------------------------------------------

PLANS = st.builds(
    Plan,
    gives=st.integers(0, 6),
    then=st.sampled_from(["ends", "retry", "switch", "later1", "hangs", "key"]),
    first_ms=st.sampled_from([1.0, 50.0, 700.0, 1000.0, 1500.0, 5000.0]),
    each_ms=st.sampled_from([1.0, 20.0, 1000.0]),
)
LISTS = st.lists(st.lists(PLANS, min_size=1, max_size=2), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(LISTS, st.integers(0, 2), st.booleans())
def test_whatever_fails_all_is_closed_in_time_and_nothing_is_said_twice(
    plans: list[list[Plan]], most_at_once: int, sound: bool
) -> None:
    @in_virtual_time
    async def ask() -> None:
        engines = [Letters(*each) for each in plans]
        if sound:
            engines[-1] = Letters(Plan())
        play = Play(*engines, most_at_once=most_at_once)
        for _ in range(3):
            try:
                await play.ask()
            except StageError:
                assert not sound
            assert WHOLE.startswith(play.question.taken), "in order, nothing twice"
            assert play.question.taken or not sound
            attempts = 2 * len(plans)
            assert play.took_s <= attempts * (LIMITS.first_s + 6 * LIMITS.next_s)

    ask()


@settings(max_examples=200, deadline=None)
@given(LISTS, st.floats(1.0, 4000.0))
def test_whenever_it_is_cancelled_all_is_closed_at_once(plans: list[list[Plan]], after_ms: float) -> None:
    @in_virtual_time
    async def ask() -> None:
        play = Play(*(Letters(*each) for each in plans))
        asking = asyncio.ensure_future(play.ask())
        await pass_ms(after_ms)
        began = virtual_loop().time()
        asking.cancel()
        await asyncio.wait([asking])
        assert virtual_loop().time() == began
        if not asking.cancelled():
            asking.exception()
        play.check()

    ask()
