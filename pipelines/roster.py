"""The engines that one call may ask for a stage, in order, and what it tells of them.

It asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec
import structlog

from pipelines.errors import KeyRefused, StageError
from pipelines.health import Health
from pipelines.news import Benched, Reason, Report, Switched

log = structlog.get_logger(__name__)

E = TypeVar("E")


class Named(msgspec.Struct, Generic[E], eq=False):
    """An engine, the provider name it was built from, and how it is doing, for all calls. `hedge_s`: its time before
    the next one is asked as well, 0: never, None: as is usual for the stage. `made_of`: a hash of provider and options,
    the same in every process; "" where nobody can say it."""

    name: str
    engine: E
    health: Health = msgspec.field(default_factory=Health)
    hedge_s: float | None = None
    made_of: str = ""


class Limits(msgspec.Struct, frozen=True):
    """Seconds that an engine of a stage is given."""

    first_s: float  # to its first output, when nobody else can be asked
    switch_s: float  # to each output, when somebody can
    next_s: float  # from one output to the next, when nobody can
    hedge_s: float  # to its first output, before somebody is asked as well


class Roster(Generic[E]):
    """One call's engines of a stage."""

    def __init__(self, stage: str, engines: Sequence[Named[E]], limits: Limits, report: Report) -> None:
        self.stage = stage
        self.engines = engines
        self.limits = limits
        self.report = report
        self._passed_over: dict[Named[E], float] = {}  # told already, of a bench that ends then

    def in_order(self, first: Named[E] | None) -> Sequence[Named[E]]:
        """With `first` before the others."""
        if first is None or first is self.engines[0]:
            return self.engines
        return [first, *(named for named in self.engines if named is not first)]

    def pick(self, among: Sequence[Named[E]], now_s: float) -> Named[E] | None:
        """The first that can be asked now."""
        for named in among:
            if not named.health.benched(now_s) and not named.health.busy:
                return named
        return None

    def last_resort(self, among: Sequence[Named[E]], now_s: float) -> Named[E] | None:
        """Who is asked although none can: one that is only busy, else the one that is to be asked again first."""
        at_work = [named for named in among if not named.health.benched(now_s)]
        return at_work[0] if at_work else min(among, key=lambda named: named.health.returns_s, default=None)

    def passed_over(self, named: Named[E], to: Named[E], now_s: float) -> None:
        """Somebody else is asked without this one having been; of a bench, a call tells once."""
        health, reason, error = named.health, Reason.BUSY, "has enough to do"
        if health.benched(now_s):
            if self._passed_over.get(named) == health.returns_s:
                return
            self._passed_over[named] = health.returns_s
            reason, error = Reason.BENCHED, f"left alone for {max(health.returns_s - now_s, 0.0):.1f} s more"
        self.report(Switched(self.stage, named.name, to.name, error, reason))

    def benched(self, named: Named[E], seconds: float | None, error: StageError) -> None:
        """`seconds`: as `Health` says."""
        if seconds is None:
            return
        self.report(Benched(self.stage, named.name, round(seconds, 1), error.message))
        if isinstance(error, KeyRefused) and not named.health.complained:
            named.health.complained = True
            log.error("engine_key_refused", stage=self.stage, provider=named.name, reason=error.message)
