"""What a message was about, in the words of clients."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.brain.dialogue import ToolRan
from pipelines.brain.ports import Service
from pipelines.brain.understanding import Context, read
from pipelines.stages import ToolCall
from voicecore.services.intents import done, understood

NOW = datetime(2030, 1, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "text", "intent", "thing"),
    [
        ("en", "I would like to book an appointment", "book_appointment", "appointment"),
        ("en", "I need to reschedule my appointment", "reschedule_appointment", "appointment"),
        ("de", "Ich möchte meinen Termin verschieben.", "reschedule_appointment", "appointment"),
        ("de", "Ich möchte meinen Termin absagen.", "cancel_appointment", "appointment"),
        ("en", "When are you open?", "opening_hours", "opening_hours"),
        ("en", "What does parking cost?", "ask_question", None),
        ("en", "hmm", "other", None),
    ],
)
def test_intents(language: str, text: str, intent: str, thing: str | None) -> None:
    found = understood(read(text, Context(now=NOW, language=language)), "")
    assert (found.intent, found.entities.get("object")) == (intent, thing)


def test_an_answer_belongs_to_what_is_going_on() -> None:
    context = Context(now=NOW, language="en", services=[Service("Cleaning", 30)])
    heard = read("tomorrow at ten a.m. please", context)
    found = understood(heard, "appointment")
    assert (found.intent, found.topic) == ("book_appointment", "appointment")
    assert (found.entities["date"], found.entities["time"]) == ("2030-01-22", "10:00")


def test_what_tools_changed_is_told() -> None:
    ran = [
        ToolRan(ToolCall("1", "list_services", {}), '{"services": []}', 0, 1),
        ToolRan(ToolCall("2", "book_appointment", {}), '{"booked": {"id": "apt_1"}}', 0, 1),
        ToolRan(ToolCall("3", "book_appointment", {}), '{"error": "slot_taken"}', 0, 1),
    ]
    assert done(ran) == [("appointment_booked", {"id": "apt_1"})]
