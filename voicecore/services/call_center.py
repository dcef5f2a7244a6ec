"""An organization as a call centre: its lines are the queues, its agents those who could have been talking."""

from __future__ import annotations

from datetime import datetime

from voicecore.domain import instants
from voicecore.domain.calls import CallFilter, CallStatus
from voicecore.domain.queues import CallCenter, QueueFigures
from voicecore.storage import agents, queues
from voicecore.storage.database import Database

NO_LINE = "other"  # the queue of calls that came on no line


class CallCenters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def figures(self, organization_uid: str, from_at: datetime | None, before_at: datetime | None) -> CallCenter:
        """Of the ended calls that began in this span; None does not bound it."""
        wanted = CallFilter(statuses=(CallStatus.ENDED,), from_at=from_at, before_at=before_at)
        async with self._database.read() as connection:
            found = await queues.figures(connection, organization_uid, wanted)
            team = [agent for agent in await agents.of_organization(connection, organization_uid) if agent.active]
            begin = from_at or await queues.first_call_at(connection, organization_uid)
        by_name: dict[str, QueueFigures] = {}
        for name, sums in found:
            queue = name or NO_LINE
            by_name[queue] = by_name.get(queue, QueueFigures()) + sums
        whole = sum(by_name.values(), QueueFigures())
        return CallCenter(whole=whole, queues=by_name, utilization=_utilization(whole, len(team), begin, before_at))


def _utilization(whole: QueueFigures, team: int, begin: datetime | None, before_at: datetime | None) -> float:
    """An agent answers any number of calls at once, so that more than all of its time is all of it."""
    if begin is None:
        return 0.0
    now = instants.now()
    seconds = (min(before_at or now, now) - begin).total_seconds()
    return min(1.0, whole.talked_s / (team * seconds)) if team and seconds > 0 else 0.0
