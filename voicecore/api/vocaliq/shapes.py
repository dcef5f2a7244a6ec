"""Calls and appointments as the document shows them, with our members added behind the documented ones."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from pipelines.machines.speculation import Ledger
from pipelines.timing import waterfall
from pipelines.usage import Usage, Used, cost_microusd
from voicecore.api.links import Links
from voicecore.api.vocaliq.words import maybe_z, status_word, z
from voicecore.domain.calendar import Appointment
from voicecore.domain.calls import Call, MediaHealth, Peaks, Recording, StoredEvent, StoredTurn
from voicecore.domain.transcripts import AGENT, CALLER, parted
from voicecore.services.calls import CallDetail

ROLES = {CALLER: "customer", AGENT: "agent"}


class TranscriptMessage(msgspec.Struct):
    role: str  # agent | customer
    content: str
    timestamp: str


class Transcript(msgspec.Struct):
    messages: list[TranscriptMessage]


class SpeculationShape(msgspec.Struct):
    """Answers begun before the caller's turn was certain: `saved_ms` is what their callers did not wait."""

    started: int
    hits: int
    misses: int
    saved_ms: float
    tokens_wasted: int
    characters_wasted: int


class AgentSpeculationShape(SpeculationShape):
    agent_id: str


class AgentUsageShape(msgspec.Struct):
    """`models` by "provider/model", or "provider" of an engine without models. Millionths of a US dollar, by the price
    table; null: that of some is not known."""

    agent_id: str
    cost_microusd: int | None
    models: dict[str, Used]


class TurnShape(msgspec.Struct):
    """Times are milliseconds of call time. `stages` tile `response_latency_ms` exactly."""

    id: str
    index: int
    caller_text: str
    generated_text: str
    heard_text: str
    interrupted: bool
    started_ms: float
    ended_ms: float
    caller_started_ms: float | None
    caller_ended_ms: float | None
    agent_started_ms: float | None
    agent_ended_ms: float | None
    marks: dict[str, float]
    stages: dict[str, float]
    response_latency_ms: float | None
    tools: list[dict[str, Any]]
    speculation: SpeculationShape


class EventShape(msgspec.Struct):
    kind: str
    at_ms: float
    turn: int | None
    data: dict[str, Any]


class RecordingShape(msgspec.Struct):
    """`peaks`: the loudest sample of each bucket, 0…1, by channel. `url` is signed and expires."""

    id: str
    url: str
    format: str
    duration: float
    rate_hz: int
    size_bytes: int
    channels: list[str]
    peaks: Peaks | None


class AppointmentShape(msgspec.Struct):
    """`duration` in minutes."""

    id: str
    customer_id: str | None
    customer_name: str
    customer_phone: str
    resource_id: str
    start: str
    end: str
    duration: int
    type: str
    notes: str
    status: str
    source: str
    call_id: str | None
    created_at: str


class CallShape(msgspec.Struct):
    """`duration` in whole seconds."""

    id: str
    sid: str
    direction: str
    status: str
    duration: int
    from_number: str
    to_number: str
    agent_id: str
    recording_url: str | None
    metadata: dict[str, Any]
    created_at: str
    ended_at: str | None
    answered_at: str | None
    end_reason: str | None
    agent_version: int
    stages: dict[str, dict[str, float]]
    speculation: SpeculationShape


class CallDetailShape(CallShape):
    transcript: Transcript
    turns: list[TurnShape]
    events: list[EventShape]
    appointments: list[AppointmentShape]
    recording: RecordingShape | None
    media_health: MediaHealth
    transport: str


def call_shape(call: Call, recording_url: str | None) -> CallShape:
    return CallShape(
        id=call.external_id,
        sid=call.sid,
        direction=call.direction.value,
        status=status_word(call),
        duration=round(call.duration_s),
        from_number=call.from_number,
        to_number=call.to_number,
        agent_id=call.agent_id,
        recording_url=recording_url,
        metadata=call.metadata,
        created_at=z(call.created_at),
        ended_at=maybe_z(call.ended_at),
        answered_at=maybe_z(call.answered_at),
        end_reason=call.end_reason.value if call.end_reason else None,
        agent_version=call.agent_version,
        stages=call.stages,
        speculation=speculation_shape(call.speculation),
    )


def recording_url(call: Call, recording: Recording | None, links: Links, request: web.Request) -> str | None:
    """Ours, else where others keep theirs."""
    if recording is None:
        return call.recording_url or None
    return links.to(f"/recordings/{recording.external_id}.{recording.format}", request)


def call_detail(detail: CallDetail, links: Links, request: web.Request) -> CallDetailShape:
    return detail_shape(detail, recording_url(detail.call, detail.recording, links, request))


def detail_shape(detail: CallDetail, recording_url: str | None) -> CallDetailShape:
    call = detail.call
    return CallDetailShape(
        **{**msgspec.structs.asdict(call_shape(call, recording_url)), "metadata": _judged(detail) | call.metadata},
        transcript=Transcript([m for turn in detail.turns for m in _messages(call, turn)] or _reported(call)),
        turns=[_turn(turn) for turn in detail.turns],
        events=[_event(event) for event in detail.events],
        appointments=[appointment_shape(row) for row in detail.appointments],
        recording=_recording(detail.recording, recording_url),
        media_health=call.media_health,
        transport=call.transport,
    )


def _messages(call: Call, turn: StoredTurn) -> list[TranscriptMessage]:
    """What was said and heard, in the order of speaking."""
    found: list[TranscriptMessage] = []
    if turn.caller_text:
        at = turn.started_ms if turn.caller_started_ms is None else turn.caller_started_ms
        found.append(TranscriptMessage(ROLES[CALLER], turn.caller_text, z(call.instant(at))))
    if turn.heard_text:
        at = turn.started_ms if turn.agent_started_ms is None else turn.agent_started_ms
        found.append(TranscriptMessage(ROLES[AGENT], turn.heard_text, z(call.instant(at))))
    return found


def _reported(call: Call) -> list[TranscriptMessage]:
    """What others wrote down; nobody knows when in the call it was said."""
    at = z(call.answered_at or call.created_at)
    return [TranscriptMessage(ROLES[who], text, at) for who, text in parted(call.transcript)]


def _turn(turn: StoredTurn) -> TurnShape:
    return TurnShape(
        id=turn.uid,
        index=turn.index,
        caller_text=turn.caller_text,
        generated_text=turn.generated_text,
        heard_text=turn.heard_text,
        interrupted=turn.interrupted,
        started_ms=turn.started_ms,
        ended_ms=turn.ended_ms,
        caller_started_ms=turn.caller_started_ms,
        caller_ended_ms=turn.caller_ended_ms,
        agent_started_ms=turn.agent_started_ms,
        agent_ended_ms=turn.agent_ended_ms,
        marks={mark.value: at for mark, at in turn.marks.items()},
        stages={stage.value: waited for stage, waited in waterfall(turn.marks).items()},
        response_latency_ms=turn.response_latency_ms,
        tools=turn.tools,
        speculation=speculation_shape(turn.speculation),
    )


def usage_shape(agent_id: str, usage: Usage) -> AgentUsageShape:
    return AgentUsageShape(agent_id, cost_microusd(usage), usage)


def speculation_shape(ledger: Ledger) -> SpeculationShape:
    return SpeculationShape(started=ledger.started, **msgspec.structs.asdict(ledger))


def _event(event: StoredEvent) -> EventShape:
    return EventShape(event.kind, event.at_ms, event.turn, event.data)


def _recording(recording: Recording | None, url: str | None) -> RecordingShape | None:
    if recording is None or url is None:
        return None
    return RecordingShape(
        id=recording.external_id,
        url=url,
        format=recording.format,
        duration=recording.duration_ms / 1000,
        rate_hz=recording.rate_hz,
        size_bytes=recording.size_bytes,
        channels=["caller", "agent"],
        peaks=recording.peaks,
    )


def appointment_shape(row: Appointment) -> AppointmentShape:
    return AppointmentShape(
        id=row.external_id,
        customer_id=row.customer_id or None,
        customer_name=row.customer_name,
        customer_phone=row.customer_phone,
        resource_id=row.resource_id,
        start=z(row.starts_at),
        end=z(row.ends_at),
        duration=round((row.ends_at - row.starts_at).total_seconds() / 60),
        type=row.service,
        notes=row.notes,
        status=row.status.value,
        source=row.source,
        call_id=row.call_id or None,
        created_at=z(row.created_at),
    )


def _judged(detail: CallDetail) -> dict[str, Any]:
    """What is added to the metadata of a call that is over; what its client gave under the same name stands."""
    analysis, sentiment = detail.analysis, detail.call.sentiment
    found: dict[str, Any] = {"sentiment": sentiment.value} if sentiment else {}
    return found | ({"topics": list(analysis.topics)} if analysis else {})
