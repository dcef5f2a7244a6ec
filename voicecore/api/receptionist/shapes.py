"""Calls as the document shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from voicecore.api.receptionist.words import naive, sentiment_word
from voicecore.domain.calls import Call
from voicecore.domain.transcripts import joined
from voicecore.services.calls import CallDetail


class CallShape(msgspec.Struct, kw_only=True):
    id: str
    client_id: str | None
    caller_phone: str | None
    caller_name: str | None
    duration_seconds: float
    sentiment: str
    success: bool
    created_at: str


class CallDetailShape(msgspec.Struct, kw_only=True):
    """Members in the document's order. The transcript of a call that we held: a line each time somebody speaks, what
    was heard of it."""

    id: str
    client_id: str | None
    caller_phone: str | None
    caller_name: str | None
    duration_seconds: float
    stt_latency_ms: float | None
    llm_latency_ms: float | None
    tts_latency_ms: float | None
    transcript: str | None
    sentiment: str
    success: bool
    recording_url: str | None
    notes: str | None
    created_at: str


class LoggedCallShape(msgspec.Struct):
    id: str
    client_id: str
    created_at: str


class CallListResponse(msgspec.Struct):
    """`total` is without paging."""

    total: int
    limit: int
    offset: int
    calls: list[CallShape]


class CallDetailResponse(msgspec.Struct):
    call: CallDetailShape


class LoggedCallResponse(msgspec.Struct):
    call: LoggedCallShape


def call_shape(call: Call, party_name: str) -> CallShape:
    return CallShape(**_common(call, party_name))


def detail_shape(detail: CallDetail, recording_url: str | None) -> CallDetailShape:
    call = detail.call
    summary = detail.analysis.summary if detail.analysis and not call.held_elsewhere else ""
    return CallDetailShape(
        **_common(call, detail.party_name),
        stt_latency_ms=call.stt_ms,
        llm_latency_ms=call.llm_ms,
        tts_latency_ms=call.tts_ms,
        transcript=call.transcript or joined(detail.turns) or None,
        recording_url=recording_url,
        notes=call.notes or summary or None,
    )


def _common(call: Call, party_name: str) -> dict[str, Any]:
    """What others reported comes back as they reported it."""
    return {
        "id": call.uid,
        "client_id": call.business_uid,
        "caller_phone": call.party_number or None,
        "caller_name": (call.party_name if call.held_elsewhere else party_name) or None,
        "duration_seconds": call.duration_s,
        "sentiment": sentiment_word(call.sentiment),
        "success": call.succeeded,
        "created_at": naive(call.created_at),
    }
