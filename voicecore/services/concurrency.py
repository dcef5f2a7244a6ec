"""How many calls run now, and how many ran at once before.

Counted from the calls' own rows, so that it is exact to the sample, the same in every process, and complete after a
restart: each minute that is over is counted once, and kept as the most calls at once of a minute, an hour and a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy.exc import IntegrityError

from voicecore.domain import instants
from voicecore.domain.calls import Call
from voicecore.domain.concurrency import Grain, Sample, peaks
from voicecore.storage import concurrency as rows
from voicecore.storage.database import Database

KEPT = {Grain.MINUTE: timedelta(days=7), Grain.HOUR: timedelta(days=400)}  # days: for good
SETTLED = timedelta(seconds=5)  # after which what calls reported is in the database
AT_ONCE = timedelta(days=1)  # counted in one transaction
MOST_ROUNDS = 30  # in one step
MOST_RUNNING = 1000  # calls in a list
LIVE = timedelta(minutes=3)  # that may not be counted yet
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Load(msgspec.Struct, frozen=True):
    current: int
    peak: int


class Concurrency:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: datetime | None = None  # every minute before it

    # --- reading ----------------------------------------------------------------------------------------

    async def running(self, organization_uid: str) -> list[Call]:
        """Calls that ring or are held now, the newest first."""
        async with self._database.read() as connection:
            return await rows.running(connection, organization_uid, MOST_RUNNING)

    async def load(self, organization_uid: str) -> Load:
        """Now, and the most there ever were at once."""
        now = instants.now()
        async with self._database.read() as connection:
            current = await rows.running_count(connection, organization_uid)
            highest = await rows.highest(connection, organization_uid)
            recent = await rows.stretches(connection, now - LIVE, now, organization_uid)
        live = peaks(recent, now - LIVE, now).get(organization_uid, {})
        return Load(current, max(current, highest, *live.values()) if live else max(current, highest))

    async def series(self, organization_uid: str, grain: Grain, most: int) -> list[Sample]:
        """The newest `most` minutes, hours or days (UTC), the oldest first: from the first one with a call up to now,
        without a gap. Nothing where nobody called."""
        now = instants.now()
        first = grain.begin(now) - (most - 1) * grain.length
        async with self._database.read() as connection:
            known = await rows.series(connection, organization_uid, grain, first)
            recent = await rows.stretches(connection, now - LIVE, now, organization_uid)
            older = await rows.any_before(connection, organization_uid, Grain.DAY.begin(first))
        found = {sample.begins_at: sample.peak for sample in known}
        for minute, peak in peaks(recent, now - LIVE, now).get(organization_uid, {}).items():
            begins = grain.begin(minute)
            if begins >= first:
                found[begins] = max(found.get(begins, 0), peak)
        if not found and not older:
            return []
        begins = first if older else min(found)
        count = (grain.begin(now) - begins) // grain.length + 1
        moments = (begins + step * grain.length for step in range(count))
        return [Sample(at, found.get(at, 0)) for at in moments]

    # --- counting ---------------------------------------------------------------------------------------

    async def step(self) -> int:
        """Count the minutes that are over; returns how many samples that made. Every process may: the result is the
        same."""
        until = Grain.MINUTE.begin(instants.now() - SETTLED)
        counted = 0
        for _ in range(MOST_ROUNDS):
            since = self._counted or await self._begin(until)
            if since >= until:
                self._counted = since
                break
            before = min(since + AT_ONCE, until)
            try:
                counted += await self._count(since, before)
            except IntegrityError:  # another process counts the same: look again in a second
                break
            self._counted = before if before == until else await self._skipped(before, until)
        return counted

    async def _begin(self, until: datetime) -> datetime:
        """Where an earlier process left off; without one, with the first call."""
        async with self._database.read() as connection:
            last = await rows.last(connection, Grain.MINUTE) or await rows.last(connection, Grain.DAY)
        return last if last is not None else await self._skipped(BEGINNING, until)

    async def _skipped(self, since: datetime, until: datetime) -> datetime:
        """The first minute from there on that may have had a call."""
        async with self._database.read() as connection:
            end = await rows.next_end(connection, since)
        if end is None or end > until:
            return max(since, until - AT_ONCE)  # calls that run may have begun a while ago
        return max(since, Grain.MINUTE.begin(end - AT_ONCE))

    async def _count(self, since: datetime, before: datetime) -> int:
        async with self._database.read() as connection:
            found = peaks(await rows.stretches(connection, since, before), since, before)
        if not found:
            return 0
        now = instants.now()
        async with self._database.append() as connection:
            for owner, minutes in found.items():
                for grain in Grain:
                    oldest = now - KEPT[grain] if grain in KEPT else BEGINNING
                    samples: dict[datetime, int] = {}
                    for minute, peak in minutes.items():
                        if (begins := grain.begin(minute)) >= oldest:
                            samples[begins] = max(samples.get(begins, 0), peak)
                    if samples:
                        await rows.raise_to(connection, owner, grain, samples)
            for grain, kept in KEPT.items():
                await rows.forget(connection, grain, now - kept)
        return sum(len(minutes) for minutes in found.values())
