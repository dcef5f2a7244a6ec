"""Whose call it was: known when it is over, and who was unknown is not any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.events import EndReason
from voicecore.domain.accounts import Organization
from voicecore.domain.calls import Call, CallStatus, Direction, Outcome
from voicecore.domain.customers import Customer
from voicecore.domain.ids import new_uid
from voicecore.storage import calls, customers, records
from voicecore.storage.database import Database
from voicecore.storage.schema import organizations

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def owner(database: Database) -> str:
    organization = Organization(uid=new_uid(), external_id="o", name="O", created_at=NOW)
    async with database.write() as connection:
        await records.insert(connection, organizations, organization)
    return organization.uid


def call(owner: str, **changes: object) -> Call:
    return Call(
        **{
            "uid": new_uid(),
            "organization_uid": owner,
            "external_id": new_uid(),
            "from_number": "+49 30 1234567",
            "to_number": "+49 30 7654321",
            "created_at": NOW,
            "answered_at": NOW,
            **changes,
        }
    )


def new_customer(owner: str, name: str) -> Customer:
    return Customer(
        uid=new_uid(), organization_uid=owner, external_id=name, name=name, phone="+49301234567", created_at=NOW
    )


async def ended(database: Database, running: Call) -> str | None:
    """The uid of the customer that a call is found to be of when it ends."""
    changes = {
        "status": CallStatus.ENDED.value,
        "ended_at": NOW + timedelta(seconds=5),
        "end_reason": EndReason.CALLER_HANGUP.value,
        "outcome": Outcome.COMPLETED.value,
    }
    async with database.write() as connection:
        await calls.add(connection, running)
        await calls.update_call(connection, running.uid, changes)
        found = await calls.by_uid(connection, running.uid)
    assert found is not None
    return found.customer_uid


async def test_a_stranger_becomes_a_customer_once(database: Database, owner: str) -> None:
    first = await ended(database, call(owner))
    async with database.read() as connection:
        [made] = await customers.with_number(connection, owner, "0301234567")
    assert made.uid == first
    assert made.name == ""
    again = call(owner, from_number="0301234567", party_name="Ada")
    assert await ended(database, again) == first
    async with database.read() as connection:
        assert [one.name for one in await customers.with_number(connection, owner, "0301234567")] == ["Ada"]
    later = new_customer(owner, "Grace")
    async with database.write() as connection:
        await customers.add(connection, later)
    assert await ended(database, call(owner)) == first  # whom we know by name, the oldest of them
    assert await ended(database, call(owner, party_name="grace")) == later.uid
    back = call(owner, direction=Direction.OUTBOUND, from_number="+49 30 7654321", to_number="+49301234567")
    assert await ended(database, back) == first


async def test_who_cannot_be_found_again_is_nobody(database: Database, owner: str) -> None:
    assert await ended(database, call(owner, answered_at=None)) is None  # nobody spoke with him
    assert await ended(database, call(owner, from_number="anonymous", party_name="Who")) is None
    assert await ended(database, call(owner, from_number="110")) is None
    known = await ended(database, call(owner))
    assert await ended(database, call(owner, answered_at=None)) == known
