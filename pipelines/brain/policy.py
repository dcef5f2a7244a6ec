"""The receptionist's rules, stepped message by message: same messages, same state, same words.

Three rules keep it from doing harm: nothing is booked, moved or cancelled without a plain yes; the yes
counts only after everything it approves was heard; whatever changes afterwards is read back again.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

import msgspec

from pipelines.brain.answers import respond
from pipelines.brain.booking import retry_after_conflict, said_service
from pipelines.brain.closing import anything_else, not_put_through, offer_callback
from pipelines.brain.enquiries import read_article
from pipelines.brain.lexicon import Intent
from pipelines.brain.ports import OpeningHours, Service
from pipelines.brain.routing import advance, begin, missed, understood
from pipelines.brain.settling import free_key
from pipelines.brain.state import Ask, Desk, Flow, Free, Outcome, Target
from pipelines.brain.tokens import tokens
from pipelines.stages import Message, ToolCall

# Below these scores an article is not an answer; the higher holds where the words also ask for something else.
ANSWERS = 0.45
ANSWERS_RATHER = 0.68
_PRIMING = ("list_services", "opening_hours")


def step(desk: Desk, message: Message) -> None:
    """Takes one message of the history into the state; `desk.state.outcome` is what it leads to."""
    if message.role == "user":
        _hear(desk, message.content)
    elif message.role == "assistant":
        _spoken(desk, message)
    elif message.role == "tool":
        _result(desk, message)


def _spoken(desk: Desk, message: Message) -> None:
    """What the caller heard of our words; decides whether a yes to a read-back may count."""
    state = desk.state
    if message.tool_calls:
        state.open_calls = {call.id: call for call in message.tool_calls}
    if not message.content:
        return
    state.last_text = state.outcome.text or message.content
    if state.ask is Ask.CONFIRM and not state.told and state.essential:
        said, needed = tokens(message.content), tokens(state.essential)
        state.told = any(said[i : i + len(needed)] == needed for i in range(len(said) - len(needed) + 1))


def _hear(desk: Desk, text: str) -> None:
    state = desk.state
    state.outcome, state.open_calls, state.query = Outcome(), {}, ""
    state.confirmed = state.confirmed and state.ask is not Ask.CONFIRM
    missing = [name for name in _PRIMING if name in desk.tools]
    if not state.primed and missing:
        state.pending = text
        for name in missing:
            desk.call(name, {})
        return
    _understand(desk, text)


def _understand(desk: Desk, text: str) -> None:
    state = desk.state
    before = state.misses
    respond(desk, understood(desk, text))
    if state.misses == before and not state.query:
        state.misses = 0


# --- results of tools -----------------------------------------------------------------------------


def _result(desk: Desk, message: Message) -> None:
    state = desk.state
    call = state.open_calls.get(message.tool_call_id or "")
    if call is None:
        return
    state.open_calls = {key: one for key, one in state.open_calls.items() if key != call.id}
    if state.outcome.calls:
        state.outcome = Outcome()
    result = _decoded(message.content)
    handler = _HANDLERS.get(call.name)
    if handler is not None:
        handler(desk, call, result)
    if not state.open_calls and state.pending is not None:
        text, state.pending, state.primed = state.pending, None, True
        _understand(desk, text)


def _decoded(content: str) -> dict[str, Any]:
    try:
        result = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {"error": "unreadable"}
    return result if isinstance(result, dict) else {"error": "unreadable"}


def _services(desk: Desk, call: ToolCall, result: dict[str, Any]) -> None:
    desk.state.services = tuple(Service(s["name"], s["minutes"]) for s in result.get("services", ()))


def _hours(desk: Desk, call: ToolCall, result: dict[str, Any]) -> None:
    desk.state.hours = tuple(
        OpeningHours(h["weekday"], time.fromisoformat(h["opens"]), time.fromisoformat(h["closes"]))
        for h in result.get("hours", ())
    )


def _minutes(result: dict[str, Any], key: str) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(text).replace(tzinfo=None) for text in result.get(key, ()))


def _found_free(desk: Desk, call: ToolCall, result: dict[str, Any]) -> None:
    free = Free(
        slots=_minutes(result, "slots"),
        alternatives=_minutes(result, "alternatives"),
        open=bool(result.get("open", True)),
        error=str(result.get("error", "")),
    )
    desk.state.free = {**desk.state.free, free_key(call.arguments): free}
    advance(desk)


def _found_articles(desk: Desk, call: ToolCall, result: dict[str, Any]) -> None:
    state = desk.state
    question, fallback = state.query, state.fallback
    state.query = state.fallback = ""
    hits = result.get("hits") or [{"score": 0.0}]
    if hits[0]["score"] >= (ANSWERS_RATHER if fallback else ANSWERS):
        state.misses = 0
        read_article(desk, str(hits[0]["content"]))
        if state.flow is Flow.NONE:
            desk.ask(Ask.MORE, "anything_else")
        else:
            advance(desk)
    elif fallback:
        state.misses = 0
        begin(desk, Intent(fallback), understood(desk, question))
    else:
        missed(desk)


def _found_appointments(desk: Desk, call: ToolCall, result: dict[str, Any]) -> None:
    found = tuple(_target(one) for one in result.get("appointments", ()))
    desk.state.targets = found[:3] or None
    advance(desk)


def _target(one: dict[str, Any]) -> Target:
    return Target(one["id"], one["service"], datetime.fromisoformat(one["start"]).replace(tzinfo=None))


def _changed(desk: Desk, call: ToolCall, result: dict[str, Any]) -> None:
    """A booking, move or cancellation came back."""
    if result.get("error") == "slot_taken":
        retry_after_conflict(desk, _minutes(result, "alternatives"))
        return
    for key in ("booked", "moved", "cancelled"):
        if key in result:
            made = _target(result[key])
            desk.say(key, service=said_service(desk, made.service), **desk.at(made.start))
            anything_else(desk)
            return
    desk.say("failed")
    offer_callback(desk, f"{call.name} failed: {result.get('error', '')}")


def _called_back(desk: Desk, call: ToolCall, result: dict[str, Any]) -> None:
    order = desk.state.flow is Flow.ORDER
    if "error" in result:
        desk.say("failed")
    else:
        desk.say("ordered" if order else "callback_done")
    anything_else(desk)


def _put_through(desk: Desk, call: ToolCall, result: dict[str, Any]) -> None:
    if "error" in result:
        not_put_through(desk, desk.state.reason)
    else:
        desk.say("transferring")


_HANDLERS = {
    "list_services": _services,
    "opening_hours": _hours,
    "check_availability": _found_free,
    "search_knowledge": _found_articles,
    "find_appointments": _found_appointments,
    "book_appointment": _changed,
    "move_appointment": _changed,
    "cancel_appointment": _changed,
    "request_callback": _called_back,
    "transfer_call": _put_through,
}
