"""Forgets what an organization keeps for a limited time: who called and what was said, when it is older than that."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

from voicecore.domain import instants
from voicecore.domain.accounts import Device
from voicecore.domain.audit import Deed, Risk
from voicecore.services.audit import entry
from voicecore.services.privacy import remove_tapes
from voicecore.storage import audit
from voicecore.storage import retention as rows
from voicecore.storage.database import Database

EVERY_S = 3600.0
AT_ONCE = 50  # calls in one transaction: calls that are held now want to write, too
TRAIL_DAYS = 365  # the audit trail is kept for at least so long (PCI DSS 4.0 §10.5.1)
EXPIRED = Deed("data.expired", "organization", Risk.MEDIUM)
OURSELVES = ("server", Device())  # whose deed it is


class Retention:
    """`recordings` is their directory."""

    def __init__(self, database: Database, recordings: Path) -> None:
        self._database = database
        self._recordings = recordings
        self._next_s = 0.0  # monotonic

    async def step(self) -> None:
        """Once an hour: every organization that forgets."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + EVERY_S
        async with self._database.read() as connection:
            found = await rows.limited(connection)
        for organization_uid, days in found:
            await self.expire(organization_uid, days)

    async def expire(self, organization_uid: str, days: int) -> int:
        """Forget what is older than so many days. The number of calls; the audit trail has it, if there was
        anything."""
        now = instants.now()
        before = now - timedelta(days=days)
        forgotten = 0
        while True:
            async with self._database.append() as connection:
                count, tapes = await rows.forget_calls(connection, organization_uid, before, now, AT_ONCE)
            await asyncio.to_thread(remove_tapes, self._recordings, tapes)
            forgotten += count
            if count < AT_ONCE:
                break
        async with self._database.append() as connection:
            other = await rows.forget_words(connection, organization_uid, before)
            trail = await audit.prune(connection, organization_uid, now - timedelta(days=max(days, TRAIL_DAYS)))
            if forgotten or other or trail:
                changes = {"retention_days": days, "calls": forgotten, "other_records": other, "audit_entries": trail}
                await audit.add(connection, entry(organization_uid, None, *OURSELVES, EXPIRED, changes=changes))
        return forgotten
