"""Where a dialogue stands, and the desk at which one step of it is worked out.

The state holds only immutable values, so a shallow copy is a snapshot. It is never stored: it is
recomputed from the messages. Refuses to know intents and words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any

import msgspec

from pipelines.brain.dates import say_date, say_time
from pipelines.brain.ports import OpeningHours, Service
from pipelines.brain.wording import Wording
from pipelines.stages import Expect, ToolCall


class Flow(StrEnum):
    """What is being done for the caller."""

    NONE = "none"
    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    LOOKUP = "lookup"
    CALLBACK = "callback"
    ORDER = "order"


class Ask(StrEnum):
    """What the last question was about."""

    NOTHING = "nothing"
    MORE = "more"  # anything else?
    SERVICE = "service"
    DAY = "day"
    TIME = "time"
    DAY_TIME = "day_time"
    NAME = "name"
    PHONE = "phone"
    OFFER = "offer"
    CONFIRM = "confirm"
    CHANGE = "change"
    WHICH = "which"
    CALLBACK = "callback"
    ORDER = "order"


EXPECTED: Mapping[Ask, Expect] = {
    Ask.SERVICE: Expect.SERVICE,
    Ask.DAY: Expect.DATE,
    Ask.TIME: Expect.TIME,
    Ask.DAY_TIME: Expect.DATE_TIME,
    Ask.NAME: Expect.NAME,
    Ask.PHONE: Expect.PHONE,
    Ask.OFFER: Expect.DATE_TIME,
    Ask.WHICH: Expect.DATE_TIME,
    Ask.CONFIRM: Expect.YES_NO,
    Ask.CALLBACK: Expect.YES_NO,
}


class Target(msgspec.Struct, frozen=True):
    """An existing appointment, as a tool result describes it; local wall-clock time."""

    id: str
    service: str
    start: datetime


class Free(msgspec.Struct, frozen=True):
    """One answer of check_availability; local wall-clock times."""

    slots: tuple[datetime, ...] = ()
    alternatives: tuple[datetime, ...] = ()
    open: bool = True
    error: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What a step leads to: words to say, what is expected next, tools to run first."""

    text: str = ""
    expect: Expect | None = None
    calls: tuple[ToolCall, ...] = ()


class State(msgspec.Struct):
    flow: Flow = Flow.NONE
    ask: Ask = Ask.NOTHING
    # slots
    service: str = ""
    day: date | None = None
    clock: time | None = None
    wish: time | None = None  # a time that could not be had that day, kept for another
    after: time | None = None
    before: time | None = None
    week: date | None = None
    soonest: bool = False
    name: str = ""
    nameless: bool = False  # the name was not understood: booked under the number
    phone: str = ""
    reason: str = ""
    # offers, existing appointments, confirmation
    offers: tuple[datetime, ...] = ()
    targets: tuple[Target, ...] | None = None
    target: Target | None = None
    searched_phone: bool = False
    searched_name: bool = False
    essential: str = ""  # of the read-back: what must have been heard before a yes counts
    told: bool = False  # and it was
    confirmed: bool = False
    # facts from tools
    primed: bool = False
    services: tuple[Service, ...] = ()
    hours: tuple[OpeningHours, ...] = ()
    free: Mapping[str, Free] = {}
    # course of the dialogue
    misses: int = 0
    pending: str | None = None  # an utterance that waits for facts
    query: str = ""  # a question that waits for the knowledge
    fallback: str = ""  # the intent that a question has if the knowledge does not answer it
    last_text: str = ""
    calls: int = 0
    open_calls: Mapping[str, ToolCall] = {}
    outcome: Outcome = Outcome()

    def forget_task(self) -> None:
        """The task is over; who the caller is stays known."""
        fresh = State()
        for field in (
            "flow", "service", "day", "clock", "wish", "after", "before", "week", "soonest", "reason", "offers",
            "targets", "target", "searched_phone", "searched_name", "essential", "told", "confirmed", "free",
        ):  # fmt: skip
            setattr(self, field, getattr(fresh, field))


class Desk:
    """One step's working place: the state, what the request brings, and the outcome under construction."""

    def __init__(
        self,
        state: State,
        *,
        now: datetime,
        language: str,
        facts: Mapping[str, Any],
        tools: frozenset[str],
        wording: Wording,
    ) -> None:
        self.state = state
        self.now = now
        self.language = language
        self.facts = facts
        self.tools = tools
        self.wording = wording

    @property
    def caller_phone(self) -> str:
        return self.state.phone or str(self.facts.get("caller_phone") or "")

    def say(self, key: str, variant: int = 0, /, **values: str) -> None:
        """Adds a sentence to the reply."""
        known = {"company_name": str(self.facts.get("company_name", ""))}
        self.speak(self.wording.say(key, known | values, variant).replace("  ", " ").strip())

    def speak(self, text: str) -> None:
        before = self.state.outcome
        joined = f"{before.text} {text}".strip().replace("m..", "m.")  # a sentence that ends in "p.m."
        self.state.outcome = msgspec.structs.replace(before, text=joined)

    def ask(self, ask: Ask, key: str = "", variant: int = 0, /, **values: str) -> None:
        """Says the question `key`, if any, and notes what it asks for."""
        if key:
            self.say(key, variant, **values)
        self.state.ask = ask
        self.state.outcome = msgspec.structs.replace(self.state.outcome, expect=EXPECTED.get(ask, Expect.ANYTHING))

    def call(self, name: str, arguments: dict[str, Any]) -> None:
        """Runs a tool before going on."""
        state = self.state
        state.calls += 1
        call = ToolCall(f"call_{state.calls}", name, arguments)
        state.outcome = msgspec.structs.replace(state.outcome, calls=(*state.outcome.calls, call))

    def date(self, day: date) -> str:
        return say_date(day, self.language)

    def time(self, clock: time) -> str:
        return say_time(clock, self.language)

    def at(self, when: datetime) -> dict[str, str]:
        """Values for "{date} at {time}"."""
        return {"date": self.date(when.date()), "time": self.time(when.time())}
