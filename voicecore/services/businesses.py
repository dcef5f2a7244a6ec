"""Lines of business, each written as one thing: the business, the agent that answers it and the number it has."""

from __future__ import annotations

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import ConflictError, NotFound, ValidationError
from voicecore.domain import instants, phone
from voicecore.domain.accounts import Business, Line
from voicecore.domain.agents import Agent
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.services.agents import AgentPatch, as_version, patched
from voicecore.storage import agents as agent_rows
from voicecore.storage import businesses as rows
from voicecore.storage import tenants
from voicecore.storage.database import Database

MOST_DIGITS = 40  # what the column takes; E.164 allows 15
TAKEN = "phone number already in use"
MISSING = "business not found"


class LinePatch(msgspec.Struct, frozen=True, kw_only=True):
    """What is None stays as it is. A new line needs a name and a number."""

    name: str | None = None
    number: str | None = None
    profession: str | None = None
    voice_name: str | None = None


class Businesses:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def listing(self, organization_uid: str) -> list[Line]:
        """Oldest first, without closed ones."""
        async with self._database.read() as connection:
            return await rows.listing(connection, organization_uid)

    async def count(self, organization_uid: str) -> int:
        async with self._database.read() as connection:
            return await rows.count(connection, organization_uid)

    async def get(self, organization_uid: str, uid: str) -> Line:
        """Raises NotFound, also for a closed one and another organization's."""
        async with self._database.read() as connection:
            return await _found(connection, organization_uid, uid)

    async def create(self, organization_uid: str, wanted: LinePatch) -> Line:
        """Raises ValidationError; ConflictError when the number rings elsewhere, on any surface, for anybody."""
        if wanted.name is None or wanted.number is None:
            raise ValidationError("name and phone number required")
        _check(wanted)
        now = instants.now()
        business = Business(
            uid=new_uid(),
            organization_uid=organization_uid,
            external_id=new_external_id("biz"),
            name=wanted.name,
            profession=wanted.profession or "",
            voice_name=wanted.voice_name or "",
            created_at=now,
        )
        try:
            async with self._database.write() as connection:
                owner = await tenants.organization(connection, organization_uid)
                assert owner is not None  # who asks belongs to it
                business = msgspec.structs.replace(business, timezone=owner.timezone)
                await rows.add(connection, business)
                agent = await _new_agent(connection, business)
                await _renumber(connection, [agent], "", wanted.number)
        except IntegrityError as error:  # somebody was faster
            raise ConflictError(TAKEN) from error
        return Line(**msgspec.structs.asdict(business), number=wanted.number)

    async def change(self, organization_uid: str, uid: str, patch: LinePatch) -> Line:
        """Raises NotFound, ValidationError, ConflictError."""
        _check(patch)
        try:
            async with self._database.write() as connection:
                line = await _found(connection, organization_uid, uid)
                given = {name: getattr(patch, name) for name in ("name", "profession", "voice_name")}
                changes = {name: value for name, value in given.items() if value is not None}
                if changes:
                    await rows.change(connection, uid, changes)
                mine = await agent_rows.of_business(connection, organization_uid, uid)
                if mine and mine[0].name == line.name and patch.name is not None:
                    await _patch_agent(connection, mine[0], AgentPatch(name=patch.name))
                if patch.number is not None and patch.number != line.number:
                    answering = mine or [await _new_agent(connection, line)]
                    await _renumber(connection, answering, line.number, patch.number)
                return await _found(connection, organization_uid, uid)
        except IntegrityError as error:
            raise ConflictError(TAKEN) from error

    async def close(self, organization_uid: str, uid: str) -> None:
        """Nobody answers it any more and its number is free; its calls remain. Raises NotFound."""
        async with self._database.write() as connection:
            await _found(connection, organization_uid, uid)
            mine = await agent_rows.of_business(connection, organization_uid, uid)
            for agent in mine:
                await _patch_agent(connection, agent, AgentPatch(active=False))
            await rows.drop_numbers(connection, [agent.uid for agent in mine])
            await rows.change(connection, uid, {"closed_at": instants.now()})


async def _found(connection: AsyncConnection, organization_uid: str, uid: str) -> Line:
    found = await rows.line(connection, organization_uid, uid)
    if found is None:
        raise NotFound(MISSING)
    return found


def _check(wanted: LinePatch) -> None:
    if wanted.name is not None and not wanted.name.strip():
        raise ValidationError("name must not be empty", (("name", "must not be empty"),))
    if wanted.number is not None and not 1 <= len(phone.digits(wanted.number)) <= MOST_DIGITS:
        reason = f"must have 1 to {MOST_DIGITS} digits"
        raise ValidationError(f"phone number {reason}", (("phone_number", reason),))


async def _new_agent(connection: AsyncConnection, business: Business) -> Agent:
    """The agent that answers a business unless somebody makes another."""
    agent_id = new_external_id("agent")
    agent = patched(None, AgentPatch(name=business.name), business.organization_uid, business.uid, agent_id)
    await agent_rows.add(connection, agent, as_version(agent))
    return agent


async def _patch_agent(connection: AsyncConnection, agent: Agent, patch: AgentPatch) -> None:
    new = patched(agent, patch, agent.organization_uid, agent.business_uid, agent.external_id)
    if new is not agent:
        await agent_rows.add_version(connection, as_version(new))


async def _renumber(connection: AsyncConnection, mine: list[Agent], old: str, new: str) -> None:
    """The first of a business's agents gets the new number instead of the old one, whoever of them had that."""
    uids = [agent.uid for agent in mine]
    if await rows.holder(connection, new) not in (None, *uids):
        raise ConflictError(TAKEN)
    await rows.drop_numbers(connection, uids, [old, new])
    await rows.add_number(connection, mine[0].organization_uid, mine[0].uid, new, instants.now())
