"""A whole call by word lists: the same input gives the same analysis."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from pipelines.brain.ports import Service
from pipelines.events import EndReason
from voicecore.domain.analyses import Analysis
from voicecore.domain.calendar import Appointment
from voicecore.domain.calls import Call, CallStatus, Direction, Outcome, Sentiment, StoredTurn
from voicecore.services.analysis.judging import analysed
from voicecore.services.analysis.material import Material

BERLIN = ZoneInfo("Europe/Berlin")
BEGAN = datetime(2026, 1, 20, 15, tzinfo=UTC)
CLEANING = """Customer: Hello, I'd like to schedule an appointment for a cleaning next week.
Agent: Of course. How about Tuesday at ten?
Customer: That is great. How much does the cleaning cost?
Agent: It is 80 dollars. I will send you a confirmation by e-mail.
Customer: Perfect, thank you so much. Bye."""
BESCHWERDE = """Kunde: Guten Tag, ich möchte mich beschweren. Meine Lieferung kam schon wieder zu spät.
Agent: Das tut mir leid. Ich werde das prüfen und einen Kollegen bitten, Sie zurückzurufen.
Kunde: Das ist eine Frechheit. Ich bin sehr unzufrieden und will mein Geld zurück."""


def call(**facts: Any) -> Call:
    usual = {
        "uid": "call", "organization_uid": "org", "external_id": "call_1", "status": CallStatus.ENDED,
        "outcome": Outcome.COMPLETED, "end_reason": EndReason.CALLER_HANGUP, "from_number": "+15550200",
        "created_at": BEGAN, "answered_at": BEGAN, "ended_at": BEGAN + timedelta(minutes=3),
    }  # fmt: skip
    return Call(**{**usual, **facts})


def judged(**facts: Any) -> Analysis:
    around = {name: facts.pop(name) for name in list(facts) if name in Material.__struct_fields__}
    return analysed(Material(**{"call": call(**facts), "now": BEGAN.astimezone(BERLIN), **around}))


def turn(index: int, caller: str, agent: str, **facts: Any) -> StoredTurn:
    return StoredTurn(
        uid=f"turn{index}", call_uid="call", index=index, started_ms=index * 9000.0, caller_text=caller,
        generated_text=agent, heard_text=agent, **facts,
    )  # fmt: skip


def test_a_reported_call_in_english() -> None:
    found = judged(transcript=CLEANING, party_name="John Smith", services=[Service("Cleaning", 30)])
    assert (found.language, found.intent, found.sentiment) == ("en", "book_appointment", Sentiment.POSITIVE)
    assert found.topics == ("appointment", "pricing", "confirmation")
    words = {one.keyword for one in found.keywords}
    assert {"cleaning", "appointment", "pricing"} <= words
    assert not {"john", "smith"} & words
    assert found.summary.startswith("John Smith called to book an appointment.")
    assert found.action_items == ("Promised: I will send you a confirmation by e-mail.",)
    assert found.structured_outputs["customer"] == {"name": "John Smith", "phone": "+15550200"}
    assert found.structured_outputs["entities"]["service"] == "Cleaning"
    assert found.talk_time_ratio is not None
    assert 0.3 < found.talk_time_ratio < 0.6


def test_a_complaint_in_german() -> None:
    found = judged(transcript=BESCHWERDE, party_name="Erika Müller", language="en")
    assert (found.language, found.intent, found.sentiment) == ("de", "complaint", Sentiment.NEGATIVE)
    assert found.sentiment_score < -0.5
    assert found.quality_score <= 2
    assert "delivery" in found.topics
    assert "lieferung" in {one.keyword for one in found.keywords}
    assert found.summary.startswith("Erika Müller hatte eine Beschwerde.")
    assert "Der Beschwerde nachgehen: Erika Müller" in found.action_items


def booked(turns: list[StoredTurn]) -> Analysis:
    appointment = Appointment(
        uid="a", organization_uid="org", business_uid="b", external_id="apt_1", customer_name="Erika",
        resource_uid="r", service="Cleaning", starts_at=BEGAN + timedelta(days=1),
        ends_at=BEGAN + timedelta(days=1, minutes=30), created_at=BEGAN,
    )  # fmt: skip
    return judged(turns=turns, appointments=[appointment], party_name="Erika")


def test_our_own_call_knows_what_its_tools_did() -> None:
    result = msgspec.json.encode({"booked": {"id": "apt_1", "service": "Cleaning", "start": "2026-01-21T16:00:00"}})
    spans = {
        "caller_started_ms": 0.0, "caller_ended_ms": 1000.0, "agent_started_ms": 1500.0, "agent_ended_ms": 4500.0,
        "response_latency_ms": 500.0,
    }  # fmt: skip
    tools = [{"name": "book_appointment", "arguments": {}, "result": result.decode(), "seconds": 0.1}]
    found = booked([turn(0, "Tomorrow at five for a cleaning", "You are booked.", tools=tools, **spans)])
    assert found.intent == "book_appointment"
    assert found.summary == "Erika called to book an appointment. Booked: Cleaning, 2026-01-21 16:00."
    assert found.talk_time_ratio == 0.75  # three seconds of four
    assert found.quality_score == 5
    assert found.structured_outputs["appointment_booked"] is True
    assert found.structured_outputs["appointments"][0]["id"] == "apt_1"
    assert found.action_items == ()


def test_without_the_tools_trace_the_clock_is_the_businesss() -> None:
    assert "Booked: Cleaning, 2026-01-21 16:00." in booked([turn(0, "Tomorrow", "Done.")]).summary


def test_a_slow_agent_that_books_nothing_is_no_good_one() -> None:
    found = judged(turns=[turn(0, "I want to book an appointment", "Hm.", response_latency_ms=5000.0)])
    assert (found.intent, found.quality_score) == ("book_appointment", 2)
    assert found.action_items == ("Offer +15550200 an appointment: none was made",)


def test_a_missed_call_and_one_that_broke_off() -> None:
    missed = judged(outcome=Outcome.MISSED, answered_at=None)
    assert (missed.summary, missed.intent, missed.quality_score) == (
        "Missed call from +15550200.", "no_conversation", 1,
    )  # fmt: skip
    assert missed.action_items == ("Call +15550200 back",)
    assert missed.talk_time_ratio is None
    called = judged(outcome=Outcome.MISSED, direction=Direction.OUTBOUND, to_number="+15550300")
    assert (called.summary, called.action_items) == ("+15550300 was called and did not answer.", ())
    broken = judged(outcome=Outcome.FAILED, turns=[turn(0, "Do you have parking?", "Yes.")])
    assert broken.summary.endswith("The call ended because of a technical problem.")
    assert broken.action_items == ("Call +15550200 back: the call broke off",)


def test_a_promised_callback_is_to_be_made() -> None:
    found = judged(turns=[turn(0, "Somebody should look at my invoice", "They will.")], callbacks=["my invoice", ""])
    assert found.intent == "request_callback"
    assert found.action_items == ("Call +15550200 back: my invoice", "Call +15550200 back")


def test_what_was_reported_stands() -> None:
    found = judged(transcript=CLEANING, notes="Wants a cleaning.", sentiment=Sentiment.NEGATIVE)
    assert (found.summary, found.sentiment) == ("Wants a cleaning.", Sentiment.NEGATIVE)
    assert found.sentiment_score < 0


def test_any_text_is_understood_somehow() -> None:
    for text in ("", "::::", "🦷" * 500, "a" * 5000, "Customer:\nAgent:", "Привет, как дела?", "\n" * 50, "no " * 3000):
        found = judged(transcript=text)
        assert len(found.summary) <= 1000
        assert msgspec.json.encode(found)


def test_an_ordinary_call_costs_little() -> None:
    turns = [turn(i, "Hello, I would like to know what a cleaning costs.", "It costs 80 dollars.") for i in range(10)]
    material = Material(call=call(), now=BEGAN.astimezone(BERLIN), turns=turns, services=[Service("Cleaning", 30)])
    analysed(material)
    began = time.process_time()
    for _ in range(10):
        analysed(material)
    assert (time.process_time() - began) / 10 < 0.1  # seconds; about a fiftieth of it on an ordinary machine
