"""Whole conversations with the receptionist, as screenplays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest

from pipelines.stages import Expect

Ring = Callable[..., Any]
TUESDAY_THREE = ("Checkup", "2026-12-01 15:00", "Sarah Johnson")


async def taken(line: Any, start: str, service: str = "Checkup", name: str = "Somebody Else") -> None:
    at = datetime.fromisoformat(start).replace(tzinfo=line.now.tzinfo)
    await line.calendar.book(at, service, name, "+44000")


BOOKINGS: list[tuple[str, list[str], tuple[str, str, str]]] = [
    (
        "everything at once",
        ["i'd like a checkup next tuesday at three my name is sarah johnson", "yes"],
        TUESDAY_THREE,
    ),
    (
        "one thing at a time",
        ["i need an appointment", "a checkup", "december first", "three p m", "sarah johnson", "yes please"],
        TUESDAY_THREE,
    ),
    (
        "time before day before service",
        ["can i come in at three", "next tuesday", "it's for a checkup", "this is sarah johnson", "that's right"],
        TUESDAY_THREE,
    ),
    (
        "typed with digits and punctuation",
        ["Hi! I'd like to book a check-up on 2026-12-01 at 3:00pm.", "My name is Sarah Johnson.", "Yes, please!"],
        TUESDAY_THREE,
    ),
    (
        "slashes",
        ["book a checkup 12/1 at 15:00", "Sarah Johnson", "yes"],
        TUESDAY_THREE,
    ),
    (
        "day corrected at the read-back",
        ["checkup wednesday at three", "sarah johnson", "no next tuesday", "yes"],
        TUESDAY_THREE,
    ),
    (
        "time corrected at the read-back",
        ["a checkup next tuesday at two", "sarah johnson", "actually at three", "yes that's correct"],
        TUESDAY_THREE,
    ),
    (
        "corrected within one sentence",
        ["i want a checkup next tuesday no not tuesday wednesday at ten", "tom baker", "yes"],
        ("Checkup", "2026-11-25 10:00", "Tom Baker"),
    ),
    (
        "asked what to change",
        ["a checkup next tuesday at two", "sarah johnson", "no", "the time", "three", "yes"],
        TUESDAY_THREE,
    ),
    (
        "name corrected",
        ["a checkup next tuesday at three", "sara jones", "no the name is sarah johnson", "yes"],
        TUESDAY_THREE,
    ),
    (
        "service corrected",
        ["a cleaning next tuesday at three", "sarah johnson", "no i want a checkup", "yes"],
        TUESDAY_THREE,
    ),
    (
        "recognition errors",
        ["i like to book and a pointment", "check up", "tuesday december first", "at tree p m", "sarah johnson", "yes"],
        TUESDAY_THREE,
    ),
    (
        "a question in between",
        ["a checkup next tuesday at three", "how long does it take", "sarah johnson", "yes"],
        TUESDAY_THREE,
    ),
    (
        "as soon as possible",
        ["i need a filling as soon as possible", "yes", "tom baker", "yes"],
        ("Filling", "2026-11-24 10:30", "Tom Baker"),
    ),
    (
        "a morning, the second offer",
        ["can i have a cleaning on friday morning", "the second one", "tom baker", "yes"],
        ("Cleaning", "2026-11-27 10:30", "Tom Baker"),
    ),
    (
        "any time after four",
        ["a checkup tomorrow any time after four", "half past four", "tom baker", "yes"],
        ("Checkup", "2026-11-25 16:30", "Tom Baker"),
    ),
    (
        "closed on saturday",
        ["a checkup on saturday at ten", "the first one", "tom baker", "yes"],
        ("Checkup", "2026-11-30 09:30", "Tom Baker"),
    ),
    (
        "a day that is over",
        ["a checkup today at nine", "eleven", "tom baker", "yes"],
        ("Checkup", "2026-11-24 11:00", "Tom Baker"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("said", "booked"), [b[1:] for b in BOOKINGS], ids=[b[0] for b in BOOKINGS])
async def test_books_what_was_asked_for(ring: Ring, said: list[str], booked: tuple[str, str, str]) -> None:
    line = ring()
    for text in said[:-1]:
        await line.say(text)
        assert line.booked == [], f"booked before the yes: {text}"
    assert "book_appointment" not in line.tools
    assert line.expect is Expect.YES_NO
    last = await line.say(said[-1])
    assert line.booked == [booked]
    assert "is booked for" in last


async def test_reads_everything_back(ring: Ring) -> None:
    reply = await ring().say("i'd like a checkup next tuesday at three my name is sarah johnson")
    assert "checkup, on Tuesday, December first at three p.m., for Sarah Johnson. Shall I book it?" in reply


@pytest.mark.parametrize(
    "unclear", ["chair water", "yes no", "yes but", "maybe", "", "no", "the", "yes at four", "next week", "know"]
)
async def test_an_unclear_answer_books_nothing(ring: Ring, unclear: str) -> None:
    line = ring()
    await line.say("i'd like a checkup next tuesday at three my name is sarah johnson")
    reply = await line.say(unclear)
    assert line.booked == []
    assert reply.endswith("?") or "yes or no" in reply


async def test_a_readback_that_was_not_heard_is_read_again(ring: Ring) -> None:
    line = ring()
    full = await line.say("i'd like a checkup next tuesday at three my name is sarah johnson", heard_words=6)
    assert await line.say("yes") == full
    assert line.booked == []
    assert "is booked" in await line.say("yes")
    assert line.booked == [TUESDAY_THREE]


async def test_a_readback_never_heard_at_all_is_read_again(ring: Ring) -> None:
    line = ring()
    await line.say("i'd like a checkup next tuesday at three my name is sarah johnson", heard_words=0)
    assert "Let me repeat" in await line.say("yes")
    assert line.booked == []


async def test_a_yes_into_the_final_question_counts(ring: Ring) -> None:
    line = ring()
    full = await line.say("i'd like a checkup next tuesday at three my name is sarah johnson")
    heard = len(full.split()) - 2
    other = ring()
    await other.say("i'd like a checkup next tuesday at three my name is sarah johnson", heard_words=heard)
    await other.say("yes")
    assert other.booked == [TUESDAY_THREE]


async def test_a_taken_time_gets_alternatives(ring: Ring) -> None:
    line = ring()
    await taken(line, "2026-12-01T15:00")
    reply = await line.say("i'd like a checkup next tuesday at three my name is sarah johnson")
    assert "three p.m. on Tuesday, December first is not free" in reply
    assert "two thirty p.m. or three thirty p.m." in reply
    await line.all("three thirty", "yes")
    assert ("Checkup", "2026-12-01 15:30", "Sarah Johnson") in line.booked


async def test_a_time_that_is_lost_after_the_readback_is_not_booked(ring: Ring) -> None:
    line = ring()
    await line.say("i'd like a checkup next tuesday at three my name is sarah johnson")
    await taken(line, "2026-12-01T15:00")
    reply = await line.say("yes")
    assert "just been taken" in reply
    assert len(line.booked) == 1
    await line.all("the first one", "yes")
    assert ("Checkup", "2026-12-01 14:30", "Sarah Johnson") in line.booked


async def test_outside_opening_hours_is_refused_with_alternatives(ring: Ring) -> None:
    reply = await ring().say("a checkup on friday at eight p m for tom baker")
    assert "is not free" in reply
    assert "three thirty p.m." in reply


async def test_no_other_day_keeps_the_time(ring: Ring) -> None:
    line = ring()
    await line.all("a checkup on sunday at three", "no on tuesday", "sarah johnson", "yes")
    assert line.booked == [TUESDAY_THREE]


async def test_weekday_and_date_that_contradict_are_asked_again(ring: Ring) -> None:
    line = ring()
    reply = await line.say("a checkup on monday december first at three")
    assert "not sure which day" in reply
    await line.all("tuesday december first", "sarah johnson", "yes")
    assert line.booked == [TUESDAY_THREE]


async def test_moves_an_appointment_after_a_yes(ring: Ring) -> None:
    line = ring()
    await line.all("i'd like a checkup friday at ten my name is anna lee", "yes")
    reply = await line.say("i need to reschedule my appointment")
    assert "Friday, November twenty seventh at ten a.m." in reply
    reply = await line.say("thursday at two")
    assert "to Thursday, November twenty sixth at two p.m." in reply
    assert line.booked == [("Checkup", "2026-11-27 10:00", "Anna Lee")]
    await line.say("yes")
    assert line.booked == [("Checkup", "2026-11-26 14:00", "Anna Lee")]


async def test_moves_from_a_named_day(ring: Ring) -> None:
    line = ring()
    await line.all("i'd like a checkup friday at ten my name is anna lee", "yes")
    await line.all("can you move my appointment on friday", "monday at nine", "yes")
    assert line.booked == [("Checkup", "2026-11-30 09:00", "Anna Lee")]


async def test_cancels_after_a_yes_only(ring: Ring) -> None:
    line = ring()
    await line.all("i'd like a checkup friday at ten my name is anna lee", "yes")
    assert "Shall I cancel it?" in await line.say("please cancel my appointment")
    assert "stays as it is" in await line.say("no")
    assert len(line.booked) == 1
    await line.all("cancel my appointment", "yes")
    assert line.booked == []


async def test_finds_an_appointment_by_name_when_the_number_is_unknown(ring: Ring) -> None:
    line = ring(caller_phone="+449999")
    await taken(line, "2026-11-27T10:00", name="Anna Lee")
    reply = await line.say("i have to cancel my appointment")
    assert "under your number" in reply
    assert line.expect is Expect.NAME
    await line.all("anna lee", "yes")
    assert line.booked == []


async def test_asks_which_of_two_appointments(ring: Ring) -> None:
    line = ring()
    await line.all("a checkup friday at ten my name is anna lee", "yes")
    await line.all("book a cleaning on monday at nine", "yes")
    assert "Which one do you mean?" in await line.say("cancel my appointment")
    await line.all("the one on monday", "yes")
    assert line.booked == [("Checkup", "2026-11-27 10:00", "Anna Lee")]


async def test_tells_when_the_appointment_is(ring: Ring) -> None:
    line = ring()
    await line.all("a checkup friday at ten my name is anna lee", "yes")
    assert "Friday, November twenty seventh at ten a.m." in await line.say("when is my appointment")


async def test_asks_for_the_number_when_the_line_does_not_tell_it(ring: Ring) -> None:
    line = ring(caller_phone="")
    await line.say("i'd like a checkup next tuesday at three my name is sarah johnson")
    assert line.expect is Expect.PHONE
    reply = await line.say("oh two oh seven nine four six oh one two three")
    assert "zero two zero, seven nine four, six zero one, two three" in reply
    await line.say("yes")
    assert line.calendar.appointments[0].customer_phone == "02079460123"


HOURS = [
    ("what are your opening hours", "Monday to Thursday from nine a.m. to six p.m. and Friday"),
    ("what are our hours", "Monday to Thursday"),
    ("are you open on sunday", "On Sunday, November twenty ninth we are closed"),
    ("are you open right now", "Yes, we are open right now, until six p.m."),
    ("are you open tomorrow at five", "Yes, on Wednesday, November twenty fifth at five p.m. we are open"),
    ("are you open on friday at five p m", "No, on Friday, November twenty seventh at five p.m. we are closed"),
    ("when do you close today", "On Tuesday, November twenty fourth we are open from nine a.m. to six p.m."),
    ("Are you open tomorrow?", "On Wednesday, November twenty fifth we are open"),
]


@pytest.mark.parametrize(("asked", "told"), HOURS, ids=[h[0] for h in HOURS])
async def test_opening_hours(ring: Ring, asked: str, told: str) -> None:
    assert told in await ring().say(asked)


QUESTIONS = [
    ("where can i park", "car park"),
    ("is there parking at your place", "car park"),
    ("how much is a check up", "forty pounds"),
    ("what does a cleaning cost", "seventy pounds"),
    ("do you take my insurance", "insurance plans"),
    ("can i pay by credit card", "by card"),
    ("where are you located", "Mill Lane"),
    ("what's your address please", "Mill Lane"),
    ("i have a terrible toothache", "call before ten"),
    ("do you treat kids", "Children are welcome"),
    ("what is your cancellation policy", "twenty four hours before"),
    ("are you wheelchair accessible", "ground floor"),
    ("how long does a cleaning take", "one hour"),
    ("who are the dentists", "Helen Moore"),
    ("what do i need to bring", "insurance card"),
]


@pytest.mark.parametrize(("asked", "told"), QUESTIONS, ids=[q[0] for q in QUESTIONS])
async def test_questions_are_answered_from_the_articles(ring: Ring, asked: str, told: str) -> None:
    assert told in await ring().say(asked)


async def test_lists_the_services(ring: Ring) -> None:
    assert "checkup, cleaning, filling and whitening" in await ring().say("what services do you offer")


async def test_asks_twice_in_other_words_then_offers_a_call_back_and_goes_on(ring: Ring) -> None:
    line = ring()
    first, second = await line.say("flurb"), await line.say("gargle bla")
    assert first != second
    third = await line.say("xx yy")
    assert "call you back" in third
    assert line.expect is Expect.YES_NO
    assert line.control.callbacks == []
    assert "will call you back" in await line.say("yes")
    assert [phone for _, phone, _ in line.control.callbacks] == ["+442079460111"]
    assert "car park" in await line.say("where can i park")


async def test_silence_and_garbage_are_asked_again(ring: Ring) -> None:
    line = ring()
    assert "didn't catch that" in await line.say("")
    assert "still" in await line.say("   ...  uh ")


async def test_a_refused_call_back_goes_on(ring: Ring) -> None:
    line = ring()
    await line.all("xx", "yy", "zz")
    await line.say("no")
    assert line.control.callbacks == []
    assert "closed" in await line.say("are you open on sunday")


async def test_a_request_for_a_human_is_taken_up(ring: Ring) -> None:
    line = ring()
    assert "call you back" in await line.say("can i speak to a real person please")
    await line.say("yes")
    assert len(line.control.callbacks) == 1


async def test_a_call_back_asks_for_an_unknown_number(ring: Ring) -> None:
    line = ring(caller_phone="")
    await line.all("can i talk to someone", "yes")
    assert line.expect is Expect.PHONE
    await line.say("oh two oh seven nine four six oh")
    assert [phone for _, phone, _ in line.control.callbacks] == ["02079460"]


async def test_a_day_alone_takes_no_offered_time(ring: Ring) -> None:
    line = ring()
    assert "Which would you like?" in await line.say("i'd like a checkup next week")
    assert "What time would you like?" in await line.say("tuesday")
    await line.all("three", "sarah johnson", "yes")
    assert line.booked == [TUESDAY_THREE]


async def test_what_is_free_leads_to_offers(ring: Ring) -> None:
    line = ring()
    await line.say("i'd like a checkup on friday")
    assert "nine a.m., twelve thirty p.m. or three thirty p.m." in await line.say("what times do you have")


async def test_repeats_on_request(ring: Ring) -> None:
    line = ring()
    first = await line.say("where can i park")
    assert await line.say("could you repeat that") == first


@pytest.mark.parametrize(
    "words", ["bye", "good by", "goodbye thank you", "that's all thanks", "by by", "no thanks bye"]
)
async def test_goodbye_ends_the_call(ring: Ring, words: str) -> None:
    line = ring()
    await line.say("where can i park")
    assert "Goodbye" in await line.say(words)
    assert line.control.ended


async def test_never_mind_books_nothing(ring: Ring) -> None:
    line = ring()
    await line.say("i'd like a checkup next tuesday at three my name is sarah johnson")
    assert "not changed anything" in await line.say("never mind")
    assert "Goodbye" in await line.say("no thank you")
    assert line.booked == []


async def test_the_order_desk_notes_an_order(ring: Ring) -> None:
    line = ring("order_desk")
    assert "fourteen" in await line.say("how much is a large pizza")
    reply = await line.say("i'd like to order two large margherita pizzas")
    assert "two large margherita pizzas. Shall I pass that on?" in reply
    assert line.control.callbacks == []
    await line.say("yes")
    assert line.control.callbacks[0][2] == "Order: two large margherita pizzas"


async def test_an_agent_without_booking_offers_a_call_back(ring: Ring) -> None:
    reply = await ring("order_desk").say("i'd like to book an appointment")
    assert "can't make appointments" in reply
    assert "call you back" in reply


GERMAN = [
    (["Ich hätte gern morgen um halb vier einen Haarschnitt.", "Mein Name ist Anna Müller.", "Ja, bitte."],
     ("Haarschnitt", "2026-11-25 15:30", "Anna Müller")),
    (["ich brauche einen termin", "färben", "nächsten donnerstag", "um zehn uhr", "peter schmidt", "ja"],
     ("Färben", "2026-12-03 10:00", "Peter Schmidt")),
    (["einen haarschnitt am vierten dezember um viertel nach drei", "halb vier", "schmidt", "genau"],
     ("Haarschnitt", "2026-12-04 15:30", "Schmidt")),
    (["haarschnitt am freitag um elf uhr auf den namen weber", "nein lieber um zwölf", "ja"],
     ("Haarschnitt", "2026-11-27 12:00", "Weber")),
]  # fmt: skip


@pytest.mark.parametrize(("said", "booked"), GERMAN, ids=[g[0][0] for g in GERMAN])
async def test_german_booking(ring: Ring, said: list[str], booked: tuple[str, str, str]) -> None:
    line = ring("empfang")
    await line.all(*said[:-1])
    assert line.booked == []
    await line.say(said[-1])
    assert line.booked == [booked]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("Wann haben Sie geöffnet?", "Donnerstag von neun Uhr bis zwanzig Uhr"),
        ("haben sie am sonntag offen", "Am Sonntag, den neunundzwanzigsten November haben wir geschlossen"),
        ("was kostet ein haarschnitt", "fünfunddreißig Euro"),
        ("kann ich mit karte zahlen", "mit Karte"),
        ("wo kann ich parken", "Hof"),
    ],
)
async def test_german_questions(ring: Ring, asked: str, told: str) -> None:
    assert told in await ring("empfang").say(asked)


async def test_german_cancellation_and_goodbye(ring: Ring) -> None:
    line = ring("empfang")
    await line.all("haarschnitt am freitag um elf uhr auf den namen weber", "ja")
    await line.say("ich möchte meinen termin absagen")
    assert len(line.booked) == 1
    await line.say("ja")
    assert line.booked == []
    assert "Auf Wiederhören" in await line.say("nein danke, tschüss")
    assert line.control.ended


async def test_the_same_messages_give_the_same_words_without_any_memory(ring: Ring) -> None:
    """A second receptionist that never saw the call goes on where the first stands."""
    line, other = ring(), ring()
    await line.all("i need an appointment", "a checkup", "december first")
    other.messages = [msgspec.structs.replace(m) for m in line.messages]
    assert await other.say("three p m") == await line.say("three p m")
    assert other.expect is line.expect is Expect.NAME
