"""The words that turn any language model into this agent: system message, facts, filled-in greeting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from config.agents import PLACEHOLDERS
from config.schema import AgentSettings, Company
from pipelines.brain.dates import say_date, say_time
from pipelines.brain.ports import OpeningHours, Service

_RULES = """\
You are {agent_name}, the telephone assistant of {company_name}. You are {tone}{traits}.
Everything you write is read aloud by a speech synthesiser, and what the caller says reaches you through a
speech recogniser that makes mistakes. So:
- Answer in {language_name}, in one or two short spoken sentences; no lists, no markup, no abbreviations.
- Say times like "three thirty p.m." and dates like "Tuesday, December first".
- Ask for one thing at a time. If you did not understand, ask again in other words; the third time offer a call-back.
- State only what a tool or this message tells you. If you do not know, say so and offer a call-back.
Now it is {today}, {time}, at the business."""

_BOOKING = """\
To make an appointment you need the service, a free day and time, the name and a telephone number (the caller's own
number is used when you leave it empty). Check availability before you offer a time. Read everything back and call
book_appointment, move_appointment or cancel_appointment only after an explicit yes to exactly that; if the answer
is unclear or the read-back was interrupted, read it back again. If a tool reports slot_taken,
offer its alternatives."""

_FAQ = "Answer questions about the business with search_knowledge; do not answer such questions from memory."
_ORDERS = "Orders: note them, read them back, and after a yes pass them on with request_callback."
_CALLBACKS = "If the caller wants a human being, offer a call-back (request_callback)."
_TRANSFERS = """\
If the caller wants a human being, put the caller through with transfer_call, and say that it rings; if that does not
work, offer a call-back (request_callback)."""
_CLOSING = "After the goodbye, call end_call."
_LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "nl": "Dutch"}


def facts_for(
    settings: AgentSettings,
    company: Company,
    now: datetime,
    *,
    agent_name: str = "",
    caller_phone: str = "",
    caller_name: str = "",
) -> dict[str, Any]:
    """What a template may name and the receptionist may know. `now` is aware, in the business's zone."""
    language = settings.language
    return {
        "company_name": company.name,
        "company_phone": company.phone,
        "company_address": company.address,
        "agent_name": agent_name or "the assistant",
        "today": say_date(now.date(), language),
        "time": say_time(now.time().replace(second=0, microsecond=0), language),
        "caller_phone": caller_phone,
        "caller_name": caller_name,
        "order_taking": settings.capabilities.order_taking,
    }


def fill(template: str, facts: Mapping[str, Any]) -> str:
    """A greeting or prompt with its placeholders filled; unknown ones stay as they are written."""
    for name in PLACEHOLDERS:
        template = template.replace("{" + name + "}", str(facts.get(name, "")))
    return template


def system_message(
    settings: AgentSettings,
    facts: Mapping[str, Any],
    *,
    hours: Sequence[OpeningHours] = (),
    services: Sequence[Service] = (),
) -> str:
    """Everything a model needs beside the tools; the agent's own prompt comes last, so that it wins."""
    traits = settings.personality.traits
    values = dict(facts) | {
        "tone": settings.personality.tone,
        "traits": f" ({', '.join(traits)})" if traits else "",
        "language_name": _LANGUAGES.get(settings.language[:2], settings.language),
    }
    parts = [_RULES.format_map(values)]
    if facts.get("caller_phone"):
        parts.append(f"The caller's number is {facts['caller_phone']}.")
    if hours:
        days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
        spans = [f"{days[h.weekday]} {h.opens:%H:%M}-{h.closes:%H:%M}" for h in hours]
        parts.append(f"Opening hours: {', '.join(spans)}. Closed otherwise.")
    if services:
        parts.append("Services: " + ", ".join(f"{s.name} ({s.minutes} minutes)" for s in services) + ".")
    able = settings.capabilities
    chosen = ((able.appointment_booking, _BOOKING), (able.faq_answering, _FAQ), (able.order_taking, _ORDERS))
    parts += [text for wanted, text in chosen if wanted]
    parts.append(_TRANSFERS if settings.capabilities.call_transfer else _CALLBACKS)
    parts.append(_CLOSING)
    if settings.prompt:
        parts.append(fill(settings.prompt, facts))
    return "\n\n".join(parts)
