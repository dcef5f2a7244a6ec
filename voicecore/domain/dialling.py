"""Calls that we make: when one is dialled, what its carrier says of it, and to whom a call can be handed on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from pipelines.events import EndReason
from voicecore.domain.calls import Call, CallStatus

# Before anybody answered: nothing of the call is in a conversation's hands yet.
UNANSWERED = (CallStatus.SCHEDULED, CallStatus.QUEUED, CallStatus.RINGING)


class CarrierStatus(StrEnum):
    """https://www.twilio.com/docs/voice/api/call-resource#call-status-values"""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"
    FAILED = "failed"


# How a call ends that its carrier reports so before anybody spoke.
ENDINGS = {
    CarrierStatus.BUSY: EndReason.BUSY,
    CarrierStatus.NO_ANSWER: EndReason.NO_ANSWER,
    CarrierStatus.CANCELED: EndReason.CANCELLED,
    CarrierStatus.FAILED: EndReason.CARRIER_FAILED,
}


class TransferKind(StrEnum):
    BLIND = "blind"  # the caller is connected with the target, whether or not somebody answers there
    ATTENDED = "attended"  # the agent goes on until the target has answered
    CONFERENCE = "conference"  # caller and target meet in a room that others can join


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """A call that somebody wants. `agent_id` "": the organization's first; `customer_id`: whose number it is when `to`
    is empty; `from_number` "": the agent's, else the organization's first, else the carrier's own."""

    agent_id: str = ""
    to_number: str = ""
    from_number: str = ""
    metadata: dict[str, Any] = {}
    scheduled_at: datetime | None = None  # None, or past: now
    customer_id: str = ""


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to a placed call beside its row. `next_at` is when the scheduler looks at it: to dial it, or, once
    it was dialled, to give it up because nobody answered."""

    uid: str
    seq: int = 0
    organization_uid: str
    call_uid: str
    dialled_number: str  # as the carrier takes it
    caller_number: str
    scheduled_at: datetime  # due then, or a little later
    next_at: datetime | None  # None: nothing is left to do
    attempts: int = 0
    dialled_at: datetime | None = None  # set before the carrier is asked: no crash makes a telephone ring twice
    reached_at: datetime | None = None  # the carrier asked what to do with the one who answered
    created_at: datetime


class DueCall(msgspec.Struct, frozen=True):
    call: Call
    dial: Dial
