"""A call from admission to its end, its turns, events and recording, as facts that are stored once."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from pipelines.errors import IllegalTransition
from pipelines.events import EndReason
from pipelines.machines.speculation import Ledger
from pipelines.timing import Turn
from pipelines.usage import Usage


class CallStatus(StrEnum):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Outcome(StrEnum):
    """How an ended call went, from which every surface's own word is made."""

    COMPLETED = "completed"
    MISSED = "missed"  # never answered
    FAILED = "failed"


class Sentiment(StrEnum):
    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


HELD_ELSEWHERE = "logged"  # the transport of calls that others report
_ORDER = list(CallStatus)
_FAILURES = frozenset(
    {
        EndReason.CONNECTION_LOST,
        EndReason.SEND_TIMEOUT,
        EndReason.START_TIMEOUT,
        EndReason.IDLE_TIMEOUT,
        EndReason.PROTOCOL_ERROR,
        EndReason.AUDIO_FORMAT,
        EndReason.AGENT_NOT_FOUND,
        EndReason.OVERLOADED,
        EndReason.CARRIER_FAILED,
        EndReason.TOO_LATE,
        EndReason.PIPELINE_FAILED,
        EndReason.SERVER_SHUTDOWN,
        EndReason.SERVER_CRASHED,
    }
)


def outcome(reason: EndReason, *, answered: bool) -> Outcome:
    if reason in _FAILURES:
        return Outcome.FAILED
    return Outcome.COMPLETED if answered else Outcome.MISSED


def check_step(before: CallStatus, after: CallStatus) -> None:
    """A call only goes forward. Raises IllegalTransition."""
    if _ORDER.index(after) <= _ORDER.index(before):
        raise IllegalTransition(f"a call cannot go from {before} to {after}")


class MediaHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What the wire and this machine did to the call. Lateness is against the call's own media clock."""

    frames_in: int = 0
    messages_out: int = 0
    frames_lost: int = 0
    frames_reordered: int = 0  # duplicates and inversions, dropped
    frames_late: int = 0  # more than one frame's length
    late_over: dict[str, int] = {}  # milliseconds → frames later than that
    worst_late_ms: float = 0.0
    jitter_ms: float = 0.0  # of arrival, smoothed (RFC 3550)
    underruns: int = 0  # the agent's voice broke off because nothing was ready
    stale_bytes: int = 0  # audio of cancelled replies that was dropped
    worst_backlog_bytes: int = 0  # accepted for the socket and not taken by the system
    worst_loop_lag_ms: float = 0.0  # of the process, while the call ran
    problems: dict[str, int] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """`answered_at` is zero of call time: the instant of the caller's first sample."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    sid: str = ""
    direction: Direction = Direction.INBOUND
    status: CallStatus = CallStatus.RINGING
    from_number: str = ""
    to_number: str = ""
    agent_uid: str | None = None
    agent_id: str = ""
    agent_version: int = 0
    business_uid: str | None = None  # whose line it was on
    customer_uid: str | None = None  # the other party, where he is known
    party_name: str = ""  # of the other party
    transcript: str = ""  # of calls that others held, as they sent it; ours have turns
    notes: str = ""
    recording_url: str = ""  # where others keep theirs; ours have a Recording
    sentiment: Sentiment | None = None  # None: nobody has judged yet
    success: bool | None = None  # None: what `outcome` says
    stt_ms: float | None = None  # means over the turns
    llm_ms: float | None = None
    tts_ms: float | None = None
    transport: str = ""
    node: str = ""  # the server process that has it; recovery looks at its own only
    end_reason: EndReason | None = None
    outcome: Outcome | None = None
    metadata: dict[str, Any] = {}
    media_health: MediaHealth = MediaHealth()
    stages: dict[str, dict[str, float]] = {}  # stage → num, min, max, p50, p90, p95, p99 in ms
    speculation: Ledger = Ledger()
    usage: Usage = {}  # of all turns, and of what belongs to none
    cost_microusd: int | None = None  # millionths of a US dollar; None: not known, or not yet
    created_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def duration_s(self) -> float:
        """Seconds from answer to end; 0 while it runs and for calls that were never answered."""
        if self.answered_at is None or self.ended_at is None:
            return 0.0
        return max(0.0, (self.ended_at - self.answered_at).total_seconds())

    @property
    def succeeded(self) -> bool:
        return self.outcome is Outcome.COMPLETED if self.success is None else self.success

    @property
    def held_elsewhere(self) -> bool:
        return self.transport == HELD_ELSEWHERE

    @property
    def party_number(self) -> str:
        return self.to_number if self.direction is Direction.OUTBOUND else self.from_number

    def instant(self, at_ms: float) -> datetime:
        """Call time → the instant."""
        return (self.answered_at or self.created_at) + timedelta(milliseconds=at_ms)


class StoredTurn(Turn, kw_only=True):
    """A turn with the ids it is stored under."""

    uid: str
    call_uid: str
    agent_uid: str | None = None
    response_latency_ms: float | None = None


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    call_uid: str
    kind: str
    at_ms: float
    turn: int | None = None
    data: dict[str, Any] = {}


class Peaks(msgspec.Struct, frozen=True, kw_only=True):
    """Waveform for drawing: the loudest sample of each bucket and channel, 0…1."""

    per_second: float
    caller: tuple[float, ...] = ()
    agent: tuple[float, ...] = ()


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """Stereo audio of a call, caller left, agent right. `path` is relative to the recordings directory."""

    uid: str
    seq: int = 0
    organization_uid: str
    call_uid: str
    external_id: str
    path: str
    format: str = "wav"
    rate_hz: int = 8000
    duration_ms: float = 0.0
    size_bytes: int = 0
    peaks: Peaks | None = None
    created_at: datetime


class LoggedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A finished call that an agent elsewhere held and reports. It ends when it is reported."""

    business_uid: str
    party_number: str = ""
    party_name: str = ""
    duration_s: float = 0.0
    stt_ms: float | None = None
    llm_ms: float | None = None
    tts_ms: float | None = None
    transcript: str = ""
    notes: str = ""
    recording_url: str = ""
    sentiment: Sentiment | None = None
    success: bool | None = None


class CallSort(StrEnum):
    CREATED_AT = "created_at"
    DURATION = "duration"
    CUSTOMER_NAME = "customer_name"  # as we know him, else as he gave it


class CallOrder(msgspec.Struct, frozen=True):
    by: CallSort = CallSort.CREATED_AT
    descending: bool = True


NEWEST = CallOrder()


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to; None does not narrow. `from_at` is included, `before_at` is not."""

    statuses: tuple[CallStatus, ...] = ()
    outcomes: tuple[Outcome, ...] = ()  # narrows ended calls only
    direction: Direction | None = None
    agent_id: str | None = None
    business_uid: str | None = None
    from_at: datetime | None = None
    before_at: datetime | None = None
    phone_number: str | None = None
    uid: str | None = None
    customer_uid: str | None = None
    resource_uid: str | None = None  # calls in which somebody booked with him
    search: str | None = None  # part of the other party's name or of a number
