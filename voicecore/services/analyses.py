"""Reading what was made of finished calls: analyses by call, in batches for lists, and counts over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from voicecore.domain.analyses import Analysis, KeywordCount, Share
from voicecore.domain.calls import CallFilter
from voicecore.storage import analyses as rows
from voicecore.storage.database import Database

MOST_KEYWORDS = 100
EVERY_CALL = CallFilter()


class Analyses:
    """Calls are named by their `uid`. A call that runs, or that ended this second, has no analysis yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, organization_uid: str, call_uid: str) -> Analysis | None:
        """None also for another organization's call."""
        return (await self.of_calls(organization_uid, [call_uid])).get(call_uid)

    async def of_calls(self, organization_uid: str, call_uids: Sequence[str]) -> dict[str, Analysis]:
        """By call uid; calls without an analysis are left out."""
        async with self._database.read() as connection:
            return await rows.of_calls(connection, organization_uid, call_uids)

    async def keywords(self, organization_uid: str, most: int = MOST_KEYWORDS) -> list[KeywordCount]:
        """The most frequent first."""
        async with self._database.read() as connection:
            return await rows.keyword_counts(connection, organization_uid, most)

    async def intents(self, organization_uid: str, wanted: CallFilter = EVERY_CALL) -> list[Share]:
        """Of the ended calls of a list, the largest first; those without an analysis yet are "unknown"."""
        async with self._database.read() as connection:
            return await rows.intents(connection, organization_uid, wanted)

    async def end_reasons(self, organization_uid: str, wanted: CallFilter = EVERY_CALL) -> list[Share]:
        """Of the ended calls of a list, by the value of `EndReason`, the largest first."""
        async with self._database.read() as connection:
            return await rows.reasons(connection, organization_uid, wanted)

    async def agents(self, organization_uid: str, wanted: CallFilter = EVERY_CALL) -> list[Share]:
        """Of the ended calls of a list, by the agent's name, the largest first."""
        async with self._database.read() as connection:
            return await rows.agent_names(connection, organization_uid, wanted)
