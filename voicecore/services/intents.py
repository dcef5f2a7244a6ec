"""What a message to an agent was about, in the words of clients: intent, entities, and what to do next.

Read with the deterministic understanding of the embedded agent, whichever model answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pipelines.brain.dialogue import ToolRan
from pipelines.brain.lexicon import Intent
from pipelines.brain.understanding import Heard

ASKED, OTHER = "ask_question", "other"
_WORDS: dict[Intent, tuple[str, str, str]] = {  # intent, action, object
    Intent.BOOK: ("book_appointment", "book", "appointment"),
    Intent.MOVE: ("reschedule_appointment", "reschedule", "appointment"),
    Intent.CANCEL: ("cancel_appointment", "cancel", "appointment"),
    Intent.LOOKUP: ("lookup_appointment", "lookup", "appointment"),
    Intent.HOURS: ("opening_hours", "ask", "opening_hours"),
    Intent.SERVICES: ("list_services", "ask", "services"),
    Intent.ORDER: ("place_order", "order", "order"),
    Intent.HUMAN: ("talk_to_human", "transfer", "human"),
    Intent.GOODBYE: ("goodbye", "", ""),
    Intent.THANKS: ("thanks", "", ""),
    Intent.ABORT: ("abort", "", ""),
    Intent.GREETING: ("greeting", "", ""),
}
CALENDAR = frozenset({"book_appointment", "reschedule_appointment"})
_DONE = {"booked": "appointment_booked", "moved": "appointment_moved", "cancelled": "appointment_cancelled"}


class Understood(msgspec.Struct, frozen=True):
    """`topic` is what is kept as the conversation's; "" when the message has none."""

    intent: str
    entities: dict[str, Any]
    topic: str


def understood(heard: Heard, going_on: str) -> Understood:
    """`going_on`: the topic so far, to which an answer such as "tomorrow at ten" belongs."""
    entities = _slots(heard)
    told = [intent for intent in heard.intents if heard.means(intent) and intent in _WORDS]
    if told:
        intent, action, thing = _WORDS[max(told, key=lambda one: heard.intents[one])]
        if action:
            entities |= {"action": action, "object": thing}
        return Understood(intent, entities, thing)
    if heard.question:
        return Understood(ASKED, entities, "question")
    if going_on == "appointment" and heard.fills_slots:
        return Understood("book_appointment", entities | {"object": going_on}, going_on)
    return Understood(OTHER, entities, "")


def _slots(heard: Heard) -> dict[str, Any]:
    found = {
        "service": heard.service,
        "name": heard.name,
        "phone": heard.phone,
        "date": heard.when.day.isoformat() if heard.when.day else "",
        "time": f"{heard.when.clock:%H:%M}" if heard.when.clock else "",
    }
    return {name: value for name, value in found.items() if value}


def done(ran: Sequence[ToolRan]) -> list[tuple[str, dict[str, Any]]]:
    """What tools changed, as (action, data)."""
    actions = []
    for one in ran:
        result = msgspec.json.decode(one.result)
        actions += [(_DONE[key], value) for key, value in result.items() if key in _DONE]
        if "callback" in result:
            actions.append(("callback_requested", result["callback"]))
    return actions
