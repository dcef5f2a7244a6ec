from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from config.schema import Capabilities
from pipelines.brain.ports import SlotTaken
from pipelines.brain.tools import tool_specs
from pipelines.errors import NotFound
from pipelines.stages import ToolCall

Ring = Callable[..., Any]
SIDE_EFFECTS = {"book_appointment", "move_appointment", "cancel_appointment", "request_callback", "end_call"}
BOOKING = {"service": "Checkup", "start": "2026-12-01T15:00", "customer_name": "Sarah Johnson"}


async def run(
    line: Any, name: str, arguments: dict[str, Any] | None = None, speculative: bool = False
) -> dict[str, Any]:
    result: dict[str, Any] = msgspec.json.decode(
        await line.toolbox.run(ToolCall("1", name, arguments or {}), speculative=speculative)
    )
    return result


def test_schemas_are_self_contained_and_side_effects_flagged() -> None:
    specs = {spec.name: spec for spec in tool_specs(Capabilities())}
    assert {name for name, spec in specs.items() if spec.side_effect} == SIDE_EFFECTS
    for spec in specs.values():
        assert spec.parameters["type"] == "object"
        assert b"$ref" not in msgspec.json.encode(spec.parameters)


def test_capabilities_decide_what_is_offered() -> None:
    names = {spec.name for spec in tool_specs(Capabilities(appointment_booking=False, faq_answering=False))}
    assert names == {"opening_hours", "request_callback", "end_call"}


async def test_nothing_happens_before_the_turn_is_committed(ring: Ring) -> None:
    line = ring()
    assert (await run(line, "book_appointment", BOOKING, speculative=True))["error"] == "not_committed"
    assert (await run(line, "end_call", speculative=True))["error"] == "not_committed"
    assert line.booked == []
    assert not line.control.ended


async def test_books_and_then_refuses_the_same_slot_with_alternatives(ring: Ring) -> None:
    line = ring()
    assert (await run(line, "book_appointment", BOOKING))["booked"]["start"] == "2026-12-01T15:00"
    again = await run(line, "book_appointment", BOOKING)
    assert again["error"] == "slot_taken"
    assert again["alternatives"] == ["2026-12-01T14:00", "2026-12-01T14:30", "2026-12-01T15:30"]
    assert line.calendar.appointments[0].customer_phone == "+442079460111"


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("book_appointment", {**BOOKING, "start": "tomorrow"}, "invalid_arguments"),
        ("book_appointment", {**BOOKING, "start": "2026-13-01T10:00"}, "invalid_arguments"),
        ("book_appointment", {**BOOKING, "service": "Massage"}, "unknown_service"),
        ("book_appointment", {**BOOKING, "start": "2026-11-01T10:00"}, "in_the_past"),
        ("book_appointment", {**BOOKING, "start": "2026-12-05T10:00"}, "slot_taken"),
        ("book_appointment", {**BOOKING, "customer_name": ""}, "invalid_arguments"),
        ("book_appointment", {**BOOKING, "extra": 1}, "invalid_arguments"),
        ("check_availability", {"date": "2026-02-31"}, "invalid_arguments"),
        ("check_availability", {"date": "2026-11-01"}, "in_the_past"),
        ("check_availability", {"time": "25:00"}, "invalid_arguments"),
        ("move_appointment", {"appointment_id": "A9", "start": "2026-12-01T15:00"}, "not_found"),
        ("cancel_appointment", {"appointment_id": "A9"}, "not_found"),
        ("search_knowledge", {}, "invalid_arguments"),
        ("drop_tables", {}, "unknown_tool"),
    ],
)
async def test_errors_are_results(ring: Ring, name: str, arguments: dict[str, Any], code: str) -> None:
    line = ring()
    assert (await run(line, name, arguments))["error"] == code
    assert line.booked == []


async def test_foreign_code_that_breaks_is_a_result_too(ring: Ring, caplog: pytest.LogCaptureFixture) -> None:
    line = ring()

    async def broken(query: str, limit: int = 3) -> list[Any]:
        raise RuntimeError("disk on fire")

    line.toolbox._knowledge.search = broken
    assert (await run(line, "search_knowledge", {"query": "parking"}))["error"] == "internal"
    assert "disk on fire" in caplog.text


async def test_availability(ring: Ring) -> None:
    line = ring()
    day = await run(line, "check_availability", {"service": "Cleaning", "date": "2026-11-27"})
    assert (day["slots"][0], day["slots"][-1], day["open"]) == ("2026-11-27T09:00", "2026-11-27T15:00", True)
    closed = await run(line, "check_availability", {"service": "Cleaning", "date": "2026-11-28"})
    assert (closed["slots"], closed["open"], closed["alternatives"][0]) == ([], False, "2026-11-30T09:00")
    window = await run(line, "check_availability", {"date": "2026-11-27", "after": "14:00", "before": "15:00"})
    assert window["slots"] == ["2026-11-27T14:00", "2026-11-27T14:30", "2026-11-27T15:00"]


async def test_a_call_back_needs_a_number(ring: Ring) -> None:
    line = ring(caller_phone="")
    assert (await run(line, "request_callback", {"reason": "x"}))["error"] == "invalid_arguments"
    assert "callback" in await run(line, "request_callback", {"customer_phone": "123456"})


async def test_the_calendar_never_books_twice_or_outside_hours(ring: Ring) -> None:
    line = ring()
    at = datetime(2026, 12, 1, 15, 0, tzinfo=line.now.tzinfo)
    first = await line.calendar.book(at, "Cleaning", "A", "1")
    for minutes in (0, 30, -30):
        with pytest.raises(SlotTaken):
            await line.calendar.book(at + timedelta(minutes=minutes), "Cleaning", "B", "2")
    with pytest.raises(SlotTaken):
        await line.calendar.book(at.replace(hour=17, minute=30), "Cleaning", "B", "2")  # would end after closing
    with pytest.raises(NotFound):
        await line.calendar.book(at, "Massage", "B", "2")
    moved = await line.calendar.move(first.id, at + timedelta(minutes=30))  # over its own old place
    assert moved.end - moved.start == timedelta(minutes=60)
    assert await line.calendar.find("", "") == []


async def test_free_slots_can_be_booked(ring: Ring) -> None:
    line = ring()
    day = line.now.date()
    slots = await line.calendar.availability(day, day, 60)
    assert slots[0].start > line.now
    results = await asyncio.gather(
        *(line.calendar.book(slot.start, "Checkup", "A", "1") for slot in slots), return_exceptions=True
    )
    assert not [r for r in results if isinstance(r, BaseException)]
