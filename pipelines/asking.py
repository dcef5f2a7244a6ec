"""Who is asked next for one request: after a failure, beside an engine that is slow, once more.

It reads no answer: that is `Chain`, which tells it how each attempt goes.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Generic, TypeVar

from pipelines.errors import Remedy, StageError, StageTimeout
from pipelines.news import Hedged, Reason, Switched
from pipelines.request import Attempt, Outcome, Request, in_turn
from pipelines.rival import Rival
from pipelines.roster import Named, Roster
from pipelines.watchdog import Watchdog

T = TypeVar("T")
E = TypeVar("E")

QUICK_S = 0.5  # a failure that comes sooner leaves time to ask the same engine again


class Race(Generic[E, T]):
    """An engine that is slow, and the one that was asked beside it."""

    __slots__ = ("attempt", "head", "rival")

    def __init__(self, head: Named[E], attempt: Attempt[E, T], rival: Rival[T]) -> None:
        self.head = head
        self.attempt = attempt
        self.rival = rival


class Asking(Generic[E, T]):
    """One request's."""

    def __init__(self, roster: Roster[E], request: Request[E, T], first: Named[E] | None) -> None:
        self.watchdog = Watchdog()
        self._roster = roster
        self._request = request
        self._now = asyncio.get_running_loop().time
        self._order = roster.in_order(first)
        self._tried: list[Named[E]] = []
        self._again: list[Named[E]] = []  # who was given a second chance
        self._chosen: Named[E] | None = None  # to be asked next
        self._current: Attempt[E, T] | None = None
        self._race: Race[E, T] | None = None
        self._won: Race[E, T] | None = None  # its rival goes on
        self._rivals: list[Rival[T]] = []
        self._timer: asyncio.TimerHandle | None = None

    # --- asking -------------------------------------------------------------------------------------

    def next(self) -> Attempt[E, T]:
        """The first to ask, or whoever was found by `lost` or `failed`."""
        if self._won is not None:
            attempt, rival = self._won.attempt, self._won.rival
            attempt.stream, self._won = rival.items(), None
        else:
            attempt = self._attempt(self._chosen or self._first())
        self._current = attempt
        hedge_s = attempt.named.hedge_s
        hedge_s = self._roster.limits.hedge_s if hedge_s is None else hedge_s
        if hedge_s and self._untried():
            self._timer = asyncio.get_running_loop().call_later(hedge_s, self._hedge)
        return attempt

    def first_s(self) -> float:
        limits = self._roster.limits
        return limits.first_s if self._alone() else limits.switch_s

    def next_s(self) -> float:
        limits = self._roster.limits
        return limits.next_s if self._alone() else min(limits.next_s, limits.switch_s)

    def _alone(self) -> bool:
        return self._race is None and self._follower() is None

    def _untried(self) -> list[Named[E]]:
        return [named for named in self._order if named not in self._tried]

    def _follower(self) -> Named[E] | None:
        """Who can be asked besides."""
        return self._roster.pick(self._untried(), self._now())

    def _first(self) -> Named[E]:
        now_s = self._now()
        if (chosen := self._roster.pick(self._order, now_s)) is None:
            last = self._roster.last_resort(self._order, now_s)
            assert last is not None, "there is an engine"
            return last
        for named in self._order:
            if named is chosen:
                break
            self._roster.passed_over(named, chosen, now_s)
        return chosen

    def _attempt(self, named: Named[E]) -> Attempt[E, T]:
        if named not in self._tried:
            self._tried.append(named)
        attempt = Attempt(named, self._request.ask(named), self._now())
        wait_s = named.health.promised_s(attempt.asked_s)
        if named.health.limited or 0.0 < wait_s <= self._roster.limits.switch_s:
            attempt.stream = in_turn(attempt, attempt.stream, wait_s)
        return attempt

    # --- beside a slow one --------------------------------------------------------------------------

    def _hedge(self) -> None:
        """The one that was asked has given nothing in its time: ask the next one as well."""
        self._timer = None
        if (named := self._follower()) is not None and self._current is not None:
            attempt: Attempt[E, T] = self._attempt(named)
            ready, failed = partial(self._ready, attempt), partial(self._rival_failed, attempt)
            rival = Rival(attempt.stream, self._request.is_output, ready, failed)
            self._rivals.append(rival)
            self._race = Race(self._current.named, attempt, rival)

    def _ready(self, attempt: Attempt[E, T]) -> None:
        if self._race is not None and self._race.attempt is attempt:
            self.watchdog.bark()

    def _rival_failed(self, attempt: Attempt[E, T], error: StageError | None) -> None:
        race = self._race
        if race is None or race.attempt is not attempt:
            return
        if error is None and self._request.may_be_empty:
            race.rival.ready = True
            self.watchdog.bark()
            return
        error = error or self._empty(attempt)
        self._race_over("")
        self._over(attempt, Outcome.FAILED)
        self._blame(attempt, error)
        self._hedge()
        self._tell(attempt, error, self._race.attempt.named if self._race else race.head)

    def _race_over(self, winner: str) -> Race[E, T] | None:
        race, self._race = self._race, None
        if race is not None:
            self._roster.report(Hedged(self._roster.stage, race.head.name, race.attempt.named.name, winner))
        return race

    async def _drop_rival(self, winner: str) -> None:
        if (race := self._race_over(winner)) is not None:
            self._over(race.attempt, Outcome.LOST)
            await race.rival.close()

    # --- how an attempt goes ------------------------------------------------------------------------

    async def begins(self, attempt: Attempt[E, T]) -> None:
        """It gave the first output."""
        attempt.begun = True
        self._stop_timer()
        if self._race is not None:
            await self._drop_rival(attempt.named.name)

    async def ends_empty(self, attempt: Attempt[E, T]) -> None:
        """It ended without output. Raises StageError when that is no answer."""
        if not self._request.may_be_empty:
            raise self._empty(attempt)
        await self.begins(attempt)

    def finished(self, attempt: Attempt[E, T]) -> None:
        attempt.named.health.worked(self._now())
        self._over(attempt, Outcome.FINISHED)

    def lost(self, attempt: Attempt[E, T]) -> bool:
        """Its wait was ended: was that because the one asked beside it has something?"""
        if self._race is None or not self._race.rival.ready:
            return False
        winner = self._race.attempt.named.name
        self._won = self._race_over(winner)
        self._over(attempt, Outcome.LOST)
        if not attempt.waiting:
            slow = StageTimeout(f"{winner} was faster", stage=self._roster.stage, provider=attempt.named.name)
            seconds = attempt.named.health.lost(attempt.asked_s, self._now())
            self._roster.benched(attempt.named, seconds, slow)
        return True

    def failed(self, attempt: Attempt[E, T], error: StageError) -> bool:
        """Is anything left to be answered? Raises the error when nobody can."""
        self._over(attempt, Outcome.FAILED)
        to: Named[E] | None = None
        if error.remedy is not Remedy.STOP:
            to = self._after(attempt, error)
        self._tell(attempt, error, to)
        if self._request.complete:
            return False
        if to is None:
            raise error
        return True

    def _after(self, attempt: Attempt[E, T], error: StageError) -> Named[E] | None:
        """Who goes on after a failure; the engine is blamed for it unless it is given a second chance at once."""
        again = self._race is None and self._deserves_another(attempt, error)
        if not again or error.retry_after_s is not None:
            self._blame(attempt, error)
        if self._race is not None:
            self._won = self._race_over(self._race.attempt.named.name)
            return self._won.attempt.named if self._won else None
        if again:
            self._again.append(attempt.named)
            self._chosen = attempt.named
        else:
            self._chosen = self._follower() or self._roster.last_resort(self._untried(), self._now())
        return self._chosen

    async def close(self) -> None:
        """Nothing of it runs any more when this returns."""
        self._stop_timer()
        self.watchdog.close()
        if (attempt := self._current) is not None:
            if attempt.begun:
                attempt.named.health.worked(self._now())
            self._over(attempt, Outcome.CLOSED)
        await self._drop_rival("")
        for rival in self._rivals:
            await rival.close()

    def _deserves_another(self, attempt: Attempt[E, T], error: StageError) -> bool:
        """Is the same engine asked once more? When it failed quickly, before it gave anything; and when nobody else can
        be asked, unless it stalled."""
        if attempt.named in self._again or isinstance(error, StageTimeout):
            return False
        if error.retry_after_s is not None:
            return self._follower() is None and error.retry_after_s <= self._roster.limits.switch_s
        if error.remedy is not Remedy.RETRY:
            return False
        quick = self._now() - attempt.asked_s <= QUICK_S and not attempt.begun
        return quick or self._follower() is None

    def _blame(self, attempt: Attempt[E, T], error: StageError) -> None:
        if not attempt.waiting and error.remedy is not Remedy.STOP:
            seconds = attempt.named.health.failed(error, attempt.asked_s, self._now())
            self._roster.benched(attempt.named, seconds, error)

    def _tell(self, attempt: Attempt[E, T], error: StageError, to: Named[E] | None) -> None:
        name, reason = to.name if to else "", Reason.BUSY if attempt.waiting else Reason.of(error)
        self._roster.report(
            Switched(self._roster.stage, attempt.named.name, name, error.message, reason, attempt.begun)
        )
        error.reported = True

    def _over(self, attempt: Attempt[E, T], outcome: Outcome) -> None:
        if attempt is self._current:
            self._current = None
            self._stop_timer()
        if attempt.tries:
            attempt.named.health.settled()
        if outcome is Outcome.LOST:
            self._tried.remove(attempt.named)  # who was only slower can be asked when the winner breaks off
        self._request.ended(attempt.named, outcome)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _empty(self, attempt: Attempt[E, T]) -> StageError:
        return StageError("gave nothing", stage=self._roster.stage, provider=attempt.named.name)
