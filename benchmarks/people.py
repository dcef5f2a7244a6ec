"""People who call with a wish, as data and as a policy: what the agent said goes in, what they say comes out.

They understand the receptionist's English perfectly, agree only to what is right, and put right what is
wrong, as a person would. They know no audio and no server.
"""

from __future__ import annotations

import random
import re
from datetime import date, datetime, time
from enum import StrEnum
from importlib.resources import files
from typing import Any

import msgspec
import yaml

from pipelines.brain.dates import say_date, say_time, understand
from pipelines.brain.numbers import say_ordinal
from pipelines.brain.tokens import tokens

PATIENCE = 14  # things said before this caller gives up
NAME_CORRECTIONS = 2  # after that, a misspelled name is good enough

Wordings = dict[str, Any]


class Task(StrEnum):
    FAQ = "faq"
    HOURS = "hours"
    BOOKING_SENTENCE = "booking in one sentence"
    BOOKING_SLOTS = "booking slot by slot"
    BOOKING_CORRECTED = "booking with a correction"
    MOVE = "move"
    CANCEL = "cancel"
    HUMAN = "human"
    GOODBYE = "goodbye"


BOOKINGS = (Task.BOOKING_SENTENCE, Task.BOOKING_SLOTS, Task.BOOKING_CORRECTED)
_OPENERS = {
    Task.HOURS: "hours",
    Task.BOOKING_SENTENCE: "booking_sentence",
    Task.BOOKING_CORRECTED: "booking_sentence",
    Task.BOOKING_SLOTS: "booking_open",
    Task.MOVE: "move",
    Task.CANCEL: "cancel",
    Task.HUMAN: "human",
    Task.GOODBYE: "goodbye",
}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What one caller wants. `start` is local wall-clock time; `old` is the appointment that is there already."""

    task: Task
    article: str = ""
    answer: str = ""  # what an answer to the question must contain, as spoken
    weekday: str = ""
    service: str = ""
    start: datetime | None = None
    first_start: datetime | None = None  # what is said before the caller changes his mind
    old: datetime | None = None
    name: str = ""


def wordings() -> Wordings:
    text = files("benchmarks").joinpath("data/callers.yaml").read_text("utf-8")
    loaded: Wordings = yaml.safe_load(text)
    return loaded


def said_day(day: date, today: date, style: int) -> str:
    """A day without a preposition, in one of the ways that mean exactly this day."""
    ahead = (day - today).days
    weekday = f"{day:%A}".lower()
    forms = [f"{day:%B} {say_ordinal(day.day)}", f"{weekday} {day:%B} the {say_ordinal(day.day)}"]
    if 1 < ahead < 7:
        forms = [weekday, *forms]
    if ahead == 1:
        forms = ["tomorrow", *forms]
    if day.isocalendar()[:2] != today.isocalendar()[:2] and 1 < ahead < 14 - today.weekday():
        forms = [f"{weekday} next week", *forms]
    return forms[style % len(forms)].lower()


def said_time(clock: time, style: int) -> str:
    """A time of day without a preposition."""
    plain = say_time(clock).replace("p.m.", "p m").replace("a.m.", "a m")
    hour = say_time(time(clock.hour)).split()[0]
    if clock.minute == 30:
        forms = [f"half past {hour if hour != 'noon' else 'twelve'}", plain]
    elif clock.minute == 0 and clock.hour != 12:
        forms = [f"{hour} o'clock", plain]
    else:
        forms = [plain]
    return forms[style % len(forms)]


class Person:
    """One caller in one call. `respond` gets what the agent said since; "" when nothing could be made out."""

    def __init__(self, wish: Wish, texts: Wordings, half: str, now: datetime, seed: int) -> None:
        self._wish = wish
        self._texts = texts
        self._half = half
        self._now = now
        self._random = random.Random(seed)
        self._style = seed
        self._used: dict[str, int] = {}
        self._want = wish.first_start or wish.start
        self._name_corrections = 0
        self._agreed = False  # to the last read-back
        self._wrong = "answer_day_time"  # how to put right what was wrong with the last read-back
        self._said: list[str] = []
        self.done = False  # the agent said that the wish is fulfilled
        self.yes_to_wrong = 0

    def respond(self, agent: str) -> str | None:
        """The next thing to say; None: hangs up."""
        heard = " ".join(agent.split())
        self._notice(heard)
        if "Goodbye!" in heard or len(self._said) >= PATIENCE:
            return None
        words = self._opener() if not self._said else self._reaction(heard)
        self._said.append(words)
        return words

    def _notice(self, heard: str) -> None:
        wish = self._wish
        if wish.task in (Task.FAQ, Task.HOURS):
            self.done |= bool(self._said) and plain(wish.answer) in plain(heard)
        elif wish.task is Task.GOODBYE:
            self.done |= "Goodbye!" in heard
        elif wish.task is Task.HUMAN:
            self.done |= "A colleague will call you back soon." in heard
        else:
            ending = {Task.MOVE: "is now on", Task.CANCEL: "is cancelled"}.get(wish.task, "is booked for")
            self.done |= ending in heard

    # --- wording ------------------------------------------------------------------------------------

    def _pick(self, kind: str, choices: list[str] | None = None) -> str:
        """Another wording each time, beginning anywhere."""
        found = choices or self._texts[kind][self._half]
        start = self._used.setdefault(kind, self._random.randrange(len(found)))
        self._used[kind] += 1
        return self._filled(str(found[start % len(found)]))

    def _filled(self, text: str) -> str:
        want, today = self._want, self._now.date()
        values = {"service": self._wish.service, "name": self._wish.name, "weekday": self._wish.weekday}
        if want is not None:
            values |= {"day": said_day(want.date(), today, self._style), "time": said_time(want.time(), self._style)}
        return text.format_map(values)

    def _opener(self) -> str:
        if self._wish.task is Task.FAQ:
            return self._pick("faq", self._texts["faq"][self._wish.article][self._half])
        return self._pick(_OPENERS[self._wish.task])

    # --- reactions ----------------------------------------------------------------------------------

    def _reaction(self, heard: str) -> str:
        self._style += 1  # nobody says it twice in the same way
        if "Let me repeat:" in heard or "I will move your" in heard:
            return self._check(heard)
        if "Shall I cancel it?" in heard:
            return self._pick("answer_yes" if self._wish.task is Task.CANCEL else "answer_no")
        if "call you back" in heard and heard.endswith("?") and "anything else" not in heard:
            return self._pick("answer_yes") if self._wish.task is Task.HUMAN else "no " + self._opener()
        if "call back?" in heard:
            return self._pick("answer_yes" if self._wish.task is Task.HUMAN else "answer_no")
        if "anything else" in heard:
            return self._pick("leave") if self.done else self._opener()
        return self._asked(heard)

    def _asked(self, heard: str) -> str:
        asked = next((kind for pattern, kind in _QUESTIONS if re.search(pattern, heard)), "")
        wants_slots = self._want is not None
        if asked == "answer_phone":
            return "five five five zero one two three"
        if asked == "answer_name" and self._wish.name:
            return self._pick("answer_name")
        if asked == "answer_offer" and wants_slots:
            return self._pick("answer_day_time")
        if asked == "answer_field" and wants_slots:
            self._name_corrections += self._wrong == "correct_name"
            if self._wrong == "correct_name" and self._name_corrections > 2 * NAME_CORRECTIONS:
                self._wrong = ""
                return self._pick("answer_yes")
            return self._pick(self._wrong or "answer_day_time")
        if asked == "confirm":
            return self._pick("answer_yes" if self._agreed else "answer_no")
        if asked and wants_slots and asked in self._texts:
            return self._pick(asked)
        return self._opener()

    def _check(self, heard: str) -> str:
        """Yes to what is right, the right value for what is wrong."""
        wish, want = self._wish, self._want
        told = read_back(heard, self._now)
        if wish.task is Task.BOOKING_CORRECTED and want == wish.first_start and told[1] == want:
            self._want = wish.start
            self._wrong, self._agreed = "correct_time", False
            return self._pick("change_mind")
        if wish.start is None or wish.task is Task.CANCEL:
            return self._pick("answer_no")
        assert want is not None
        self._wrong = self._mistake(*told, want)
        self._agreed = not self._wrong
        self._name_corrections += self._wrong == "correct_name"
        return self._pick(self._wrong or "answer_yes")

    def _mistake(self, service: str, start: datetime | None, name: str, want: datetime) -> str:
        """The kind of correction that a read-back needs; "" for none."""
        booking = self._wish.task in BOOKINGS
        if booking and plain(service) != plain(self._wish.service):
            return "correct_service"
        if start is None or start.date() != want.date():
            return "correct_day"
        if start.time() != want.time():
            return "correct_time"
        misspelled = booking and bool(name) and plain(name) != plain(self._wish.name)
        return "correct_name" if misspelled and self._name_corrections < NAME_CORRECTIONS else ""


# Most particular first: what the agent's words ask for.
_QUESTIONS = (
    (r"I could offer you", "answer_offer"),
    (r"Which one do you mean", "answer_service"),
    (r"would you like to come in for|Which service", "answer_service"),
    (r"day and time would|day and a time|other day or time|come instead|day or time", "answer_day_time"),
    (r"What day|tell me the day", "answer_day"),
    (r"What time|tell me a time", "answer_time"),
    (r"[Ww]hat name|last name|spell", "answer_name"),
    (r"telephone number", "answer_phone"),
    (r"to change", "answer_field"),
    (r"Shall I (book|move|cancel)|Is that right", "confirm"),
)
_READ_BACK = re.compile(
    r"Let me repeat: (?P<service>.+?), on (?P<when>.+?), (?:under your telephone number|for (?P<name>.+?))"
    r"(?:, telephone|\. Shall|\.$)"
)
_MOVED = re.compile(r"I will move your (?P<service>.+?) from .+? to (?P<when>.+?)\. Is that")


def read_back(heard: str, now: datetime) -> tuple[str, datetime | None, str]:
    """(service, start, name) as the agent repeated them."""
    match = _READ_BACK.search(heard) or _MOVED.search(heard)
    if match is None:
        return "", None, ""
    when = understand(tokens(match["when"]), now, bare_time=True)
    start = datetime.combine(when.day, when.clock) if when.day and when.clock else None
    return match["service"], start, match.groupdict().get("name") or ""


def plain(text: str) -> str:
    return " ".join(tokens(text))


def open_on(day: date, opens: time, closes: time) -> str:
    """What the agent says about a day with these hours."""
    return f"On {say_date(day)} we are open from {say_time(opens)} to {say_time(closes)}"
