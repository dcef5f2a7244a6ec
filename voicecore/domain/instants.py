"""UTC instants and what clients write for them. Everything inside the house is an aware UTC datetime."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
