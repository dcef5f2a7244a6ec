"""Settling on a free day and time: looks up what is free, offers what comes near, until one is chosen.

Serves new appointments and moved ones. Refuses to know how words are recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

import msgspec

from pipelines.brain.state import Ask, Desk, Free

_OFFERED = 3
_WINDOW_DAYS = 14  # how far "as soon as possible" or "any morning" looks ahead


def _availability(desk: Desk, arguments: dict[str, Any]) -> Free | None:
    """What is known about these free times; None: asked for, the tool runs now."""
    known = desk.state.free.get(free_key(arguments))
    if known is None:
        desk.call("check_availability", arguments)
    return known


def free_key(arguments: dict[str, Any]) -> str:
    return msgspec.json.encode(arguments, order="deterministic").decode()


def settle(desk: Desk, service: str, variant: int = 0) -> bool:
    """True when day and time stand and are free. Otherwise something was said, asked or looked up."""
    state = desk.state
    if state.offers:
        _say_offers(desk)
        return False
    if state.day is None:
        _find_day(desk, service, variant)
        return False
    known = _availability(desk, {"service": service, "date": state.day.isoformat()})
    if known is None:
        return False
    if known.error:
        desk.say("day_over" if known.error == "in_the_past" else "failed")
        state.day = None
        desk.ask(Ask.DAY, "ask_day", 1)
        return False
    if not known.slots:
        _nothing_that_day(desk, state.day, known)
        return False
    if state.clock is None:
        _find_time(desk, known.slots, variant)
        return False
    wanted = datetime.combine(state.day, state.clock)
    if wanted in known.slots:
        return True
    desk.say("time_taken", **desk.at(wanted))
    state.wish, state.clock = state.clock, None
    offer(desk, nearest(known.slots, wanted.time(), 2))
    return False


def _find_day(desk: Desk, service: str, variant: int) -> None:
    state = desk.state
    window = state.after is not None or state.before is not None
    if not (state.soonest or state.week or window):
        if state.clock is None:
            desk.ask(Ask.DAY_TIME, "ask_day_time", variant)
        else:
            desk.ask(Ask.DAY, "ask_day", variant)
        return
    first = max(state.week or desk.now.date(), desk.now.date())
    days = 7 - first.weekday() if state.week else _WINDOW_DAYS
    arguments: dict[str, Any] = {"service": service, "date": first.isoformat(), "days": days}
    limits = {"after": state.after, "before": state.before, "time": state.clock}
    arguments |= {key: f"{limit:%H:%M}" for key, limit in limits.items() if limit is not None}
    known = _availability(desk, arguments)
    if known is None:
        return
    slots = known.slots or known.alternatives
    if not slots:
        desk.say("nothing_free")
        state.week, state.soonest, state.after, state.before = None, False, None, None
        desk.ask(Ask.DAY_TIME, "ask_day_time", 1)
        return
    offer(desk, slots[:1] if state.soonest else _spread(slots))


def _nothing_that_day(desk: Desk, day: date, known: Free) -> None:
    state = desk.state
    desk.say("full_on" if known.open else "closed_on", date=desk.date(day))
    state.wish, state.day, state.clock = state.clock or state.wish, None, None
    if known.alternatives:
        offer(desk, nearest(known.alternatives, state.wish or time(0), 2))
    else:
        desk.ask(Ask.DAY, "ask_day")


def _find_time(desk: Desk, slots: tuple[datetime, ...], variant: int) -> None:
    state = desk.state
    assert state.day is not None
    if state.soonest:
        offer(desk, slots[:1])
        return
    if state.after is not None or state.before is not None:
        fitting = [s for s in slots if (state.after or time.min) <= s.time() <= (state.before or time.max)]
        if not fitting:
            desk.say("none_in_window")
            fitting = list(nearest(slots, state.after or state.before or time(12), _OFFERED))
        offer(desk, _spread(tuple(fitting)))
        return
    if variant:
        desk.ask(Ask.TIME, "ask_time", variant)
        return
    first, last = desk.time(slots[0].time()), desk.time(slots[-1].time())
    key = "ask_time_on" if len(slots) > 1 else "ask_time_only"
    desk.ask(Ask.TIME, key, date=desk.date(state.day), first=first, last=last)


def nearest(slots: Sequence[datetime], clock: time, count: int) -> tuple[datetime, ...]:
    """The `count` slots closest to a time of day, in order of time."""

    def distance(slot: datetime) -> int:
        return abs((slot.hour - clock.hour) * 60 + slot.minute - clock.minute)

    return tuple(sorted(sorted(slots, key=distance)[:count]))


def _spread(slots: tuple[datetime, ...]) -> tuple[datetime, ...]:
    """First, middle and last of many: more of a choice than three in a row."""
    if len(slots) <= _OFFERED:
        return slots
    return (slots[0], slots[len(slots) // 2], slots[-1])


def offer(desk: Desk, offers: tuple[datetime, ...]) -> None:
    desk.state.offers = offers
    _say_offers(desk)


def _say_offers(desk: Desk) -> None:
    """ "Tuesday, December first at two thirty p.m. or four p.m." """
    by_day: dict[date, list[str]] = {}
    for one in desk.state.offers:
        by_day.setdefault(one.date(), []).append(desk.time(one.time()))
    parts = [
        desk.wording.say("offer_day", {"date": desk.date(day), "times": desk.wording.either(times)})
        for day, times in by_day.items()
    ]
    key = "offer_one" if len(desk.state.offers) == 1 else "offer_some"
    desk.ask(Ask.OFFER, key, offers=desk.wording.either(parts))


def no_offer_suits(desk: Desk) -> None:
    state = desk.state
    state.offers, state.wish, state.soonest, state.after, state.before = (), None, False, None, None
    state.week = None
    desk.ask(Ask.DAY_TIME, "offer_other")
