"""What went wrong on one line, counted and reported, and how its media did on the whole.

It decides nothing: what a peer's mistakes cost it is the session's business.
"""

from __future__ import annotations

from collections import Counter

import structlog

from pipelines.clock import LATE_MS
from pipelines.conversation import Conversation
from pipelines.errors import VoicecoreError
from voicecore.domain.calls import MediaHealth
from voicecore.transports.timeline import Timeline

REPORTED = 20  # of one call, in its events; all are counted

log = structlog.get_logger(__name__)


class Troubles:
    """One connection's."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, error: VoicecoreError, call_sid: str, conversation: Conversation | None) -> None:
        self._counts[error.code] += 1
        if self._counts.total() > REPORTED:
            return
        log.warning("media_problem", code=error.code, problem=error.message, call_sid=call_sid)
        if conversation is not None:
            conversation.problem(error)

    def health(
        self, conversation: Conversation, timeline: Timeline, *, messages_out: int, worst_backlog_bytes: int
    ) -> MediaHealth:
        """For the call's record."""
        clock, playout = conversation.clock, conversation.mouth.playout
        return MediaHealth(
            frames_in=timeline.frames,
            messages_out=messages_out,
            frames_lost=timeline.lost_messages,
            frames_reordered=timeline.late_messages,
            frames_late=clock.late_over[0],
            late_over={f"{limit:g}": count for limit, count in zip(LATE_MS, clock.late_over, strict=True) if count},
            worst_late_ms=round(clock.worst_late_ms, 1),
            jitter_ms=round(clock.jitter_ms, 2),
            underruns=playout.underruns,
            stale_bytes=playout.stale_bytes,
            worst_backlog_bytes=worst_backlog_bytes,
            worst_loop_lag_ms=round(conversation.worst_loop_lag_ms, 1),
            problems=dict(self._counts),
        )
