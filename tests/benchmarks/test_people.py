"""Benchmark callers agree to what is right and to nothing else."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest

from benchmarks.people import Person, Task, Wish, read_back, said_day, said_time, wordings
from pipelines.brain.dates import understand
from pipelines.brain.tokens import tokens

NOW = datetime(2026, 11, 22, 10, 0)
START = datetime(2026, 11, 24, 9, 0)
BOOKING = Wish(task=Task.BOOKING_SENTENCE, service="cleaning", start=START, name="anna davis")
RIGHT = "Let me repeat: cleaning, on Tuesday, November twenty fourth at nine a.m., for Anna Davis. Shall I book it?"


def person(wish: Wish = BOOKING, seed: int = 0) -> Person:
    one = Person(wish, wordings(), "dev", NOW, seed)
    one.respond("Hello, how can I help you?")
    return one


@pytest.mark.parametrize("ahead", range(1, 20))
@pytest.mark.parametrize("style", range(4))
def test_a_day_is_said_so_that_it_means_that_day(ahead: int, style: int) -> None:
    day = NOW.date() + timedelta(days=ahead)
    assert understand(tokens(said_day(day, NOW.date(), style)), NOW).day == day


@pytest.mark.parametrize("clock", [time(9), time(10, 30), time(12), time(13, 30), time(16, 30)])
@pytest.mark.parametrize("style", range(2))
def test_a_time_is_said_so_that_it_means_that_time(clock: time, style: int) -> None:
    assert understand(tokens("at " + said_time(clock, style)), NOW).clock == clock


def test_a_read_back_is_understood() -> None:
    assert read_back(RIGHT, NOW) == ("cleaning", START, "Anna Davis")
    under_number = RIGHT.replace("for Anna Davis", "under your telephone number")
    assert read_back(under_number, NOW) == ("cleaning", START, "")


@pytest.mark.parametrize("seed", range(6))
def test_yes_is_said_to_what_is_right(seed: int) -> None:
    assert person(seed=seed).respond(RIGHT) in wordings()["answer_yes"]["dev"]


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("cleaning", "filling", "cleaning"),
        ("Tuesday, November twenty fourth", "Friday, November twenty seventh", "tuesday"),
        ("nine a.m.", "ten a.m.", "nine"),
        ("Anna Davis", "Anna Baker", "anna davis"),
    ],
)
def test_what_is_wrong_is_put_right(right: str, wrong: str, named: str) -> None:
    reply = person().respond(RIGHT.replace(right, wrong)) or ""
    assert reply.startswith("no")
    assert named in reply or (named == "tuesday" and "november twenty fourth" in reply)


def test_who_wants_no_appointment_confirms_none() -> None:
    asker = person(Wish(task=Task.HOURS, weekday="saturday", answer="On Saturday we are closed"))
    assert asker.respond(RIGHT) in wordings()["answer_no"]["dev"]


def test_a_fulfilled_wish_ends_the_call() -> None:
    booker = person()
    thanks = booker.respond("Your cleaning is booked for Tuesday. Is there anything else I can do for you?")
    assert booker.done
    assert thanks in wordings()["leave"]["dev"]
    assert booker.respond("Thank you for calling. Goodbye!") is None


def test_the_halves_share_no_opening() -> None:
    texts = wordings()
    halves = [*texts["faq"].values(), *(texts[k] for k in ("hours", "booking_sentence", "booking_open", "move"))]
    assert all(not set(half["dev"]) & set(half["held_out"]) for half in halves)
