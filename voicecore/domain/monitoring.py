"""Figures of an organization: now, today, and over time. Seconds and fractions."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Live(msgspec.Struct, frozen=True):
    """Calls that run, and calls that are to be made."""

    active: int
    queued: int


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """What began between `start` and the next bucket's start. Only ended calls count."""

    start: datetime
    calls: int = 0
    succeeded: int = 0
    duration_s: float = 0.0
    appointments: int = 0
    revenue: float = 0.0  # the price of those that were neither cancelled nor missed

    @property
    def success_rate(self) -> float:
        return self.succeeded / self.calls if self.calls else 0.0

    @property
    def average_duration_s(self) -> float:
        return self.duration_s / self.calls if self.calls else 0.0

    def __add__(self, other: Bucket) -> Bucket:
        return Bucket(
            start=self.start,
            calls=self.calls + other.calls,
            succeeded=self.succeeded + other.succeeded,
            duration_s=self.duration_s + other.duration_s,
            appointments=self.appointments + other.appointments,
            revenue=self.revenue + other.revenue,
        )
