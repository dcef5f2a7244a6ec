"""English rules for days, one function a kind; each looks at the tokens from an index on."""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.brain.clock_en import time_at
from pipelines.brain.moments import (
    DayKind,
    DayMention,
    Found,
    Tokens,
    coming_weekday,
    month_day,
)
from pipelines.brain.numbers import HOMOPHONES, Number, number_at
from pipelines.brain.tokens import word_list

__all__ = ["MONTHS", "WEEKDAYS", "day_at", "time_at"]

WEEKDAYS = word_list("monday tuesday wednesday thursday friday saturday sunday")
_WEEKDAY = {w: n for n, w in enumerate(WEEKDAYS)} | {w + "s": n for n, w in enumerate(WEEKDAYS)}
_WEEKDAY |= {"tues": 1, "tue": 1, "thurs": 3, "thur": 3, "thu": 3, "fri": 4}
_WEEKDAY |= {"wensday": 2, "wendsday": 2, "thirsty": 3}  # common misspelling and misrecognition
_SHORT_WEEKDAY = {"mon": 0, "wed": 2, "sat": 5, "sun": 6}  # also ordinary words: only after "on", "next" …
MONTHS = word_list("january february march april may june july august september october november december")
_MONTH = {m: n for n, m in enumerate(MONTHS, 1)} | {m[:3]: n for n, m in enumerate(MONTHS, 1) if m[:3] != "mar"}
_MONTH |= {"sept": 9}
_SPOKEN_ONLY_WITH_DAY = {"may", "march", "jan", "dec", "nov", "oct", "jun", "jul", "aug", "apr", "feb", "sep"}
_AMOUNT = {"a": 1, "an": 1, "couple": 2}


def _at(words: Tokens, index: int) -> str:
    return words[index] if 0 <= index < len(words) else ""


# --- days -----------------------------------------------------------------------------------------


def day_at(words: Tokens, index: int, today: date, bare: bool) -> Found | None:
    """What starts at `index`, if it says a day. `bare`: a day was asked for, so an ordinal alone is one."""
    return (
        _relative(words, index, today)
        or _weekday(words, index, today)
        or _month_first(words, index, today)
        or _day_first(words, index, today, bare)
    )


def _exact(day: date, length: int) -> Found:
    return DayMention(DayKind.EXACT, day), length


def _relative(words: Tokens, index: int, today: date) -> Found | None:
    word, rest = words[index], tuple(words[index + 1 : index + 4])
    if word in ("today", "tonight"):
        return _exact(today, 1)
    if word == "tomorrow":
        return _exact(today + timedelta(days=1), 1)
    if (word, *rest) == ("the", "day", "after", "tomorrow") or (word, *rest[:2]) == ("day", "after", "tomorrow"):
        return _exact(today + timedelta(days=2), 4 if word == "the" else 3)
    if word in ("next", "following", "coming", "this") and rest[:1] == ("week",):
        monday = today - timedelta(days=today.weekday()) + timedelta(days=0 if word == "this" else 7)
        day = _WEEKDAY.get(_at(words, index + 2)) if _at(words, index + 2) != "on" else None
        day = _WEEKDAY.get(_at(words, index + 3)) if _at(words, index + 2) == "on" else day
        if day is not None:
            return _exact(monday + timedelta(days=day), 4 if _at(words, index + 2) == "on" else 3)
        return DayMention(DayKind.WEEK, monday), 2
    return _distance(words, index, today)


def _distance(words: Tokens, index: int, today: date) -> Found | None:
    """ "In two weeks", "in a week on tuesday", "a week from tuesday", "three days from now"."""
    start = index + 1 if words[index] == "in" else index
    amount, at = _AMOUNT.get(_at(words, start)), start + 1
    number = number_at(words, start)
    if amount is None and number is not None and not number.ordinal:
        amount, at = number.value, start + number.length
    if amount is None and start > index:
        amount = HOMOPHONES.get(_at(words, start))
    if _at(words, start + 1) == "couple" and _at(words, start) == "a":
        amount, at = 2, start + 2
    if _at(words, at) == "of":
        at += 1
    unit = {"day": 1, "days": 1, "week": 7, "weeks": 7}.get(_at(words, at))
    if amount is None or unit is None or amount > 366:
        return None
    at += 1
    base = today
    if _at(words, at) in ("from", "on") and (day := _WEEKDAY.get(_at(words, at + 1))) is not None:
        if words[at] == "on":  # in two weeks on tuesday: the tuesday of that week
            week = today + timedelta(days=amount * unit)
            return _exact(week + timedelta(days=day - week.weekday()), at + 2 - index)
        return _exact(coming_weekday(today, day) + timedelta(days=amount * unit), at + 2 - index)
    if _at(words, at) == "from" and _at(words, at + 1) in ("today", "now", "tomorrow"):
        base += timedelta(days=1 if words[at + 1] == "tomorrow" else 0)
        return _exact(base + timedelta(days=amount * unit), at + 2 - index)
    return _exact(base + timedelta(days=amount * unit), at - index) if start > index else None


def _weekday(words: Tokens, index: int, today: date) -> Found | None:
    word, length, following = words[index], 1, False
    if word in ("next", "this", "coming", "on"):
        following = word == "next"
        word, length = _at(words, index + 1), 2
        day = _WEEKDAY.get(word, _SHORT_WEEKDAY.get(word))
    else:
        day = _WEEKDAY.get(word)
    if day is None:
        return None
    if tuple(words[index + length : index + length + 2]) in (("next", "week"), ("the", "following")):
        following, length = True, length + 2
    if word == "thirsty" and length == 1:
        return None
    return DayMention(DayKind.WEEKDAY, coming_weekday(today, day, next_week=following), weekday=day), length


def _year(words: Tokens, index: int) -> tuple[int, int] | None:
    first = number_at(words, index)
    if first is None:
        if tuple(words[index : index + 2]) == ("two", "thousand"):
            first = Number(2, 1)
        else:
            return None
    if 2000 <= first.value < 2100:
        return first.value, first.length
    if first.value == 2 and _at(words, index + 1) == "thousand":
        at = index + (3 if _at(words, index + 2) == "and" else 2)
        rest = number_at(words, at)
        return (2000 + rest.value, at + rest.length - index) if rest else (2000, 2)
    second = number_at(words, index + first.length)
    if first.value == 20 and first.length == 1 and second and 20 < second.value < 60 and second.length == 2:
        return 2000 + second.value, 1 + second.length  # "twenty twenty six"
    return None


def _with_year(words: Tokens, index: int, today: date, day: int, month: int, at: int) -> Found | None:
    year = _year(words, at)
    mention = month_day(today, day, month, year[0] if year else None)
    return (mention, at + (year[1] if year else 0) - index) if mention else None


def _month_first(words: Tokens, index: int, today: date) -> Found | None:
    """ "December the fourth", "december fourth twenty twenty six", "dec 4"."""
    month = _MONTH.get(words[index])
    if month is None:
        return None
    at = index + (2 if _at(words, index + 1) == "the" else 1)
    number = number_at(words, at)
    if number is None and words[index] not in _SPOKEN_ONLY_WITH_DAY and _at(words, at) in HOMOPHONES:
        number = Number(HOMOPHONES[words[at]], 1)
    if number is None or not 1 <= number.value <= 31:
        return None
    return _with_year(words, index, today, number.value, month, at + number.length)


def _day_first(words: Tokens, index: int, today: date, bare: bool) -> Found | None:
    """ "The fourth of december", "4th december", "the fourth"."""
    start = index + 1 if words[index] == "the" else index
    number = number_at(words, start)
    if number is None or not 1 <= number.value <= 31:
        return None
    if words[start] == "second" and _at(words, start - 1) in ("one", "a", "just"):
        return None  # "one second, please"
    at = start + number.length
    if _at(words, at) == "of":
        at += 1
    month = _MONTH.get(_at(words, at))
    if month is not None and (words[at] != "may" or number.ordinal):
        return _with_year(words, index, today, number.value, month, at + 1)
    at = start + number.length
    said_as_day = number.ordinal and (start > index or bare)
    if not said_as_day or _at(words, at) in ("one", "option", "appointment", "available", "slot", "time", "thing"):
        return None
    mention = month_day(today, number.value, None, None)
    return (mention, at - index) if mention else None
