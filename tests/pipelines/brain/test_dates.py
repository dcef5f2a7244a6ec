from __future__ import annotations

import warnings
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.brain.dates import When, local, say_date, say_time, tell, understand
from pipelines.brain.ports import OpeningHours
from pipelines.brain.tokens import tokens

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 24, 10, 5, tzinfo=LONDON)  # a Tuesday
LEAP = datetime(2027, 3, 1, 9, 0, tzinfo=LONDON)  # the year after it has a February 29th
TODAY = NOW.date()
LANGUAGES = pytest.mark.parametrize("language", ["en", "de"])

DAYS = {
    "today": 0, "tomorrow": 1, "the day after tomorrow": 2, "day after tomorrow please": 2, "wednesday": 1,
    "on friday": 3, "this friday": 3, "tuesday": 7, "next tuesday": 7, "next friday": 10, "friday next week": 10,
    "next week friday": 10, "in two weeks": 14, "in a week": 7, "in three days": 3, "two weeks from friday": 17,
    "a week from tomorrow": 8, "in two weeks on monday": 13, "in a couple of weeks": 14, "december first": 7,
    "december the fourth": 10, "the fourth of december": 10, "4th december": 10, "dec 4": 10, "december four": 10,
    "the fourth": 10, "tuesday the first": 7, "tuesday december first": 7, "2026-12-04": 10, "12/4": 10,
    "12/4/2026": 10, "december fourth twenty twenty six": 10, "december fourth two thousand twenty six": 10,
    "not tuesday wednesday": 1, "tuesday no wednesday": 1, "tuesday or wednesday": 7, "december twenty first": 27,
    "the twenty first": 27, "november third": 344,
}  # fmt: skip

TIMES = {
    "three": "15:00", "at three": "15:00", "three o'clock": "15:00", "three oclock": "15:00", "three p m": "15:00",
    "3pm": "15:00", "3:30pm": "15:30", "3:30 p.m.": "15:30", "15:30": "15:30", "three thirty": "15:30",
    "half past three": "15:30", "half pass three": "15:30", "quarter past ten": "10:15", "a quarter to four": "15:45",
    "ten to four": "15:50", "twenty five past nine": "09:25", "nine": "09:00", "nine oh five": "09:05",
    "ten forty five": "10:45", "noon": "12:00", "twelve": "12:00", "midday": "12:00", "eight in the morning": "08:00",
    "eight in the evening": "20:00", "seven a m": "07:00", "for p m": "16:00", "at for": "16:00", "at to": "14:00",
    "to thirty": "14:30", "at ate": "08:00", "ten fifteen a m": "10:15", "four in the afternoon": "16:00",
    "in the afternoon at two": "14:00", "no at eleven": "11:00", "at three no four": "16:00",
}  # fmt: skip

GERMAN = {
    "heute": (0, None), "morgen": (1, None), "übermorgen": (2, None), "nächsten Dienstag": (7, None),
    "nächste Woche Freitag": (10, None), "in zwei Wochen": (14, None), "in drei Tagen": (3, None),
    "am vierten Dezember": (10, None), "4.12.": (10, None), "4.12.2026": (10, None), "der vierte zwölfte": (10, None),
    "am Freitag um halb vier": (3, "15:30"), "morgen um viertel nach drei": (1, "15:15"),
    "dreiviertel vier": (None, "15:45"),
    "fünf vor halb vier": (None, "15:25"), "fünfzehn Uhr dreißig": (None, "15:30"), "um zehn": (None, "10:00"),
    "15.30 Uhr": (None, "15:30"), "drei Uhr nachmittags": (None, "15:00"), "viertel vor zehn": (None, "09:45"),
    "morgen früh um acht": (1, "08:00"), "mittags": (None, "12:00"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "days"), DAYS.items())
def test_days(text: str, days: int) -> None:
    assert tell(text, NOW).day == TODAY + timedelta(days=days)


@pytest.mark.parametrize(("text", "clock"), TIMES.items())
def test_times(text: str, clock: str) -> None:
    assert tell(text, NOW).clock == time.fromisoformat(clock)


@pytest.mark.parametrize(("text", "said"), GERMAN.items())
def test_german(text: str, said: tuple[int | None, str | None]) -> None:
    days, clock = said
    when = tell(text, NOW, "de")
    assert when.day == (None if days is None else TODAY + timedelta(days=days))
    assert when.clock == (None if clock is None else time.fromisoformat(clock))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "may i come in",
        "one second please",
        "i want a cleaning",
        "for two people",
        "hello",
        "sun and sat",
        "the first one",
    ],
)
def test_nothing_is_read_into_other_words(text: str) -> None:
    assert understand(tokens(text), NOW).empty


@pytest.mark.parametrize(
    ("text", "after", "before"),
    [
        ("any time after four", "16:00", None),
        ("before noon", None, "12:00"),
        ("between two and four", "14:00", "16:00"),
        ("in the morning", "00:00", "12:00"),
        ("friday afternoon", "12:00", "18:00"),
    ],
)
def test_windows(text: str, after: str | None, before: str | None) -> None:
    when = tell(text, NOW)
    assert when.clock is None
    assert (when.after and f"{when.after:%H:%M}", when.before and f"{when.before:%H:%M}") == (after, before)


@pytest.mark.parametrize(
    "text", ["as soon as possible", "first thing", "the next available one", "asap", "so bald wie möglich"]
)
def test_soonest(text: str) -> None:
    assert tell(text, NOW, "de" if "bald" in text else "en").soonest


def test_opening_hours_decide_between_morning_and_afternoon() -> None:
    late = [OpeningHours(1, time(17), time(23))]
    early = [OpeningHours(1, time(5), time(12))]
    assert tell("tuesday at eight", NOW, hours=late).clock == time(20)
    assert tell("tuesday at six", NOW, hours=early).clock == time(6)


def test_offered_times_decide_first() -> None:
    assert understand(tokens("eight"), NOW, bare_time=True, offered=(time(20),)).clock == time(20)


def test_a_weekday_that_contradicts_the_date_is_a_conflict() -> None:
    when = tell("monday december first", NOW)
    assert when.conflict
    assert when.day is None


@pytest.mark.parametrize("text", ["today at nine", "november third 2025", "2026-11-23"])
def test_the_past_is_named(text: str) -> None:
    assert tell(text, NOW).past


@LANGUAGES
@given(offset=st.integers(0, 364))
@settings(max_examples=400, deadline=None)
def test_every_day_of_a_year_is_understood_as_it_is_said(language: str, offset: int) -> None:
    day = LEAP.date() + timedelta(days=offset)
    assert tell(say_date(day, language), LEAP, language).day == day


@LANGUAGES
def test_every_five_minutes_of_a_day_are_understood_as_they_are_said(language: str) -> None:
    for minute in range(0, 1440, 5):
        clock = time(minute // 60, minute % 60)
        assert tell(say_time(clock, language), NOW, language).clock == clock


@given(words=st.lists(st.sampled_from(sorted({w for text in (*DAYS, *TIMES) for w in text.split()})), max_size=8))
@settings(max_examples=300, deadline=None)
def test_no_words_make_it_fail_or_hide_the_past(words: list[str]) -> None:
    when = tell(" ".join(words), NOW)
    assert isinstance(when, When)
    assert when.past or when.day is None or when.day >= TODAY


def test_a_time_skipped_by_the_clock_change_moves_forward() -> None:
    spring = date(2027, 3, 28)  # one o'clock becomes two in London
    assert local(spring, time(1, 30), LONDON).time() == time(2, 30)
    assert local(spring, time(9, 0), LONDON).utcoffset() == timedelta(hours=1)


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell("29.2. at 13:61 or 31/31 the forty fifth of june", NOW)
