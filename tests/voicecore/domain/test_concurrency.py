"""How many calls ran at the same time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from voicecore.domain.concurrency import Grain, Stretch, peaks

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stretch(first_s: float, last_s: float | None, owner: str = "one") -> Stretch:
    ends = None if last_s is None else NOON + timedelta(seconds=last_s)
    return Stretch(owner, NOON + timedelta(seconds=first_s), ends)


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ([], {}),
        ([stretch(0, 60)], {0: 1}),
        ([stretch(0, 61)], {0: 1, 1: 1}),
        ([stretch(10, 20), stretch(20, 30)], {0: 1}),  # one after the other
        ([stretch(10, 21), stretch(20, 30)], {0: 2}),
        ([stretch(0, 240), stretch(70, 80), stretch(75, 130)], {0: 1, 1: 3, 2: 2, 3: 1}),
        ([stretch(-500, 30)], {0: 1}),
        ([stretch(3570, None)], {59: 1}),
        ([stretch(30, 30)], {}),
        ([stretch(3600, 3700), stretch(-20, 0)], {}),
    ],
)
def test_the_most_at_once_in_each_minute(stretches: list[Stretch], expected: dict[int, int]) -> None:
    found = peaks(stretches, NOON, NOON + HOUR).get("one", {})
    assert {(minute - NOON) // timedelta(minutes=1): peak for minute, peak in found.items()} == expected


def test_organizations_are_counted_apart() -> None:
    found = peaks([stretch(0, 30), stretch(0, 30, "two"), stretch(5, 20, "two")], NOON, NOON + HOUR)
    assert {owner: max(its.values()) for owner, its in found.items()} == {"one": 1, "two": 2}


def test_where_a_grain_begins() -> None:
    at = datetime(2026, 1, 20, 23, 59, 59, 999, tzinfo=UTC)
    assert Grain.MINUTE.begin(at) == datetime(2026, 1, 20, 23, 59, tzinfo=UTC)
    assert Grain.HOUR.begin(at) == datetime(2026, 1, 20, 23, tzinfo=UTC)
    assert Grain.DAY.begin(at) == datetime(2026, 1, 20, tzinfo=UTC)
