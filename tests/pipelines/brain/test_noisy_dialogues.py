"""Callers who want one certain appointment, heard through a recogniser that errs: nothing wrong is ever booked."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

import pytest

from pipelines.brain.dates import say_date, say_time
from pipelines.brain.tokens import word_list
from pipelines.stages import Expect

SERVICES = ("Checkup", "Cleaning", "Filling")
NAMES = ("Sarah Johnson", "Tom Baker", "Maria Lopez", "Peter Hill", "Emma Stone", "David Clark")
HOMOPHONES = {
    "two": "to", "to": "two", "four": "for", "for": "four", "eight": "ate", "one": "won", "hour": "our",
    "hours": "our", "by": "bye", "no": "know", "right": "write", "i'd": "i", "three": "tree",
    "thirty": "thirteen", "fifteen": "fifty", "a": "the", "checkup": "check", "cleaning": "clean",
}  # fmt: skip
STRAY = word_list(
    "the a and to for it of in that is was so then well monday tuesday friday nine ten two four thirty cleaning "
    "filling appointment time day name morning house chair water people"
)
TURNS = 24


def noisy(text: str, rate: float, rng: random.Random) -> str:
    """Words dropped, exchanged, inserted, as a recogniser does; `rate` is the share of words hit."""
    out = []
    for word in text.split():
        hit = rng.random()
        if hit < rate * 0.3:
            continue
        if hit < rate * 0.65:
            out.append(HOMOPHONES.get(word, word))
        elif hit < rate * 0.9:
            out.append(rng.choice(STRAY))
        else:
            out.append(word)
            if hit > 1 - rate * 0.1:
                out.append(rng.choice(STRAY))
    return " ".join(out)


class Caller:
    """Knows what they want, checks what is read back, corrects what is wrong."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.service = rng.choice(SERVICES)
        self.name = rng.choice(NAMES)
        self.day = date(2026, 11, 25) + timedelta(days=rng.randrange(21))
        while self.day.weekday() > 4:
            self.day += timedelta(days=1)
        self.clock = time(rng.randrange(9, 15), rng.choice((0, 30)))

    def _when(self) -> str:
        spoken = say_date(self.day).replace(",", "").lower()
        weekday, _, month_day = spoken.partition(" ")
        near = (self.day - date(2026, 11, 24)).days < 7
        days = [spoken, month_day] + ([weekday, f"on {weekday}"] if near else [])
        return self.rng.choice(days)

    def _time(self) -> str:
        return say_time(self.clock).replace(".m.", " m") if self.rng.random() < 0.6 else self._bare_time()

    def _bare_time(self) -> str:
        words = say_time(self.clock).rsplit(" ", 1)[0] if self.clock.hour != 12 or self.clock.minute else "noon"
        return words if self.clock.minute == 0 or self.rng.random() < 0.5 else words.replace(" oh", "")

    def opening(self) -> str:
        return self.rng.choice((
            "hi i'd like to book an appointment please",
            f"i'd like a {self.service.lower()} {self._when()} at {self._time()}",
            f"can i book a {self.service.lower()}",
            f"hello my name is {self.name.lower()} i need an appointment for a {self.service.lower()}",
            f"i need a {self.service.lower()} on {self._when()}",
        ))  # fmt: skip

    def answer(self, reply: str, expect: Expect) -> str:
        if "repeat:" in reply:
            return self._check(reply)
        if "call you back" in reply or "call back" in reply:
            return "no thank you"
        if "to change" in reply or expect is Expect.DATE_TIME:
            return f"{self._when()} at {self._time()}"
        if expect is Expect.YES_NO:
            return "no"  # what it refers to was not repeated: have it read back again
        answers = {
            Expect.SERVICE: f"a {self.service.lower()} please",
            Expect.DATE: self._when(),
            Expect.TIME: f"at {self._time()}",
            Expect.NAME: f"my name is {self.name.lower()}" if self.rng.random() < 0.5 else self.name.lower(),
        }
        return answers.get(expect, self.opening())

    def _check(self, reply: str) -> str:
        if self.service.lower() not in reply.lower():
            return f"no i want a {self.service.lower()}"
        if say_date(self.day) not in reply or f"at {say_time(self.clock)}," not in reply:
            return f"no {self._when()} at {self._time()}"
        if f"for {self.name}." not in reply:
            return f"no my name is {self.name.lower()}"
        return self.rng.choice(("yes", "yes please", "yes that's right", "yeah that's correct"))


async def _call(seed: int, rate: float, ring: Callable[..., Any]) -> tuple[bool, bool, int]:
    """(completed, something wrong was booked, turns)."""
    rng = random.Random(seed)
    caller, line = Caller(rng), ring()
    text = caller.opening()
    turns = 0
    while turns < TURNS:
        turns += 1
        reply = await line.say(noisy(text, rate, rng))
        if line.booked or line.control.ended:
            break
        text = caller.answer(reply, line.expect)
    wanted = (caller.service, f"{caller.day} {caller.clock:%H:%M}", caller.name)
    return line.booked == [wanted], bool(line.booked) and line.booked != [wanted], turns


@pytest.mark.parametrize(
    ("rate", "at_least"), [(0.0, 1.0), (0.1, 0.97), (0.2, 0.93), (0.3, 0.80)], ids=lambda value: str(value)
)
async def test_callers_get_their_appointment_and_never_another(
    rate: float, at_least: float, ring: Callable[..., Any], record_property: Callable[[str, object], None]
) -> None:
    calls = 100
    results = [await _call(seed, rate, ring) for seed in range(calls)]
    completed = sum(done for done, _, _ in results) / calls
    record_property("completed", completed)
    record_property("turns", sum(turns for *_, turns in results) / calls)
    assert [seed for seed, (_, wrong, _) in enumerate(results) if wrong] == []
    assert completed >= at_least
