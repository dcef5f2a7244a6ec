"""Understands dates and times in a caller's words, relative to now, and says them aloud.

`understand` never returns a day in the past without saying so (`past`), and never guesses between two
days that contradict each other (`conflict`). It refuses to know appointments.

The grammar is our own: general date parsers are slow (milliseconds) and silently wrong on speech.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from types import ModuleType

import msgspec

from pipelines.brain import dates_de, dates_en
from pipelines.brain.moments import (
    AFTERNOON,
    EVENING,
    MORNING,
    ClockMention,
    DayKind,
    DayMention,
    Half,
    Mention,
    PartMention,
    Relation,
    SoonestMention,
    Tokens,
    coming_weekday,
    local,
    month_day,
)
from pipelines.brain.numbers import say_number, say_ordinal
from pipelines.brain.ports import OpeningHours
from pipelines.brain.tokens import tokens

__all__ = ["When", "coming_weekday", "local", "say_date", "say_time", "understand"]

# Without opening hours: a bare hour from seven on is in the morning, an earlier one in the afternoon.
_USUAL_HOURS = (time(7), time(18, 59))
_NEGATIONS = frozenset(("not", "isn't", "nicht", "kein", "statt", "instead"))
_FILLERS = frozenset(("the", "on", "at", "der", "den", "dem", "am", "um", "that", "is", "uh", "um", "and", "of"))


class When(msgspec.Struct, frozen=True):
    """What was said about day and time; None and False where nothing was."""

    day: date | None = None
    clock: time | None = None
    after: time | None = None  # window: not earlier than
    before: time | None = None  # window: not later than
    week: date | None = None  # a whole week, by its Monday
    soonest: bool = False
    past: bool = False  # the day or time lies before now
    conflict: bool = False  # weekday and date do not belong together
    used: frozenset[int] = frozenset()  # indices of the tokens that said it

    @property
    def empty(self) -> bool:
        said = (self.day, self.clock, self.after, self.before, self.week)
        return not (any(s is not None for s in said) or self.soonest or self.conflict or self.past)


class _Said(msgspec.Struct, frozen=True):
    mention: Mention
    start: int
    end: int
    negated: bool


def understand(
    words: Tokens,
    now: datetime,
    *,
    language: str = "en",
    hours: Sequence[OpeningHours] = (),
    bare_day: bool = False,
    bare_time: bool = False,
    offered: Sequence[time] = (),
) -> When:
    """Read the tokens of one utterance (see `tokens`).

    `bare_day` / `bare_time`: that is what was asked for, so a lone "the fourth" / "four" counts.
    `hours` and `offered` decide between four in the morning and four in the afternoon.
    """
    said = _scan(words, now.date(), dates_de if language.startswith("de") else dates_en, bare_day, bare_time, language)
    day, conflict = _resolve_day([s for s in said if isinstance(s.mention, DayMention)], words)
    exact_day = day.day if day and day.kind is not DayKind.WEEK else None
    clock, after, before = _resolve_time(said, exact_day, hours, offered)
    past = bool(day and day.past) or _is_over(exact_day, clock, now)
    return When(
        day=None if conflict else exact_day,
        clock=clock,
        after=after,
        before=before,
        week=day.day if day and day.kind is DayKind.WEEK else None,
        soonest=any(isinstance(s.mention, SoonestMention) for s in said),
        past=past,
        conflict=conflict,
        used=frozenset(i for s in said for i in range(s.start, s.end)),
    )


def _scan(words: Tokens, today: date, rules: ModuleType, bare_day: bool, bare_time: bool, language: str) -> list[_Said]:
    said: list[_Said] = []
    index = 0
    while index < len(words):
        found = (
            _written(words[index], today, language)
            or rules.day_at(words, index, today, bare_day)
            or rules.time_at(words, index, today, bare_time)
        )
        if found is None:
            index += 1
            continue
        mention, length = found
        if isinstance(mention, DayMention) and words[index] == "tonight":
            said.append(_Said(EVENING, index, index + 1, False))
        if isinstance(mention, DayMention) and language.startswith("de"):
            said.extend(_german_part(words[index + length - 1], index, index + length))
        said.append(_Said(mention, index, index + length, index > 0 and words[index - 1] in _NEGATIONS))
        index += length
    return said


def _german_part(word: str, start: int, end: int) -> list[_Said]:
    parts = {"vormittag": MORNING, "nachmittag": AFTERNOON, "abend": EVENING}
    return [_Said(part, start, end, False) for ending, part in parts.items() if word.endswith(ending)]


_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})(?:/(\d{2,4}))?")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{2,4})?")


def _written(word: str, today: date, language: str) -> tuple[Mention, int] | None:
    """2026-12-04; 12/4 (month first in American English, day first elsewhere); 4.12.2026."""
    if not word[0].isdecimal():
        return None
    if match := _ISO.fullmatch(word):
        year, month, day = (int(group) for group in match.groups())
    elif match := _SLASHED.fullmatch(word) or _DOTTED.fullmatch(word):
        first, second, year = int(match[1]), int(match[2]), int(match[3] or 0)
        month_first = "/" in word and language in ("en", "en-US") and first <= 12
        month, day = (first, second) if month_first or second > 12 else (second, first)
        year += 2000 if 0 < year < 100 else 0
    else:
        return None
    mention = month_day(today, day, month, year or None)
    return (mention, 1) if mention else None


def _resolve_day(said: list[_Said], words: Tokens) -> tuple[DayMention | None, bool]:
    """The day that counts: the last one said, unless "or" gives a choice; a weekday beside a date must agree."""
    wanted = [s for s in said if not s.negated]
    if not wanted:
        return None, False
    last = wanted[-1]
    for earlier in reversed(wanted[:-1]):
        between = [w for w in words[earlier.end : last.start] if w not in _FILLERS]
        if between in (["or"], ["oder"]):
            last = earlier
            continue
        if between:
            break
        return _joined(earlier.mention, last.mention)
    assert isinstance(last.mention, DayMention)
    return last.mention, False


def _joined(first: Mention, second: Mention) -> tuple[DayMention, bool]:
    """Two days said in one breath: "Tuesday, December first"; "next week, Tuesday"."""
    assert isinstance(first, DayMention)
    assert isinstance(second, DayMention)
    weekday, other = (first, second) if first.kind is DayKind.WEEKDAY else (second, first)
    if weekday.kind is not DayKind.WEEKDAY or other.kind is DayKind.WEEKDAY:
        return second, False
    if other.kind is DayKind.WEEK and other.day is not None and weekday.weekday is not None:
        return DayMention(DayKind.EXACT, other.day + timedelta(days=weekday.weekday)), False
    if other.day is not None and other.day.weekday() == weekday.weekday:
        return other, False
    return other, True


def _resolve_time(
    said: list[_Said], day: date | None, hours: Sequence[OpeningHours], offered: Sequence[time]
) -> tuple[time | None, time | None, time | None]:
    """(exact time, not before, not after)."""
    clock = after = before = None
    parts = [s.mention for s in said if isinstance(s.mention, PartMention)]
    part = parts[-1] if parts else None
    for item in said:
        mention = item.mention
        if not isinstance(mention, ClockMention) or item.negated:
            continue
        resolved = _choose(mention, part, day, hours, offered)
        if mention.relation is Relation.AFTER:
            after = resolved
        elif mention.relation is Relation.BEFORE:
            before = resolved
        elif after is not None and before is None and resolved > after:
            before = resolved  # "between two and four"
        else:
            clock = resolved
    if clock is None and after is None and before is None and part is not None:
        after, before = part.after, part.before
    return clock, after, before


def _choose(
    mention: ClockMention,
    part: PartMention | None,
    day: date | None,
    hours: Sequence[OpeningHours],
    offered: Sequence[time],
) -> time:
    readings = mention.readings()
    if part is not None and mention.half is None and len(readings) == 2:
        readings = (readings[1 if part.half is Half.PM else 0],)
    if len(readings) == 1:
        return readings[0]
    for candidates in (
        [r for r in readings if r in offered],
        [r for r in readings if _is_open(r, [h for h in hours if day is None or h.weekday == day.weekday()])],
        [r for r in readings if _is_open(r, hours)],
    ):
        if len(candidates) == 1:
            return candidates[0]
    usual = [r for r in readings if _USUAL_HOURS[0] <= r <= _USUAL_HOURS[1]]
    return usual[0] if usual else readings[1]


def _is_open(clock: time, hours: Sequence[OpeningHours]) -> bool:
    return any(h.opens <= clock < h.closes for h in hours)


def _is_over(day: date | None, clock: time | None, now: datetime) -> bool:
    if day is None:
        return False
    return day < now.date() or (day == now.date() and clock is not None and clock <= now.time())


# --- saying ---------------------------------------------------------------------------------------


def say_date(day: date, language: str = "en") -> str:
    """ "Tuesday, December first"; German in the accusative: "Dienstag, den ersten Dezember"."""
    if language.startswith("de"):
        weekday, month = dates_de.WEEKDAYS[day.weekday()], dates_de.MONTHS[day.month - 1].replace("ae", "ä")
        return f"{weekday.title()}, den {say_ordinal(day.day, 'de')} {month.title()}"
    weekday, month = dates_en.WEEKDAYS[day.weekday()], dates_en.MONTHS[day.month - 1]
    return f"{weekday.title()}, {month.title()} {say_ordinal(day.day)}"


def say_weekday(weekday: int, language: str = "en") -> str:
    """0 is Monday."""
    names = dates_de.WEEKDAYS if language.startswith("de") else dates_en.WEEKDAYS
    return names[weekday].title()


def say_time(clock: time, language: str = "en") -> str:
    """ "three thirty p.m.", "noon"; German "fünfzehn Uhr dreißig"."""
    if language.startswith("de"):
        minutes = f" {say_number(clock.minute, 'de')}" if clock.minute else ""
        hour = "ein" if clock.hour == 1 else say_number(clock.hour, "de")
        night = " morgens" if 0 < clock.hour < 7 else ""  # "drei Uhr" alone is heard as the afternoon
        return f"{hour} Uhr{minutes}{night}"
    if clock.minute == 0 and clock.hour == 12:
        return "noon"
    hour = say_number(clock.hour % 12 or 12)
    if clock.minute == 0:
        middle = ""
    elif clock.minute < 10:
        middle = f" oh {say_number(clock.minute)}"
    else:
        middle = f" {say_number(clock.minute)}"
    return f"{hour}{middle} {'a.m.' if clock.hour < 12 else 'p.m.'}"


def tell(text: str, now: datetime, language: str = "en", hours: Sequence[OpeningHours] = ()) -> When:
    """`understand` on a text, as if both a day and a time had been asked for."""
    return understand(tokens(text), now, language=language, hours=hours, bare_day=True, bare_time=True)
