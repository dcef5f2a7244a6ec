"""Making an appointment: fills the slots, settles on a free time, reads back, books after a yes.

Refuses to know how words are recognised.
"""

from __future__ import annotations

from datetime import datetime, time

from pipelines.brain.numbers import say_digits
from pipelines.brain.settling import nearest, offer, settle
from pipelines.brain.state import Ask, Desk, Flow, State
from pipelines.brain.understanding import Heard

# --- filling slots --------------------------------------------------------------------------------


def apply_slots(desk: Desk, heard: Heard) -> bool:
    """Takes over what was said; True if anything is new. Whatever is new needs a new read-back."""
    state = desk.state
    before = _slots(state)
    if heard.service and state.flow is Flow.BOOK:
        state.service = heard.service
    if heard.name:
        state.name = heard.name
    if heard.phone:
        state.phone = heard.phone
    complaint = _apply_when(desk, heard)
    changed = _slots(state) != before
    if changed:
        if not heard.when.empty or heard.service:
            state.offers = ()  # a name alone answers no offer: they are repeated
        if state.flow not in (Flow.CALLBACK, Flow.ORDER):  # there, only the number was missing
            state.confirmed = state.told = False
    return changed or complaint


def _slots(state: State) -> tuple[object, ...]:
    when = (state.day, state.clock, state.after, state.before, state.week, state.soonest)
    return (state.service, state.name, state.phone, *when)


def _apply_when(desk: Desk, heard: Heard) -> bool:
    """True when something was said that cannot be taken over and the caller was told so."""
    state, when = desk.state, heard.when
    if when.conflict:
        desk.say("date_conflict")
        state.day, state.clock = None, when.clock or state.clock
        return True
    if when.past:
        today = when.day == desk.now.date()
        desk.say("time_over" if today else "day_over")
        state.day, state.clock = (when.day, None) if today else (None, when.clock or state.clock)
        return True
    if when.day is not None:
        state.day, state.week, state.soonest = when.day, None, False
        if state.clock is None and when.clock is None:
            state.clock = state.wish
    if when.week is not None:
        state.week, state.day = when.week, None
    if when.clock is not None:
        state.clock, state.after, state.before, state.wish = when.clock, None, None, None
        if state.day is None and state.offers:
            state.day = state.offers[0].date()
    elif (when.after is not None or when.before is not None) and not _settled_elsewhere(state):
        state.after, state.before, state.clock, state.wish = when.after, when.before, None, None
    if when.soonest:
        state.soonest, state.clock = True, None
    return False


def _settled_elsewhere(state: State) -> bool:
    """ "For the evening", in answer to another question, was no part of the day: the time stands already."""
    return state.clock is not None and state.ask in (Ask.SERVICE, Ask.NAME, Ask.PHONE)


def choose_offer(desk: Desk, heard: Heard) -> datetime | None:
    """The one of several offered times that the answer picks, if it picks one."""
    offers, when = desk.state.offers, heard.when
    if when.clock is not None or (when.day is not None and len(offers) == 1):
        fitting = [
            o for o in offers
            if when.clock in (None, o.time()) and when.day in (None, o.date())
        ]  # fmt: skip
        if len(fitting) == 1 and not when.conflict:
            return fitting[0]
    bare_pick = heard.pick is not None and when.clock is None and len(heard.words) <= 4
    if bare_pick and heard.pick is not None and len(offers) > 1 and heard.pick < len(offers):
        return offers[heard.pick]
    if heard.answer == "yes" and when.empty and len(offers) == 1:
        return offers[0]
    return None


def take(desk: Desk, chosen: datetime) -> None:
    state = desk.state
    state.day, state.clock, state.offers, state.wish = chosen.date(), chosen.time(), (), None
    state.after = state.before = None
    state.soonest = False


def clear_field(state: State, field: str) -> None:
    """ "The time is wrong": forget it, so that it is asked for."""
    if field == "day":
        state.day = None
    elif field == "clock":
        state.clock = None
    elif field == "name":
        state.name, state.nameless = "", False
    elif field == "service":
        state.service = ""
    elif field == "phone":
        state.phone = ""
    state.told = state.confirmed = False


# --- booking --------------------------------------------------------------------------------------


def advance_booking(desk: Desk, variant: int = 0) -> None:
    """The next thing to ask, look up, read back or do."""
    state = desk.state
    if not state.service and len(state.services) == 1:
        state.service = state.services[0].name
    if not state.service and state.services:
        names = desk.wording.either([s.name.lower() if desk.language == "en" else s.name for s in state.services])
        desk.ask(Ask.SERVICE, "ask_service", variant, services=names)
        return
    if not settle(desk, state.service, variant):
        return
    if not state.name and not state.nameless:
        desk.ask(Ask.NAME, "ask_name", variant)
    elif not desk.caller_phone:
        desk.ask(Ask.PHONE, "ask_phone", variant)
    elif not state.confirmed:
        _read_back(desk, variant)
    else:
        _book(desk)


def said_service(desk: Desk, service: str) -> str:
    """As it stands within a sentence."""
    return service[:1].lower() + service[1:] if desk.language.startswith("en") else service


def _read_back(desk: Desk, variant: int) -> None:
    state = desk.state
    assert state.day is not None
    assert state.clock is not None
    if variant == 1 and state.told:
        desk.ask(Ask.CONFIRM, "shall_book", 1)
        return
    phone = ""
    if state.phone:
        phone = desk.wording.say("readback_phone", {"digits": say_digits(state.phone, desk.language[:2])})
    at = desk.at(datetime.combine(state.day, state.clock))
    key = "readback" if state.name else "readback_number"
    desk.say(key, service=said_service(desk, state.service), name=state.name, phone=phone, **at)
    state.essential, state.told = desk.state.outcome.text, False
    desk.ask(Ask.CONFIRM, "shall_book", variant)


def _book(desk: Desk) -> None:
    state = desk.state
    assert state.day is not None
    assert state.clock is not None
    desk.call(
        "book_appointment",
        {
            "service": state.service,
            "start": f"{state.day.isoformat()}T{state.clock:%H:%M}",
            "customer_name": state.name or desk.caller_phone,
            "customer_phone": desk.caller_phone,
        },
    )


def retry_after_conflict(desk: Desk, alternatives: tuple[datetime, ...]) -> None:
    """The time was taken between read-back and booking: nothing was booked, offer others."""
    state = desk.state
    desk.say("taken_meanwhile")
    state.confirmed = state.told = False
    state.free = {}
    state.wish, state.clock = state.clock, None
    if alternatives:
        offer(desk, nearest(alternatives, state.wish or time(12), 2))
    else:
        state.day = None
        desk.ask(Ask.DAY_TIME, "ask_day_time")
