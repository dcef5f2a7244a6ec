"""Existing appointments: finding, moving and cancelling them, each only after a read-back and a yes."""

from __future__ import annotations

from datetime import datetime

from pipelines.brain.booking import said_service
from pipelines.brain.closing import anything_else, offer_callback
from pipelines.brain.settling import settle
from pipelines.brain.state import Ask, Desk, Flow, Target
from pipelines.brain.understanding import Heard


def advance_change(desk: Desk, variant: int = 0) -> None:
    """The next step of moving, cancelling or telling an appointment."""
    target = _find_target(desk, variant)
    if target is None:
        return
    if desk.state.flow is Flow.LOOKUP:
        desk.say("found_one", service=said_service(desk, target.service), **desk.at(target.start))
        anything_else(desk)
    elif desk.state.flow is Flow.CANCEL:
        _cancel(desk, target, variant)
    else:
        _move(desk, target, variant)


def _find_target(desk: Desk, variant: int) -> Target | None:
    """Which appointment it is about. None: something was asked, said or looked up first."""
    state = desk.state
    if state.target is not None:
        return state.target
    if state.targets and len(state.targets) == 1:
        return _aim(desk, state.targets[0])
    if state.targets:
        spoken = [
            desk.wording.say("appointment", {"service": said_service(desk, t.service), **desk.at(t.start)})
            for t in state.targets
        ]
        count = str(len(spoken))
        desk.ask(Ask.WHICH, "which_one", count=count, appointments=desk.wording.both(spoken))
    elif desk.caller_phone and not state.searched_phone:
        state.searched_phone = True
        desk.call("find_appointments", {"customer_phone": desk.caller_phone})
    elif state.name and not state.searched_name:
        state.searched_name = True
        desk.call("find_appointments", {"customer_name": state.name})
    elif not state.name:
        if state.searched_phone and variant == 0:
            desk.say("found_none")
        desk.ask(Ask.NAME, "ask_name_find", variant)
    else:
        desk.say("found_none", 1)
        offer_callback(desk)
    return None


def _aim(desk: Desk, target: Target) -> Target:
    """ "Move my appointment on Tuesday": the day of the old appointment is not the wish for the new one."""
    state = desk.state
    state.target = target
    if state.day == target.start.date() and state.clock in (None, target.start.time()):
        state.day = state.clock = None
    return target


def choose_target(desk: Desk, heard: Heard) -> bool:
    """Takes the appointment that an answer to "which one" names; False when it names none."""
    state, when = desk.state, heard.when
    targets = state.targets or ()
    fitting = [
        t for t in targets
        if when.day in (None, t.start.date())
        and when.clock in (None, t.start.time())
        and heard.service in ("", t.service)
    ]  # fmt: skip
    if heard.pick is not None and heard.pick < len(targets) and (when.empty or len(heard.words) <= 3):
        fitting = [targets[heard.pick]]
    elif when.empty and not heard.service:
        return False
    if len(fitting) != 1:
        return False
    state.target = fitting[0]
    return True


def _move(desk: Desk, target: Target, variant: int) -> None:
    state = desk.state
    nothing_wished = state.day is None and state.clock is None and not state.offers
    if nothing_wished and variant == 0 and not (state.soonest or state.week or state.after or state.before):
        desk.say("found_move", service=said_service(desk, target.service), **desk.at(target.start))
        desk.ask(Ask.DAY_TIME, "when_to")
        return
    if not settle(desk, target.service, variant):
        return
    assert state.day is not None
    assert state.clock is not None
    start = datetime.combine(state.day, state.clock)
    if state.confirmed:
        desk.call("move_appointment", {"appointment_id": target.id, "start": f"{start:%Y-%m-%dT%H:%M}"})
        return
    if variant == 1 and state.told:
        desk.ask(Ask.CONFIRM, "shall_move", 1)
        return
    old = desk.at(target.start)
    service = said_service(desk, target.service)
    desk.say("readback_move", service=service, old_date=old["date"], old_time=old["time"], **desk.at(start))
    _await_yes(desk, "shall_move", variant)


def _cancel(desk: Desk, target: Target, variant: int) -> None:
    state = desk.state
    if state.confirmed:
        desk.call("cancel_appointment", {"appointment_id": target.id})
        return
    if variant == 1 and state.told:
        desk.ask(Ask.CONFIRM, "shall_cancel", 1)
        return
    desk.say("readback_cancel", service=said_service(desk, target.service), **desk.at(target.start))
    _await_yes(desk, "shall_cancel", variant)


def _await_yes(desk: Desk, question: str, variant: int) -> None:
    desk.state.essential, desk.state.told = desk.state.outcome.text, False
    desk.ask(Ask.CONFIRM, question, variant)
