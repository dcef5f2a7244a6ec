"""What becomes of a call while it runs: its row, its journal, its end. The call path never waits here.

A new server first closes what its predecessor left open: `recover`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from pipelines.events import CallEvent, EndReason
from pipelines.machines.speculation import Ledger
from pipelines.timing import Marks, Turn
from pipelines.usage import Usage, added, cost_microusd
from voicecore.domain import instants
from voicecore.domain.agents import Agent
from voicecore.domain.calls import (
    Call,
    CallStatus,
    Direction,
    MediaHealth,
    Outcome,
    Peaks,
    Recording,
    StoredEvent,
    StoredTurn,
    check_step,
    outcome,
)
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.percentiles import stage_means, stage_summaries
from voicecore.storage import calls as rows
from voicecore.storage.database import Database
from voicecore.storage.records import plain
from voicecore.storage.writer import (
    CallChanged,
    CallOpened,
    CallRecorded,
    EventHappened,
    TurnFinished,
    Writer,
)

log = structlog.get_logger(__name__)


def _figures(marks: list[Marks], answered_at: datetime | None, ended_at: datetime) -> dict[str, Any]:
    """What lists and sums are made of, known at the end."""
    duration_s = max(0.0, (ended_at - answered_at).total_seconds()) if answered_at else 0.0
    return {"stages": stage_summaries(marks), **stage_means(marks), "duration_s": duration_s}


class CallJournal:
    """The journal of one call (see `pipelines/journal.py`), and the steps only the gateway knows of.

    `call` is the row as it was opened. After `ended` further reports are still stored, the end is not moved.
    """

    def __init__(self, writer: Writer, call: Call, clock: Callable[[], datetime]) -> None:
        self.call = call
        self._writer = writer
        self._clock = clock
        self._status = call.status
        self._answered_at = call.answered_at
        self._marks: list[Marks] = []
        self._speculation = Ledger()
        self._usage: Usage = {}
        self._priced = True  # every turn
        self._health = MediaHealth()

    def event(self, event: CallEvent) -> None:
        stored = StoredEvent(
            call_uid=self.call.uid, kind=event.kind.value, at_ms=event.at_ms, turn=event.turn, data=event.data
        )
        self._writer.put(EventHappened(stored))

    def turn_finished(self, turn: Turn) -> None:
        self._marks.append(dict(turn.marks))
        self._speculation += turn.speculation
        self.used(turn.usage)
        self._priced = self._priced and turn.cost_microusd is not None
        stored = StoredTurn(
            uid=new_uid(),
            call_uid=self.call.uid,
            agent_uid=self.call.agent_uid,
            **{name: getattr(turn, name) for name in Turn.__struct_fields__},
        )
        self._writer.put(TurnFinished(stored))

    def answered(self, at: datetime | None = None) -> None:
        """The caller's first sample arrived: zero of call time. Once."""
        check_step(self._status, CallStatus.ANSWERED)
        self._status = CallStatus.ANSWERED
        self._answered_at = self._clock() if at is None else max(at, self.call.created_at)
        self._change(status=CallStatus.ANSWERED.value, answered_at=self._answered_at)

    def ended(self, reason: EndReason, at_ms: float) -> None:
        """`at_ms` is for the call's own event; the row ends now. A second end changes nothing."""
        if self._status is CallStatus.ENDED:
            return
        self._status = CallStatus.ENDED
        now = self._clock()
        self._change(
            status=CallStatus.ENDED.value,
            ended_at=now,
            end_reason=reason.value,
            outcome=outcome(reason, answered=self._answered_at is not None).value,
            **_figures(self._marks, self._answered_at, now),
            speculation=plain(self._speculation),
            usage=plain(self._usage),
            cost_microusd=cost_microusd(self._usage) if self._priced else None,
            media_health=plain(self._health),
        )

    def used(self, usage: Usage) -> None:
        """What engines used in no turn. Call before `ended`."""
        self._usage = added([self._usage, usage])

    def media_health(self, health: MediaHealth) -> None:
        """Call before `ended`."""
        self._health = health

    def recorded(self, path: str, *, rate_hz: int, duration_ms: float, size_bytes: int, peaks: Peaks | None) -> None:
        """The recording is closed. `path` is relative to the recordings directory."""
        recording = Recording(
            uid=new_uid(),
            organization_uid=self.call.organization_uid,
            call_uid=self.call.uid,
            external_id=new_external_id("rec"),
            path=path,
            rate_hz=rate_hz,
            duration_ms=duration_ms,
            size_bytes=size_bytes,
            peaks=peaks,
            created_at=self._clock(),
        )
        self._writer.put(CallRecorded(recording))

    def _change(self, **changes: Any) -> None:
        self._writer.put(CallChanged(self.call.uid, changes))


class CallLog:
    """Opens calls. `node` names this server process among those that share a database."""

    def __init__(
        self,
        writer: Writer,
        *,
        node: str = "",
        clock: Callable[[], datetime] = instants.now,
    ) -> None:
        self._writer = writer
        self._node = node
        self._clock = clock

    @property
    def node(self) -> str:
        """This server process."""
        return self._node

    async def flush(self) -> None:
        """Returns when everything that calls have reported so far is durable."""
        await self._writer.flush()

    def resume(self, placed: Call) -> CallJournal:
        """The journal of a call that has a row already, because we have placed it."""
        return CallJournal(self._writer, placed, self._clock)

    def open(
        self,
        agent: Agent,
        *,
        sid: str = "",
        direction: Direction = Direction.INBOUND,
        from_number: str = "",
        to_number: str = "",
        transport: str = "",
        metadata: dict[str, Any] | None = None,
        call_id: str = "",
        party_name: str = "",
    ) -> CallJournal:
        """A call was admitted. Its row carries the agent's version of this moment. Does not wait."""
        call = Call(
            uid=new_uid(),
            organization_uid=agent.organization_uid,
            external_id=call_id or new_external_id("call"),
            sid=sid,
            direction=direction,
            status=CallStatus.RINGING,
            from_number=from_number,
            to_number=to_number,
            agent_uid=agent.uid,
            agent_id=agent.external_id,
            agent_version=agent.version,
            business_uid=agent.business_uid,
            party_name=party_name,
            transport=transport,
            node=self._node,
            metadata=metadata or {},
            created_at=self._clock(),
        )
        self._writer.put(CallOpened(call))
        return CallJournal(self._writer, call, self._clock)


async def recover(database: Database, node: str) -> int:
    """End the calls that a serving process (or all whose names begin so) had when it died, at their last known
    moment. Returns how many."""
    async with database.write() as connection:
        left = await rows.unfinished(connection, node)
        for call in left:
            last_ms = await rows.last_trace_ms(connection, call.uid)
            turns = await rows.turns_of(connection, call.uid)
            ended_at = call.instant(last_ms or 0.0)
            usage = added(turn.usage for turn in turns)
            priced = all(turn.cost_microusd is not None for turn in turns)
            changes = {
                "status": CallStatus.ENDED.value,
                "ended_at": ended_at,
                "end_reason": EndReason.SERVER_CRASHED.value,
                "outcome": Outcome.FAILED.value,
                **_figures([turn.marks for turn in turns], call.answered_at, ended_at),
                "speculation": plain(sum((turn.speculation for turn in turns), Ledger())),
                "usage": plain(usage),
                "cost_microusd": cost_microusd(usage) if priced else None,
            }
            await rows.update_call(connection, call.uid, changes)
    if left:
        log.warning("calls_recovered", calls=len(left))
    return len(left)
