"""UTC instants and what clients write for them. Everything inside the house is an aware UTC datetime."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND = timedelta(seconds=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def now() -> datetime:
    return datetime.now(UTC)


def zone(name: str) -> ZoneInfo:
    """The IANA time zone. Raises ValueError for a name that does not exist."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError(f'"{name}" is no IANA time zone') from error


def day_start(day: date, tz: ZoneInfo) -> datetime:
    """Midnight at the beginning of `day` in `tz`, as UTC."""
    return datetime.combine(day, time.min, tz).astimezone(UTC)


def day_after(day: date, tz: ZoneInfo) -> datetime:
    """Where `day` ends and the next one begins."""
    return day_start(day + timedelta(days=1), tz)


def clock(begin: datetime, end: datetime, tz: ZoneInfo) -> list[tuple[datetime, int]]:
    """How far the wall clock is ahead of UTC, in seconds: until when, and how much; the last one to the end and on."""

    def ahead_s(at_s: int) -> int:
        offset = datetime.fromtimestamp(at_s, tz).utcoffset()
        assert offset is not None  # it has a zone
        return int(offset.total_seconds())

    pieces: list[tuple[datetime, int]] = []
    at_s, last_s = int(begin.timestamp()), int(end.timestamp())
    while at_s < last_s:
        low, high = at_s, min(at_s + 86400, last_s)
        at_s = high
        if ahead_s(low) == ahead_s(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if ahead_s(middle) == ahead_s(low) else (low, middle)
        pieces.append((datetime.fromtimestamp(high, UTC), ahead_s(low)))
    return [*pieces, (end, ahead_s(last_s))]


def parse(text: str, tz: ZoneInfo, *, end_of_day: bool = False) -> datetime:
    """ISO 8601 instant or date. A zone left out is `tz`; a bare date is its first instant, or with
    `end_of_day` the first instant of the next day. Raises ValueError."""
    text = text.strip()
    if _DATE.fullmatch(text):
        day = date.fromisoformat(text)
        if not 1900 <= day.year <= 9000:
            raise ValueError("date out of range")
        return day_start(day + timedelta(days=1) if end_of_day else day, tz)
    # A "+" of an offset arrives as a space from clients that do not escape their query strings.
    moment = datetime.fromisoformat(re.sub(r" (\d{2}:?\d{2})$", r"+\1", text) if "T" in text else text)
    if not 1900 <= moment.year <= 9000:
        raise ValueError("date out of range")
    return (moment if moment.tzinfo else moment.replace(tzinfo=tz)).astimezone(UTC)


def parse_end(text: str, tz: ZoneInfo) -> datetime:
    """Where a span ends that includes this day, or this second, as times are shown in whole ones. Raises ValueError."""
    end = parse(text, tz, end_of_day=True)
    return end + SECOND if end == parse(text, tz) else end
