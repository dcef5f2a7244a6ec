"""Answers to questions: opening hours, services, and whatever the knowledge articles know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from itertools import groupby

from pipelines.brain.dates import say_weekday
from pipelines.brain.lexicon import lexicon
from pipelines.brain.ports import OpeningHours
from pipelines.brain.state import Desk
from pipelines.brain.understanding import Heard

_LONGEST_ANSWER = 320  # characters of an article that are read aloud: about twenty seconds


def answer_hours(desk: Desk, heard: Heard) -> None:
    """ "Are you open": on a day, at a time, right now, or in general."""
    hours = desk.state.hours
    when = heard.when
    joined = f" {' '.join(heard.words)} "
    if not hours:
        desk.say("hours_none")
    elif when.clock is not None:
        _at_time(desk, when.day or desk.now.date(), when.clock)
    elif any(f" {phrase} " in joined for phrase in lexicon(desk.language).open_now) and _asks_now(heard, desk):
        _right_now(desk)
    elif when.day is not None:
        _on_day(desk, when.day)
    else:
        desk.say("hours", hours=desk.wording.both(_summary(desk, hours)))


def _asks_now(heard: Heard, desk: Desk) -> bool:
    """ "Today" alone asks for today's hours; "now", "still" ask whether somebody is there."""
    return heard.when.day is None or any(w in heard.words for w in ("now", "still", "jetzt", "noch", "gerade"))


def _of_day(hours: Sequence[OpeningHours], day: date) -> list[OpeningHours]:
    return [h for h in hours if h.weekday == day.weekday()]


def _range(desk: Desk, opens: time, closes: time) -> str:
    return desk.wording.say("hours_range", {"opens": desk.time(opens), "closes": desk.time(closes)})


def _ranges(desk: Desk, spans: Sequence[OpeningHours]) -> str:
    return desk.wording.both([_range(desk, h.opens, h.closes) for h in spans])


def _at_time(desk: Desk, day: date, clock: time) -> None:
    spans = _of_day(desk.state.hours, day)
    is_open = any(h.opens <= clock < h.closes for h in spans)
    desk.say("hours_yes_then" if is_open else "hours_no_then", date=desk.date(day), time=desk.time(clock))
    if not is_open and spans:
        desk.say("hours_day", date=desk.date(day), opens=_ranges(desk, spans))


def _right_now(desk: Desk) -> None:
    spans = [h for h in _of_day(desk.state.hours, desk.now.date()) if h.opens <= desk.now.time() < h.closes]
    if spans:
        desk.say("hours_yes_now", closes=desk.time(spans[0].closes))
        return
    desk.say("hours_no_now")
    _next_opening(desk, desk.now.date(), desk.now.time())


def _next_opening(desk: Desk, day: date, after: time) -> None:
    for offset in range(8):
        on = day + timedelta(days=offset)
        spans = [h for h in _of_day(desk.state.hours, on) if offset or h.opens > after]
        if spans:
            desk.say("hours_next", date=desk.date(on), opens=_ranges(desk, spans))
            return


def _on_day(desk: Desk, day: date) -> None:
    spans = _of_day(desk.state.hours, day)
    if spans:
        desk.say("hours_day", date=desk.date(day), opens=_ranges(desk, spans))
    else:
        desk.say("hours_closed", date=desk.date(day))
        _next_opening(desk, day, time.max)


def _summary(desk: Desk, hours: Sequence[OpeningHours]) -> list[str]:
    """Days in a row with the same hours are said together."""
    by_day = {day: tuple((h.opens, h.closes) for h in hours if h.weekday == day) for day in range(7)}
    parts = []
    for spans, group in groupby(range(7), key=lambda day: by_day[day]):
        days = list(group)
        if not spans:
            continue
        name = say_weekday(days[0], desk.language)
        if len(days) == 2:
            name = desk.wording.both([name, say_weekday(days[1], desk.language)])
        elif days[2:]:
            last = say_weekday(days[-1], desk.language)
            name = desk.wording.say("hours_days", {"first": name, "last": last})
        opens, closes = spans[0][0], spans[-1][1]
        if len(spans) == 1:
            values = {"days": name, "opens": desk.time(opens), "closes": desk.time(closes)}
            parts.append(desk.wording.say("hours_span", values))
        else:
            parts.append(f"{name} {desk.wording.both([_range(desk, o, c) for o, c in spans])}")
    return parts


def answer_services(desk: Desk) -> None:
    names = [s.name.lower() if desk.language.startswith("en") else s.name for s in desk.state.services]
    if names:
        desk.say("services", services=desk.wording.both(names))
    else:
        desk.say("services_none")


def look_up(desk: Desk, question: str, fallback: str = "") -> None:
    """Searches the articles; `fallback` is the intent to follow when they do not answer."""
    desk.state.query, desk.state.fallback = question, fallback
    desk.call("search_knowledge", {"query": question[:400]})


def read_article(desk: Desk, content: str) -> None:
    """Speaks an article, cut at the end of a sentence when it is long."""
    text = " ".join(content.split())
    if len(text) > _LONGEST_ANSWER:
        end = max(text.rfind(mark, 0, _LONGEST_ANSWER) for mark in (".", "!", "?"))
        text = text[: end + 1] if end > 40 else text[:_LONGEST_ANSWER].rsplit(" ", 1)[0] + "."
    desk.speak(text)
