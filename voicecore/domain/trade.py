"""What a company's calls lead to: appointments, and the money that they bring."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from voicecore.domain.calendar import Span
from voicecore.domain.call_sums import CallTotals


class By(StrEnum):
    """What sums over appointments may be broken down by."""

    BRANCH = "branch"
    SERVICE = "service"
    SOURCE = "source"
    STAFF = "staff"
    STATUS = "status"


class BookedFilter(msgspec.Struct, frozen=True):
    """Booked within `span`; None does not narrow."""

    span: Span | None = None
    business_uid: str | None = None


class Booked(msgspec.Struct, frozen=True):
    """`revenue` is the price of those that were neither cancelled nor missed."""

    count: int = 0
    revenue: float = 0.0


class BookedBy(msgspec.Struct, frozen=True):
    """`seq` is the number of the branch, service or staff member; None for what has none."""

    name: str
    seq: int | None
    count: int
    revenue: float


class Trade(msgspec.Struct, frozen=True):
    """Of one time."""

    calls: CallTotals
    booked: Booked

    @property
    def conversion(self) -> float:
        """Appointments for each call; 0 without calls."""
        return self.booked.count / self.calls.calls if self.calls.calls else 0.0

    @property
    def average_duration_s(self) -> float:
        return self.calls.duration_s / self.calls.calls if self.calls.calls else 0.0

    @property
    def average_value(self) -> float:
        return self.booked.revenue / self.booked.count if self.booked.count else 0.0


def change(now: float, before: float) -> float:
    """By what fraction it grew. From nothing it grows by the whole."""
    if before:
        return (now - before) / before
    return 1.0 if now else 0.0
