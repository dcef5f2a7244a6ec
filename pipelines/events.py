"""The vocabulary of a call's timeline: what happened, when in call time, to which turn.

Call time is milliseconds since the first sample of the caller's audio; see `pipelines/clock.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class EndReason(StrEnum):
    """Why a call ended. Closed: dashboards and filters rely on it."""

    CALLER_HANGUP = "caller_hangup"
    AGENT_HANGUP = "agent_hangup"  # goodbye was said and heard
    CALLER_SILENT = "caller_silent"  # re-prompted, then said goodbye
    MAX_DURATION = "max_duration"
    TRANSFERRED = "transferred"
    CONNECTION_LOST = "connection_lost"  # socket closed or reset without a stop
    SEND_TIMEOUT = "send_timeout"  # half-open connection
    START_TIMEOUT = "start_timeout"  # the socket opened and never started a stream
    IDLE_TIMEOUT = "idle_timeout"  # started, then no media
    PROTOCOL_ERROR = "protocol_error"
    AUDIO_FORMAT = "audio_format"
    AGENT_NOT_FOUND = "agent_not_found"  # nobody answers there
    OVERLOADED = "overloaded"  # refused so that others were not disturbed
    BUSY = "busy"  # of calls that we make: nobody could be reached
    NO_ANSWER = "no_answer"
    CANCELLED = "cancelled"  # before anybody answered
    CARRIER_FAILED = "carrier_failed"  # the carrier did not take it, or lost it
    TOO_LATE = "too_late"  # it could not be dialled when it was due, nor a while after
    PIPELINE_FAILED = "pipeline_failed"
    SERVER_SHUTDOWN = "server_shutdown"
    SERVER_CRASHED = "server_crashed"  # found unfinished at the next start


class EventKind(StrEnum):
    CALL_STARTED = "call.started"
    CALL_ENDED = "call.ended"
    CALLER_STARTED_SPEAKING = "caller.started_speaking"
    CALLER_STOPPED_SPEAKING = "caller.stopped_speaking"
    TURN_COMMITTED = "turn.committed"
    TURN_RESUMED = "turn.resumed"  # the caller went on before the reply was audible
    REPLY_STARTED = "reply.started"
    REPLY_FINISHED = "reply.finished"
    BARGE_IN = "barge_in"
    FALSE_ALARM = "barge_in.false_alarm"
    TOOL_CALLED = "tool.called"
    TOOL_FINISHED = "tool.finished"
    CALLER_SILENT = "caller.silent"
    GOODBYE = "goodbye"  # the closing sentence of a call that we end: too long, too silent, shut down
    DTMF = "dtmf"
    STAGE_FAILED = "stage.failed"
    STAGE_SWITCHED = "stage.switched"
    STAGE_HEDGED = "stage.hedged"  # an engine was slow, and another one was asked as well
    STAGE_BENCHED = "stage.benched"  # an engine is left alone for a while, by all calls
    FALLBACK_SPOKEN = "fallback.spoken"
    CARRIER_STATUS = "carrier.status"  # of a call that we make
    TRANSFER = "call.transfer"  # begun, done or failed
    MEDIA_PROBLEM = "media.problem"
    PROTOCOL_ERROR = "protocol.error"


class CallEvent(msgspec.Struct, frozen=True):
    kind: EventKind
    at_ms: float
    turn: int | None = None  # index of the turn it belongs to
    data: dict[str, Any] = {}
