"""What is known of a customer from his appointments: what he is worth, how reliable he is, how far he has come.

Nothing of it is stored: it follows from the rows, here and (for filters) in `storage/customer_figures.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

import msgspec

from voicecore.domain.customers import Customer

REGULAR_FROM = 5  # appointments that stood
VIP_FROM = 2000.0  # money; the rule that the portal's document shows
HIGH_FROM, MEDIUM_FROM = 0.5, 0.25  # scores of risk
ENGAGED_WITHIN = timedelta(days=180)
ENGAGED_FROM = 5  # contacts within that time are as much as one can ask for


class Stage(StrEnum):
    LEAD = "lead"  # has called, nothing booked yet
    CUSTOMER = "customer"
    REGULAR = "regular"
    VIP = "vip"


class RiskLevel(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class CustomerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """`appointments` are all, `value` is the price of those that stood, that is were neither cancelled nor missed;
    `first_at` and `last_at` are of those that were not cancelled; `contacts` are calls and bookings lately."""

    appointments: int = 0
    value: float = 0.0
    no_shows: int = 0
    cancellations: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    contacts: int = 0

    @property
    def average_spend(self) -> float:
        return self.value / self.appointments if self.appointments else 0.0

    @property
    def stage(self) -> Stage:
        return stage_at(self.appointments - self.no_shows - self.cancellations, self.value)

    @property
    def risk_score(self) -> float:
        """The share of appointments that came to nothing; one that was cancelled counts half."""
        return (self.no_shows + self.cancellations / 2) / self.appointments if self.appointments else 0.0

    @property
    def risk_level(self) -> RiskLevel:
        if self.risk_score >= HIGH_FROM:
            return RiskLevel.HIGH
        return RiskLevel.MEDIUM if self.risk_score >= MEDIUM_FROM else RiskLevel.LOW

    @property
    def engagement_score(self) -> float:
        return min(1.0, self.contacts / ENGAGED_FROM)


class CustomerCard(msgspec.Struct, frozen=True):
    customer: Customer
    figures: CustomerFigures


class CustomerFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to; None does not narrow. `search`: part of name, e-mail address or number."""

    search: str | None = None
    stage: Stage | None = None
    risk: RiskLevel | None = None
    has_appointments: bool | None = None

    @property
    def by_figures(self) -> bool:
        """Is anything asked that only sums over appointments tell?"""
        return not (self.stage is None and self.risk is None and self.has_appointments is None)


CustomerSort = Literal["name", "created_at", "lifetime_value", "last_appointment"]


def stage_at(stood: int, value: float) -> Stage:
    if value >= VIP_FROM:
        return Stage.VIP
    if stood >= REGULAR_FROM:
        return Stage.REGULAR
    return Stage.CUSTOMER if stood else Stage.LEAD


def stage_since(stood: Iterable[tuple[datetime, float]], known_since: datetime) -> datetime:
    """When the stage was reached: by the appointment (start, price; earliest first) that led into it, else when he
    became known."""
    stage, since, value = Stage.LEAD, known_since, 0.0
    for number, (at, price) in enumerate(stood, 1):
        value += price
        if (reached := stage_at(number, value)) is not stage:
            stage, since = reached, at
    return since
