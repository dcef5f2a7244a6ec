"""German rules for days and times of day, one function a kind; each looks at the tokens from an index on.

Tokens are folded: "nächsten" reads "naechsten".
"""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.brain.moments import (
    AFTERNOON,
    EVENING,
    MORNING,
    ClockMention,
    DayKind,
    DayMention,
    Found,
    Half,
    PartMention,
    Relation,
    SoonestMention,
    Tokens,
    coming_weekday,
    month_day,
)
from pipelines.brain.numbers import number_at
from pipelines.brain.tokens import word_list

WEEKDAYS = word_list("montag dienstag mittwoch donnerstag freitag samstag sonntag")
_WEEKDAY = {w: n for n, w in enumerate(WEEKDAYS)} | {w + "s": n for n, w in enumerate(WEEKDAYS)} | {"sonnabend": 5}
MONTHS = word_list("januar februar maerz april mai juni juli august september oktober november dezember")
_MONTH = {m: n for n, m in enumerate(MONTHS, 1)} | {"jaenner": 1, "juno": 6, "julei": 7}
_RELATIONS = {"nach": Relation.AFTER, "ab": Relation.AFTER, "vor": Relation.BEFORE, "bis": Relation.BEFORE}
_PARTS: dict[str, PartMention] = {
    "vormittag": MORNING,
    "vormittags": MORNING,
    "morgens": MORNING,
    "frueh": MORNING,
    "nachmittag": AFTERNOON,
    "nachmittags": AFTERNOON,
    "abend": EVENING,
    "abends": EVENING,
}
_NEXT_WEEK = ("naechste", "naechster", "kommende", "kommender", "kommenden", "naechsten")


def _at(words: Tokens, index: int) -> str:
    return words[index] if 0 <= index < len(words) else ""


def day_at(words: Tokens, index: int, today: date, bare: bool) -> Found | None:
    """What starts at `index`, if it says a day. `bare`: a day was asked for, so an ordinal alone is one."""
    return _relative(words, index, today) or _weekday(words, index, today) or _day_month(words, index, today, bare)


def _exact(day: date, length: int) -> Found:
    return DayMention(DayKind.EXACT, day), length


def _relative(words: Tokens, index: int, today: date) -> Found | None:
    word = words[index]
    if word == "heute":
        return _exact(today, 1)
    if word == "morgen" and _at(words, index - 1) not in ("am", "guten"):
        return _exact(today + timedelta(days=1), 1)
    if word == "uebermorgen":
        return _exact(today + timedelta(days=2), 1)
    if word in _NEXT_WEEK and _at(words, index + 1) == "woche":
        monday = today + timedelta(days=7 - today.weekday())
        day = _WEEKDAY.get(_at(words, index + 2))
        if day is not None:
            return _exact(monday + timedelta(days=day), 3)
        return DayMention(DayKind.WEEK, monday), 2
    amount = number_at(words, index + 1, "de") if word == "in" else None
    unit = {"tag": 1, "tagen": 1, "woche": 7, "wochen": 7}.get(_at(words, index + 2))
    if amount and unit:
        return _exact(today + timedelta(days=amount.value * unit), 3)
    return None


def _weekday(words: Tokens, index: int, today: date) -> Found | None:
    word, length = words[index], 1
    following = word in ("naechsten", "naechster", "naechste")
    if following or word in ("kommenden", "diesen", "am"):
        word, length = _at(words, index + 1), 2
    day = _WEEKDAY.get(word)
    for ending in ("vormittag", "nachmittag", "abend"):  # "dienstagnachmittag"
        if day is None and word.endswith(ending):
            day = _WEEKDAY.get(word.removesuffix(ending))
    if day is None:
        return None
    if _at(words, index + length) in _NEXT_WEEK and _at(words, index + length + 1) == "woche":
        following, length = True, length + 2
    return DayMention(DayKind.WEEKDAY, coming_weekday(today, day, next_week=following), weekday=day), length


def _day_month(words: Tokens, index: int, today: date, bare: bool) -> Found | None:
    """ "Am vierten Dezember", "der vierte zwölfte", "4. Dezember", "der vierte"."""
    start = index + 1 if words[index] in ("der", "den", "dem", "am") else index
    number = number_at(words, start, "de")
    if number is None or not 1 <= number.value <= 31:
        return None
    at = start + number.length
    month = _MONTH.get(_at(words, at))
    second = number_at(words, at, "de")
    if month is None and number.ordinal and second is not None and second.ordinal and second.value <= 12:
        month = second.value
    if month is not None:
        year = number_at(words, at + 1, "de")
        full = year.value if year and 2000 <= year.value < 2100 else None
        mention = month_day(today, number.value, month, full)
        return (mention, at + 1 + (full is not None) - index) if mention else None
    if not number.ordinal or not (bare or start > index):
        return None
    mention = month_day(today, number.value, None, None)
    return (mention, at - index) if mention else None


def time_at(words: Tokens, index: int, today: date, bare: bool) -> Found | None:
    """What starts at `index`, if it says a time. `bare`: a time was asked for, so a number alone is one."""
    return _part(words, index) or _clock(words, index, bare)


def _part(words: Tokens, index: int) -> Found | None:
    if words[index] in ("schnellstmoeglich", "baldmoeglichst", "fruehestmoeglich", "egal"):
        return SoonestMention(), 1
    if tuple(words[index : index + 3]) == ("so", "bald", "wie") or words[index] == "naechstmoeglichen":
        return SoonestMention(), 3 if words[index] == "so" else 1
    at = index
    while _at(words, at) in ("am", "im", "frueher", "frueh", "spaeter") and _at(words, at + 1):
        at += 1
    if _at(words, at) in _PARTS:
        return _PARTS[words[at]], at + 1 - index
    if _at(words, at) == "morgen" and _at(words, at - 1) == "am":
        return MORNING, at + 1 - index
    for ending in ("vormittag", "nachmittag", "abend"):
        if _at(words, at).endswith(ending):
            return _PARTS[ending], 1
    return None


def _clock(words: Tokens, index: int, bare: bool) -> Found | None:
    at, relation, introduced = index, Relation.AT, False
    while _at(words, at) in ("um", "gegen", "so", "irgendwann", "circa", *_RELATIONS):
        relation = _RELATIONS.get(words[at], relation)
        introduced = introduced or words[at] in ("um", "gegen", *_RELATIONS)
        at += 1
    if _at(words, at) in ("mittag", "mittags"):
        return ClockMention(12, 0, Half.PM, relation), at + 1 - index
    found = _fraction(words, at, relation) or _numeric(words, at, relation, introduced or bare)
    return (found[0], found[1] - index) if found else None


def _fraction(words: Tokens, at: int, relation: Relation) -> tuple[ClockMention, int] | None:
    """ "Halb vier" is 3:30, "Viertel nach drei" 3:15, "drei viertel vier" 3:45, "fünf vor halb vier" 3:25."""
    minutes, end = 0, at
    number = number_at(words, at, "de")
    if _at(words, at) == "dreiviertel" or tuple(words[at : at + 2]) == ("drei", "viertel"):
        return _hour_then(words, at + (1 if words[at] == "dreiviertel" else 2), -15, relation)
    quarter = _at(words, at) == "viertel"
    if (quarter or (number and number.value in (5, 10, 20))) and _at(words, at + 1) in ("vor", "nach"):
        minutes = (15 if quarter else number.value if number else 0) * (1 if words[at + 1] == "nach" else -1)
        end = at + 2
    if _at(words, end) == "halb":
        return _hour_then(words, end + 1, minutes - 30, relation)
    return _hour_then(words, end, minutes, relation) if end > at else None


def _hour_then(words: Tokens, at: int, minutes: int, relation: Relation) -> tuple[ClockMention, int] | None:
    number = number_at(words, at, "de")
    if number is None or not 1 <= number.value <= 23:
        return None
    total = number.value * 60 + minutes
    hour = total // 60 or 12
    end = at + 1 + (_at(words, at + 1) == "uhr")
    return _with_half(words, end, hour, total % 60, relation)


def _numeric(words: Tokens, at: int, relation: Relation, sure: bool) -> tuple[ClockMention, int] | None:
    """ "Fünfzehn Uhr dreißig", "15:30 Uhr", "um drei"."""
    word = _at(words, at)
    if ":" in word or (word.count(".") == 1 and not word.endswith(".") and (sure or _at(words, at + 1) == "uhr")):
        hour, _, minute = word.replace(".", ":").partition(":")
        if hour.isdecimal() and minute.isdecimal() and int(hour) <= 24 and int(minute) < 60:
            return _with_half(words, at + 1 + (_at(words, at + 1) == "uhr"), int(hour), int(minute), relation)
        return None
    number = number_at(words, at, "de")
    if number is None or number.ordinal or number.value > 24:
        return None
    end = at + 1
    if _at(words, end) != "uhr":
        return _with_half(words, end, number.value, 0, relation) if sure else None
    end += 1
    second = number_at(words, end, "de")
    minute_value = second.value if second and not second.ordinal and second.value < 60 else 0
    return _with_half(words, end + (second is not None and minute_value > 0), number.value, minute_value, relation)


def _with_half(words: Tokens, end: int, hour: int, minute: int, relation: Relation) -> tuple[ClockMention, int]:
    part = _PARTS.get(_at(words, end))
    if part is not None:
        return ClockMention(hour, minute, part.half, relation), end + 1
    if tuple(words[end : end + 2]) == ("am", "nachmittag"):
        return ClockMention(hour, minute, Half.PM, relation), end + 2
    return ClockMention(hour, minute, None, relation), end
