"""The outbox: what is due goes to one process, and comes back when that process dies."""

from __future__ import annotations

from datetime import timedelta

import pytest

from voicecore.domain import instants
from voicecore.domain.accounts import Organization
from voicecore.domain.ids import new_uid
from voicecore.domain.webhooks import Fact, Subscription
from voicecore.storage import outbox, records
from voicecore.storage.database import Database
from voicecore.storage.schema import organizations

NOW = instants.now()


@pytest.fixture
async def organization(database: Database) -> str:
    uid = new_uid()
    async with database.write() as connection:
        row = Organization(uid=uid, external_id="org_x", name="X", created_at=NOW)
        await records.insert(connection, organizations, row)
        subscription = Subscription(
            uid=new_uid(),
            organization_uid=uid,
            external_id="wh_x",
            surface="vocaliq",
            url="https://x.example",
            events=(Fact.CALL_ENDED,),
            sealed_secret="",
            created_at=NOW,
        )
        await outbox.subscribe(connection, subscription)
    return uid


async def test_what_is_due_is_claimed_once_until_the_lease_ends(database: Database, organization: str) -> None:
    async with database.write() as connection:
        await outbox.announce(connection, organization, Fact.CALL_ENDED, "call_1")
        await outbox.announce(connection, organization, Fact.AGENT_ERROR, "call_1")  # nobody asked for it
    at = instants.now()
    later = at + timedelta(minutes=1)
    async with database.write() as connection:
        assert [row.subject for row in await outbox.queue.claim(connection, at, later, 10)] == ["call_1"]
    async with database.write() as connection:
        assert await outbox.queue.claim(connection, at, later, 10) == []
        assert len(await outbox.queue.claim(connection, later, later + timedelta(minutes=1), 10)) == 1


async def test_a_fact_that_is_rolled_back_announces_nothing(database: Database, organization: str) -> None:
    async def failing() -> None:
        async with database.write() as connection:
            await outbox.announce(connection, organization, Fact.CALL_ENDED, "call_1")
            raise RuntimeError("the fact failed")

    with pytest.raises(RuntimeError):
        await failing()
    async with database.read() as connection:
        assert not await outbox.queue.any_due(connection, instants.now() + timedelta(days=1))
