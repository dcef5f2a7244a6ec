"""Calls as the document shows them: in lists, and one with its timeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from voicecore.api.portal.words import z
from voicecore.domain.calls import StoredTurn
from voicecore.domain.customer_figures import CustomerCard
from voicecore.services.call_file import CallCard

REQUESTED, BOOKED = "appointment_requested", "appointment_booked"
# What the agent did, in the document's words.
EVENTS = {
    "check_availability": REQUESTED,
    "book_appointment": BOOKED,
    "move_appointment": "appointment_moved",
    "cancel_appointment": "appointment_cancelled",
    "request_callback": "callback_requested",
    "search_knowledge": "question_asked",
}


class CallerShape(msgspec.Struct):
    id: int
    name: str
    email: str
    phone: str
    total_appointments: int
    lifetime_value: float


class CallerDetailShape(msgspec.Struct):
    """`risk_score` 0 to 1."""

    id: int
    name: str
    email: str
    journey_stage: str
    risk_score: float


C = TypeVar("C", bound=msgspec.Struct)


class CallFacts(msgspec.Struct, Generic[C], kw_only=True):
    """`duration` in whole seconds; what is said of the contents is null until they were looked at, and so is `customer`
    for a caller whom nobody knows."""

    id: int
    uuid: str
    phone_number: str
    customer: C | None
    duration: int
    status: str
    recording_url: str | None
    transcript: str | None
    summary: str | None
    sentiment: str | None
    appointment_booked: bool
    created_at: str
    metadata: dict[str, Any]


class CallShape(CallFacts[CallerShape], kw_only=True):
    """In lists."""


class BookedShape(msgspec.Struct):
    """`service` and `staff` are names here."""

    id: int
    scheduled_at: str
    service: str
    staff: str


class EventShape(msgspec.Struct):
    timestamp: str
    event: str
    details: dict[str, Any]


class CallAnalyticsShape(msgspec.Struct):
    """`talk_time_ratio`: the agent's share of all speech, 0 to 1."""

    talk_time_ratio: float | None
    keywords: list[str]
    topics: list[str]
    intent: str | None


class CallDetailShape(CallFacts[CallerDetailShape], kw_only=True):
    action_items: list[str]
    appointments: list[BookedShape]
    timeline: list[EventShape]
    analytics: CallAnalyticsShape


def call_shape(card: CallCard, recording_url: str | None) -> CallShape:
    return CallShape(customer=_caller(card.customer), **_common(card, recording_url))


def detail_shape(card: CallCard, recording_url: str | None) -> CallDetailShape:
    made = card.analysis
    return CallDetailShape(
        **_common(card, recording_url),
        customer=_caller_detail(card.customer),
        action_items=list(made.action_items) if made else [],
        appointments=[
            BookedShape(row.seq, z(row.starts_at), row.service, row.resource_name) for row in card.appointments
        ],
        timeline=timeline(card),
        analytics=CallAnalyticsShape(
            None if made is None or made.talk_time_ratio is None else round(made.talk_time_ratio, 2),
            [word.keyword for word in made.keywords] if made else [],
            list(made.topics) if made else [],
            made.intent or None if made else None,
        ),
    )


def _common(card: CallCard, recording_url: str | None) -> dict[str, Any]:
    call = card.call
    assert call.outcome is not None  # it is over
    return {
        "id": call.seq,
        "uuid": call.uid,
        "phone_number": call.party_number,
        "duration": round(call.duration_s),
        "status": call.outcome.value,
        "recording_url": recording_url,
        "transcript": card.transcript or None,
        "summary": card.summary,
        "sentiment": sentiment(card),
        "appointment_booked": bool(card.appointments),
        "created_at": z(call.created_at),
        "metadata": call.metadata | {"ai_agent": agent_name(card), "language": language(card)},
    }


def sentiment(card: CallCard) -> str | None:
    found = card.call.sentiment or (card.analysis.sentiment if card.analysis else None)
    return found.value if found else None


def agent_name(card: CallCard) -> str | None:
    return (card.agent.name if card.agent else card.call.agent_id) or None


def language(card: CallCard) -> str | None:
    """In which it was held: the agent's."""
    return card.agent.config.language if card.agent else (card.analysis.language if card.analysis else None)


def _caller(card: CustomerCard | None) -> CallerShape | None:
    if card is None:
        return None
    who, figures = card.customer, card.figures
    return CallerShape(who.seq, who.name, who.email, who.phone, figures.appointments, round(figures.value, 2))


def _caller_detail(card: CustomerCard | None) -> CallerDetailShape | None:
    if card is None:
        return None
    who, figures = card.customer, card.figures
    return CallerDetailShape(who.seq, who.name, who.email, figures.stage.value, round(figures.risk_score, 2))


def timeline(card: CallCard) -> list[EventShape]:
    """In order: the call's beginning, what the agent did in it, what was booked, and its end."""
    call = card.call
    numbers = {"from": call.from_number, "to": call.to_number, "direction": call.direction.value}
    began = min(call.created_at, call.answered_at or call.created_at)  # what others held is reported at its end
    found: list[tuple[datetime, str, dict[str, Any]]] = [(began, "call_started", numbers)]
    if call.answered_at is not None:
        found.append((call.answered_at, "call_answered", {}))
    for turn in card.turns:
        at = call.instant(turn.started_ms if turn.caller_ended_ms is None else turn.caller_ended_ms)
        found += [(at, event, details) for event, details in _done(turn)]
    if not any(event == BOOKED for _, event, _ in found):
        end = call.ended_at or call.created_at
        found += [
            (min(max(row.created_at, call.created_at), end), BOOKED, {"service": row.service})
            for row in card.appointments
        ]
    _ask_first(found)
    if call.ended_at is not None:
        reason = call.end_reason.value if call.end_reason else None
        found.append((call.ended_at, "call_ended", {"reason": reason}))
    return [EventShape(z(at), event, details) for at, event, details in sorted(found, key=lambda one: one[0])]


def _ask_first(found: list[tuple[datetime, str, dict[str, Any]]]) -> None:
    """Who books at once has asked for an appointment, too."""
    events = [event for _, event, _ in found]
    if BOOKED in events and REQUESTED not in events:
        at, _, details = found[events.index(BOOKED)]
        wish = {"service": details["service"]} if "service" in details else {}
        found.insert(events.index(BOOKED), (at, REQUESTED, wish))


def _done(turn: StoredTurn) -> list[tuple[str, dict[str, Any]]]:
    """What came to nothing is left out, but that an appointment was asked for."""
    done: list[tuple[str, dict[str, Any]]] = []
    for use in turn.tools:
        event, result, given = EVENTS.get(str(use.get("name"))), use.get("result"), use.get("arguments")
        failed = isinstance(result, dict) and "error" in result
        if event == BOOKED and failed:
            event, failed = REQUESTED, False
        if event is not None and not failed:
            done.append((event, {k: v for k, v in given.items() if v != ""} if isinstance(given, dict) else {}))
    return done
