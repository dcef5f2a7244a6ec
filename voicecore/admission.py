"""May another call come in? Decided before anything is allocated, so that those who talk are not disturbed.

Slots, this process's event loop and the engines' backlog are looked at together: a fixed number alone lets
a burst through on a busy machine. Every refusal has a reason, and the reasons are counted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from enum import StrEnum

from config.schema import AdmissionSettings
from pipelines.errors import Overloaded
from voicecore.domain.phone import digits

PROMISE_MS = 10_000.0  # from the webhook's answer to the media connection: a carrier needs about one second


class Refusal(StrEnum):
    """Why a call was not taken. Closed: it is a metric's label."""

    DRAINING = "draining"
    SLOTS = "slots"
    RESERVED = "reserved"  # the last slots are for priority numbers
    QUOTA = "quota"  # its organization has its share already
    LOOP_LAG = "loop_lag"
    ENGINE_BACKLOG = "engine_backlog"
    RAMP = "ramp"  # too many at once: each new call costs more in its first second than later


class Refused(Overloaded):
    """Carries the reason. Raised by `Admission.check`."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Admission:
    """Counts the calls of a process and says no in time. Times are monotonic milliseconds."""

    def __init__(
        self,
        settings: AdmissionSettings,
        *,
        loop_lag_ms: Callable[[], float],
        engine_backlog_ms: Callable[[], float],
        now_ms: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._loop_lag_ms = loop_lag_ms
        self._engine_backlog_ms = engine_backlog_ms
        self._now_ms = now_ms
        self._priority = frozenset(digits(number) for number in settings.priority_numbers)
        self._by_organization: Counter[str] = Counter()
        self._tokens = float(settings.burst_calls)  # of the ramp's bucket
        self._filled_ms = now_ms()
        self._promised: deque[float] = deque()  # when each promise lapses
        self.draining = False
        self.active = 0
        self.refusals: Counter[Refusal] = Counter()

    def check(self, organization_uid: str, *numbers: str) -> None:
        """May a call begin now that needs its line only later? Raises Refused."""
        self.check_quota(organization_uid)
        self._settle()
        self._check(any(digits(number) in self._priority for number in numbers))

    def admit(self, *numbers: str) -> None:
        """Promise a line, which is kept for a while until `enter`. `numbers`: who calls, who is called.

        Raises Refused.
        """
        self._settle()
        try:
            self._check(any(digits(number) in self._priority for number in numbers))
        except Refused as refused:
            self.refusals[refused.reason] += 1
            raise
        self._tokens -= 1.0
        self._promised.append(self._now_ms() + PROMISE_MS)

    def enter(self) -> None:
        """A promised call connected: it holds a slot until `leave`."""
        self.active += 1
        if self._promised:
            self._promised.popleft()

    def leave(self) -> None:
        self.active -= 1

    def check_quota(self, organization_uid: str) -> None:
        """Raises Refused when the organization has its share of calls already."""
        quota = self._settings.calls_per_organization
        if quota and self._by_organization[organization_uid] >= quota:
            self.refusals[Refusal.QUOTA] += 1
            raise Refused(Refusal.QUOTA, f"the organization has {quota} calls in progress already")

    def claim(self, organization_uid: str) -> None:
        """A call is an organization's now. Raises Refused; else `release` it later."""
        self.check_quota(organization_uid)
        self._by_organization[organization_uid] += 1

    def release(self, organization_uid: str) -> None:
        self._by_organization[organization_uid] -= 1
        if not self._by_organization[organization_uid]:
            del self._by_organization[organization_uid]

    def _check(self, priority: bool) -> None:
        settings, taken = self._settings, self.active + len(self._promised)
        if self.draining:
            raise Refused(Refusal.DRAINING, "the server is shutting down")
        if taken >= settings.max_calls:
            raise Refused(Refusal.SLOTS, f"all {settings.max_calls} lines are busy")
        if not priority and taken >= settings.max_calls - settings.reserved_calls:
            raise Refused(Refusal.RESERVED, "the lines that are left are reserved")
        lag_ms = self._loop_lag_ms()
        if lag_ms > settings.max_loop_lag_ms:
            raise Refused(Refusal.LOOP_LAG, f"the event loop is {lag_ms:.0f} ms behind")
        backlog_ms = self._engine_backlog_ms()
        if backlog_ms > settings.max_engine_backlog_ms:
            raise Refused(Refusal.ENGINE_BACKLOG, f"the engines are {backlog_ms:.0f} ms behind")
        if self._tokens < 1.0:
            raise Refused(Refusal.RAMP, "too many calls at once")

    def _settle(self) -> None:
        """Forget promises that were not taken up; fill the ramp's bucket."""
        now_ms = self._now_ms()
        while self._promised and self._promised[0] < now_ms:
            self._promised.popleft()
        rate, most = self._settings.calls_per_second, float(self._settings.burst_calls)
        self._tokens = min(most, self._tokens + (now_ms - self._filled_ms) / 1000.0 * rate)
        self._filled_ms = now_ms
