"""Leads from a purpose to the task that serves it, and from any point of a task to its next step."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.brain.booking import advance_booking, apply_slots
from pipelines.brain.changes import advance_change
from pipelines.brain.closing import advance_callback, advance_order, anything_else, offer_callback
from pipelines.brain.enquiries import answer_hours, answer_services
from pipelines.brain.lexicon import Intent
from pipelines.brain.state import EXPECTED, Ask, Desk, Flow
from pipelines.brain.tokens import word_list
from pipelines.brain.understanding import Context, Heard, read
from pipelines.stages import Expect

_MISSES_BEFORE_RESCUE = 3
_ORDER_WORDS = 6  # an order that names what is ordered

_ADVANCE: dict[Flow, Callable[[Desk, int], None]] = {
    Flow.BOOK: advance_booking,
    Flow.MOVE: advance_change,
    Flow.CANCEL: advance_change,
    Flow.LOOKUP: advance_change,
    Flow.CALLBACK: advance_callback,
    Flow.ORDER: advance_order,
}
_FLOWS = {
    Intent.BOOK: Flow.BOOK,
    Intent.MOVE: Flow.MOVE,
    Intent.CANCEL: Flow.CANCEL,
    Intent.LOOKUP: Flow.LOOKUP,
}
_NEEDED_TOOL = {
    Flow.BOOK: "book_appointment",
    Flow.MOVE: "move_appointment",
    Flow.CANCEL: "cancel_appointment",
    Flow.LOOKUP: "find_appointments",
}


def understood(desk: Desk, text: str) -> Heard:
    """Reads an utterance in the light of the dialogue so far."""
    state = desk.state
    context = Context(
        now=desk.now,
        language=desk.language,
        services=state.services,
        hours=state.hours,
        expect=EXPECTED.get(state.ask, Expect.ANYTHING),
        offered=tuple(o.time() for o in state.offers),
    )
    return read(text, context)


def advance(desk: Desk, variant: int = 0) -> None:
    """The next step of whatever is under way; `variant` > 0 asks the last question in other words."""
    state = desk.state
    if state.ask is Ask.CHANGE and variant:
        desk.ask(Ask.CHANGE, "ask_which_field", variant)
    elif state.flow is not Flow.NONE:
        _ADVANCE[state.flow](desk, variant)
    elif variant:
        bookable = "book_appointment" in desk.tools
        desk.ask(Ask.NOTHING, "rephrase" if bookable else "rephrase_plain", variant - 1)
    else:
        desk.ask(Ask.NOTHING, "how_can_i_help")


def missed(desk: Desk, *, silent: bool = False) -> None:
    """Not understood: asks twice in other words, then offers that somebody calls back."""
    state = desk.state
    state.misses += 1
    if state.misses < _MISSES_BEFORE_RESCUE:
        desk.say("nothing_heard" if silent else "not_understood", state.misses - 1)
        advance(desk, state.misses)
    elif state.flow is Flow.CALLBACK:
        state.misses = 0
        state.forget_task()
        desk.say("callback_refused")
        desk.ask(Ask.NOTHING, "how_can_i_help")
    else:
        state.misses = 0
        desk.say("trouble")
        offer_callback(desk, state.reason or "not understood on the telephone")


def begin(desk: Desk, intent: Intent, heard: Heard) -> None:
    """Starts the task that an intent asks for, with what was said along with it."""
    state = desk.state
    if intent is Intent.HOURS:
        answer_hours(desk, heard)
        aside_done(desk)
    elif intent is Intent.SERVICES:
        answer_services(desk)
        aside_done(desk)
    elif intent is Intent.ORDER:
        state.forget_task()
        state.flow = Flow.ORDER
        state.reason = ordered(heard) if len(heard.words) >= _ORDER_WORDS else ""
        advance(desk)
    elif _NEEDED_TOOL[_FLOWS[intent]] not in desk.tools:
        desk.say("cannot_book")
        offer_callback(desk, heard.text)
    else:
        state.forget_task()
        state.flow, state.ask = _FLOWS[intent], Ask.NOTHING
        apply_slots(desk, heard)
        advance(desk)


_ORDER_OPENERS = frozenset(word_list("order like have get want bestellen moechte haette"))


def ordered(heard: Heard) -> str:
    """What is ordered, without "I'd like to order"."""
    openers = [i for i, word in enumerate(heard.words[:6]) if word in _ORDER_OPENERS]
    return " ".join(heard.words[openers[-1] + 1 :] if openers else heard.words)


def aside_done(desk: Desk) -> None:
    """A question was answered; back to what was under way."""
    if desk.state.flow is Flow.NONE:
        anything_else(desk)
    else:
        advance(desk)
