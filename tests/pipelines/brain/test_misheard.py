"""What real calls with strange voices did to the receptionist: each test is a class of mishearing it survives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import Any

import pytest

from pipelines.brain.dates import understand
from pipelines.brain.lexicon import lexicon
from pipelines.brain.names import corrected_name, find_name
from pipelines.brain.tokens import tokens

Ring = Callable[..., Any]
NOW = datetime(2026, 11, 24, 10, 5)
TO_THE_NAME = ("i'd like to book a checkup", "friday at ten")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my crown verify if i find", ""),
        ("can we olson please", "Olson"),
        ("my medium james wilson", "James Wilson"),
        ("i might need to find out", ""),
        ("it's emily for it", "Emily"),
        ("my name is emily carter please", "Emily Carter"),
        ("my name is krzysztof nowak", "Krzysztof Nowak"),
    ],
)
def test_ordinary_words_are_nobodys_name(text: str, name: str) -> None:
    assert find_name(tokens(text), lexicon("en"), asked=True) == name


def test_a_refusal_may_carry_only_names_beyond_doubt() -> None:
    assert corrected_name(tokens("no could you wilson")) == "Wilson"
    assert corrected_name(tokens("no not the day")) == ""


async def test_a_name_is_corrected_in_the_middle_of_noise(ring: Ring) -> None:
    line = ring()
    await line.all(*TO_THE_NAME, "olson")
    assert "for Wilson." in await line.say("no could you wilson")


async def test_a_name_not_understood_twice_gives_way_to_the_number(ring: Ring) -> None:
    line = ring()
    await line.all(*TO_THE_NAME)
    assert "spell it" in await line.say("my crown verify if i find")
    assert "under your telephone number. Shall I book it?" in await line.say("we may if i find the")
    await line.say("yes")
    assert line.booked == [("Checkup", "2026-11-27 10:00", "+442079460111")]


async def test_without_a_number_the_name_is_asked_for_on(ring: Ring) -> None:
    line = ring(caller_phone="")
    assert "under your" not in await line.all(*TO_THE_NAME, "verify", "we may if i find the")
    assert line.booked == []


async def test_a_day_heard_in_a_name_does_not_move_the_appointment(ring: Ring) -> None:
    line = ring()
    assert "Friday, November twenty seventh at ten a.m., for Rita" in await line.all(
        *TO_THE_NAME, "my name is rita am monday"
    )


async def test_digits_that_nobody_called_a_number_are_no_number(ring: Ring) -> None:
    line = ring()
    reply = await line.all(*TO_THE_NAME, "tom baker", "one one eight one eight eight and what was that one please")
    assert "telephone" not in reply


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("how about can thirty a.m.", time(10, 30)),
        ("half past can", time(10, 30)),
        ("at nine i am", time(9)),
        ("then o'clock", time(10)),
        ("i can come", None),
    ],
)
def test_times_misheard(text: str, clock: time | None) -> None:
    assert understand(tokens(text), NOW, bare_time=True).clock == clock


def test_a_date_that_has_just_gone_by_is_not_meant_for_next_year() -> None:
    assert understand(tokens("november third"), NOW).past
    assert understand(tokens("november third twenty twenty seven"), NOW).day is not None
    assert not understand(tokens("january third"), NOW).past


async def test_a_proposal_is_no_question_to_the_articles(ring: Ring) -> None:
    line = ring()
    await line.all("i'd like to book a checkup", "friday")
    await line.say("how about ma'am")
    assert line.tools == []


@pytest.mark.parametrize(
    "text",
    [
        "hello could i come in on november thirtieth at half past two",
        "november thirtieth at half past two",
        "can i have to look appointment please",
        "i need to see the dentist",
    ],
)
async def test_half_of_a_wish_is_enough_to_begin(ring: Ring, text: str) -> None:
    assert await ring().say(text) == "What would you like to come in for?"


async def test_a_moment_within_noise_is_no_request_to_wait(ring: Ring) -> None:
    line = ring()
    reply = await line.all("i'd like to book a checkup", "how about on a moment move up the that friday")
    assert reply != "Of course, take your time."


async def test_ones_own_appointment_is_no_question_to_the_articles(ring: Ring) -> None:
    line = ring()
    await line.all(*TO_THE_NAME, "anna lee", "yes")
    assert "Your checkup is on Friday" in await line.say("when is my appointment")


async def test_a_name_in_answer_to_an_offer_keeps_the_offer(ring: Ring) -> None:
    line = ring()
    await line.say("a checkup on saturday at ten")
    assert "I could offer you Monday" in await line.say("my name is sarah johnson")
    await line.all("the second one", "yes")
    assert line.booked == [("Checkup", "2026-11-30 10:00", "Sarah Johnson")]


async def test_a_refusal_with_noise_is_no_reason_to_give_up(ring: Ring) -> None:
    line = ring()
    await line.all(*TO_THE_NAME, "tom baker", "no")
    assert "not changed anything" not in await line.say("no make it on wheeler")
    assert "at eleven a.m., for Tom Baker" in await line.say("at eleven")


async def test_an_evening_heard_in_a_service_does_not_move_the_appointment(ring: Ring) -> None:
    line = ring()
    await line.all("i'd like an appointment on friday at ten", "it's for the evening")
    assert "What name" in await line.say("just a filling")


async def test_a_different_time_for_an_appointment_is_a_move(ring: Ring) -> None:
    line = ring()
    await line.all(*TO_THE_NAME, "tom baker", "yes")
    assert "I found your checkup" in await line.say("i have an appointment but i need a different time")


async def test_sorry_and_a_question_is_no_request_to_repeat(ring: Ring) -> None:
    line = ring()
    await line.all(*TO_THE_NAME, "olson", "no")
    assert (await line.say("sorry what exit are you in")).startswith("Sorry, I didn't quite get that.")
    assert "Karen Lewis" in await line.say("sorry my name is karen lewis")
