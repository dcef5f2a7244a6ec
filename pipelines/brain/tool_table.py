"""What a model may call: names, descriptions, arguments, side effects. Data; nothing is run here."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import msgspec
from msgspec import Meta

from config.schema import Capabilities
from pipelines.stages import ToolSpec

DayText = Annotated[str, Meta(pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="YYYY-MM-DD")]
ClockText = Annotated[str, Meta(pattern=r"^(\d{2}:\d{2})?$", description="HH:MM, 24 hours, local time")]
StartText = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", description="YYYY-MM-DDTHH:MM, local time")]
Phone = Annotated[str, Meta(max_length=32, description="leave empty for the number the caller calls from")]
Name = Annotated[str, Meta(max_length=120)]


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class SearchArguments(Arguments, frozen=True):
    query: Annotated[str, Meta(min_length=1, max_length=400)]


class NothingArguments(Arguments, frozen=True):
    pass


class AvailabilityArguments(Arguments, frozen=True):
    service: Name = ""
    date: DayText = ""
    days: Annotated[int, Meta(ge=1, le=31, description="how many days from the date on")] = 1
    time: ClockText = ""
    after: ClockText = ""
    before: ClockText = ""


class BookArguments(Arguments, frozen=True):
    service: Name
    start: StartText
    customer_name: Annotated[str, Meta(min_length=1, max_length=120)]
    customer_phone: Phone = ""
    notes: Annotated[str, Meta(max_length=500)] = ""


class FindArguments(Arguments, frozen=True):
    customer_phone: Phone = ""
    customer_name: Name = ""


class MoveArguments(Arguments, frozen=True):
    appointment_id: str
    start: StartText


class CancelArguments(Arguments, frozen=True):
    appointment_id: str


class CallbackArguments(Arguments, frozen=True):
    customer_name: Name = ""
    customer_phone: Phone = ""
    reason: Annotated[str, Meta(max_length=500)] = ""


class TransferArguments(Arguments, frozen=True):
    reason: Annotated[str, Meta(max_length=500)] = ""


class Tool(msgspec.Struct, frozen=True):
    name: str
    description: str
    arguments: type[Arguments]
    needs: str = ""  # the capability without which it is not offered
    side_effect: bool = False

    @cache  # noqa: B019  # there are as many as the table has lines; every call asks, and it takes milliseconds
    def spec(self) -> ToolSpec:
        _, components = msgspec.json.schema_components((self.arguments,))
        schema = {k: v for k, v in components[self.arguments.__name__].items() if k != "title"}
        return ToolSpec(self.name, self.description, schema, self.side_effect)


_BOOKING = "appointment_booking"
TOOLS: tuple[Tool, ...] = (
    Tool("search_knowledge", "Find articles that answer a caller's question.", SearchArguments, "faq_answering"),
    Tool("opening_hours", "The weekly opening hours, and whether it is open now.", NothingArguments),
    Tool("list_services", "What can be booked, with minutes.", NothingArguments, _BOOKING),
    Tool(
        "check_availability",
        "Free starting times, from a date on (default: today), optionally at, after or before a time. "
        "Gives alternatives when there is none.",
        AvailabilityArguments,
        _BOOKING,
    ),
    Tool(
        "book_appointment",
        "Book. Only after reading everything back and hearing an explicit yes.",
        BookArguments,
        _BOOKING,
        side_effect=True,
    ),
    Tool("find_appointments", "Upcoming appointments by phone number or name.", FindArguments, _BOOKING),
    Tool("move_appointment", "Move one. Only after an explicit yes.", MoveArguments, _BOOKING, side_effect=True),
    Tool("cancel_appointment", "Cancel one. Only after an explicit yes.", CancelArguments, _BOOKING, side_effect=True),
    Tool("request_callback", "Have a colleague call the caller back.", CallbackArguments, side_effect=True),
    Tool(
        "transfer_call",
        "Put the caller through to a colleague. Their telephone rings; keep talking until the caller is taken over.",
        TransferArguments,
        "call_transfer",
        side_effect=True,
    ),
    Tool("end_call", "Hang up, after having said goodbye.", NothingArguments, side_effect=True),
)
BY_NAME = {tool.name: tool for tool in TOOLS}


def tool_specs(capabilities: Capabilities) -> tuple[ToolSpec, ...]:
    """What an agent with these capabilities may call."""
    return tuple(t.spec() for t in TOOLS if not t.needs or getattr(capabilities, t.needs))
