"""How far a customer has come, and how reliable he is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from voicecore.domain.customer_figures import CustomerFigures, RiskLevel, Stage, stage_at, stage_since
from voicecore.domain.trade import change

KNOWN = datetime(2026, 1, 1, tzinfo=UTC)


def visits(*prices: float) -> list[tuple[datetime, float]]:
    return [(KNOWN + timedelta(days=number), price) for number, price in enumerate(prices, 1)]


@pytest.mark.parametrize(
    ("prices", "stage", "day"),
    [
        ((), Stage.LEAD, 0),
        ((0,), Stage.CUSTOMER, 1),
        ((10, 10, 10, 10), Stage.CUSTOMER, 1),
        ((10, 10, 10, 10, 10, 10), Stage.REGULAR, 5),
        ((10, 1990, 10), Stage.VIP, 2),
        ((500, 500, 500, 400, 50, 50), Stage.VIP, 6),
    ],
)
def test_a_stage_begins_with_the_visit_that_leads_into_it(prices: tuple[float, ...], stage: Stage, day: int) -> None:
    found = visits(*prices)
    assert stage_at(len(found), sum(prices)) is stage
    assert stage_since(found, KNOWN) == KNOWN + timedelta(days=day)


@pytest.mark.parametrize(
    ("booked", "missed", "cancelled", "score", "level"),
    [
        (0, 0, 0, 0.0, RiskLevel.LOW),
        (4, 0, 1, 0.125, RiskLevel.LOW),
        (4, 1, 0, 0.25, RiskLevel.MEDIUM),
        (4, 2, 0, 0.5, RiskLevel.HIGH),
        (4, 0, 4, 0.5, RiskLevel.HIGH),
    ],
)
def test_risk(booked: int, missed: int, cancelled: int, score: float, level: RiskLevel) -> None:
    figures = CustomerFigures(appointments=booked, no_shows=missed, cancellations=cancelled)
    assert (figures.risk_score, figures.risk_level) == (score, level)


def test_engagement_and_spending_have_bounds() -> None:
    assert CustomerFigures().average_spend == CustomerFigures().engagement_score == 0.0
    assert CustomerFigures(contacts=99).engagement_score == 1.0
    assert CustomerFigures(appointments=3, value=100).average_spend == pytest.approx(33.33, abs=0.01)


def test_growth_from_nothing() -> None:
    assert (change(0, 0), change(5, 0), change(5, 4), change(0, 4)) == (0.0, 1.0, 0.25, -1.0)
