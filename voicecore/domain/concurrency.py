"""How many calls run at the same time: what is counted over a stretch of time, and how finely it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec


class Grain(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self]

    def begin(self, at: datetime) -> datetime:
        """Of the minute, hour or day (UTC) in which `at` is."""
        at = at.astimezone(UTC).replace(second=0, microsecond=0)
        if self is not Grain.MINUTE:
            at = at.replace(minute=0)
        return at.replace(hour=0) if self is Grain.DAY else at


_LENGTHS = {Grain.MINUTE: timedelta(minutes=1), Grain.HOUR: timedelta(hours=1), Grain.DAY: timedelta(days=1)}


class Sample(msgspec.Struct, frozen=True):
    """The most calls at once from `begins_at` on, for as long as its grain says."""

    begins_at: datetime
    peak: int


class Stretch(msgspec.Struct, frozen=True):
    """When a call ran; it still does where it has no end."""

    organization_uid: str
    begins_at: datetime
    ends_at: datetime | None


def peaks(stretches: Iterable[Stretch], first: datetime, before: datetime) -> dict[str, dict[datetime, int]]:
    """By organization and minute, where there was any call at all. Both bounds are beginnings of minutes.

    A call that ends in the instant in which another begins was not at the same time."""
    steps: dict[str, list[tuple[datetime, int]]] = {}
    for one in stretches:
        ends = before if one.ends_at is None else min(one.ends_at, before)
        begins = max(one.begins_at, first)
        if begins < ends:
            steps.setdefault(one.organization_uid, []).extend([(begins, 1), (ends, -1)])
    return {owner: _by_minute(sorted(its)) for owner, its in steps.items()}


def _by_minute(steps: list[tuple[datetime, int]]) -> dict[datetime, int]:
    """`steps` up and down, in order: what goes down at the same instant comes first."""
    found: dict[datetime, int] = {}
    running, since = 0, steps[0][0]
    for at, change in steps:
        if running:
            minute = Grain.MINUTE.begin(since)
            while minute < at:
                found[minute] = max(found.get(minute, 0), running)
                minute += Grain.MINUTE.length
        running, since = running + change, at
    return found
