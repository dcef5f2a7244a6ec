"""Agents as clients configure them and as calls find them. A change is a new version, for the next call."""

from __future__ import annotations

from typing import Any

import msgspec

from config.agents import check_template
from config.schema import AgentSettings
from pipelines import registry
from pipelines.errors import ConfigError, ConflictError, NotFound, ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import Business
from voicecore.domain.agents import Agent, AgentVersion, merge
from voicecore.domain.ids import is_external_id, new_uid
from voicecore.domain.workspaces import Addon
from voicecore.services.equipment import equipped
from voicecore.services.fieldpaths import field_error
from voicecore.storage import agents as rows
from voicecore.storage import tenants, workspaces
from voicecore.storage.database import Database

CALLER_IDS = Addon.TWILIO_ENHANCED_CALLER_ID


class AgentPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    name: str | None = None
    description: str | None = None
    config: dict[str, Any] = {}
    active: bool | None = None


class RoutedAgent(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a call needs to know of who answers it."""

    agent: Agent
    business: Business
    phone_number: str = ""
    names_callers: bool = False  # the organization wants callers' names that a carrier looks up


def settings_of(raw: dict[str, Any], prefix: str = "config") -> AgentSettings:
    """Raises ValidationError with the path of the wrong key."""
    try:
        settings = msgspec.convert(raw, AgentSettings)
    except msgspec.ValidationError as error:
        raise ValidationError("invalid agent configuration", (field_error(error, prefix),)) from error
    try:
        check_template(settings.greeting, source=prefix, key="greeting")
        check_template(settings.prompt, source=prefix, key="prompt")
        for stage, chosen in settings.stages.items():
            registry.check(stage, chosen, source=prefix, key=f"stages.{stage}")
    except ConfigError as error:
        field = (f"{prefix}.{error.key}", error.reason)
        raise ValidationError("invalid agent configuration", (field,)) from error
    return settings


class Agents:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, organization_uid: str, agent_id: str) -> Agent:
        """The newest version. Raises NotFound."""
        async with self._database.read() as connection:
            found = await rows.find(connection, organization_uid, agent_id)
        if found is None:
            raise NotFound("agent not found")
        return found

    async def version(self, organization_uid: str, agent_id: str, version: int) -> AgentVersion:
        """Raises NotFound."""
        async with self._database.read() as connection:
            found = await rows.version(connection, organization_uid, agent_id, version)
        if found is None:
            raise NotFound("agent version not found")
        return found

    async def listing(self, organization_uid: str) -> list[Agent]:
        async with self._database.read() as connection:
            return await rows.of_organization(connection, organization_uid)

    async def everyone(self, limit: int = 50) -> list[RoutedAgent]:
        """The first active agents of the server, whoever owns them."""
        async with self._database.read() as connection:
            found = await rows.active(connection, limit)
            routed = []
            for agent in found:
                business = await tenants.business(connection, agent.organization_uid, agent.business_uid)
                assert business is not None
                routed.append(RoutedAgent(agent=agent, business=business))
        return routed

    async def upsert(self, organization_uid: str, agent_id: str, patch: AgentPatch) -> tuple[Agent, bool]:
        """Merge `patch` into the agent, or make it; the bool says whether it was made.

        A patch that changes nothing makes no version. Raises ValidationError; ConflictError when the
        organization has no business to answer for.
        """
        if not is_external_id(agent_id):
            reason = "letters, digits and _ . : - only, at most 100"
            raise ValidationError("invalid agent id", (("agent_id", reason),))
        async with self._database.write() as connection:
            old = await rows.find(connection, organization_uid, agent_id)
            business = await tenants.first_business(connection, organization_uid)
            if business is None:
                raise ConflictError("the organization has no business yet")
            new = patched(old, patch, organization_uid, business.uid, agent_id)
            if old is None:
                await rows.add(connection, new, as_version(new))
            elif new is not old:
                await rows.add_version(connection, as_version(new))
        return new, old is None

    async def route(self, agent_id: str = "", number: str = "") -> RoutedAgent:
        """Who answers: the agent named, else the one with the dialled number, else the server's first.

        An id that several organizations use is decided by the number. Raises NotFound.
        """
        async with self._database.read() as connection:
            by_number = await rows.for_number(connection, number)
            if agent_id:
                named = await rows.everywhere(connection, agent_id)
                owners = [a for a in named if by_number and a.organization_uid == by_number.organization_uid]
                found = next(iter(owners or named), None)
            else:
                found = by_number or await rows.first_active(connection)
            if found is None or not found.active:
                raise NotFound("no such agent, or it is switched off")
            business = await tenants.business(connection, found.organization_uid, found.business_uid)
            number = await rows.number_of(connection, found.uid)
            on = await workspaces.switched_on(connection, found.organization_uid)
            found = await equipped(connection, found)
        assert business is not None  # a foreign key says so
        return RoutedAgent(agent=found, business=business, phone_number=number, names_callers=CALLER_IDS in on)

    async def routed(self, organization_uid: str, agent_id: str = "") -> RoutedAgent:
        """The agent of a known tenant, for clients that have proven who they are; "" is the selected one, else the
        first. Raises NotFound."""
        agent_id = agent_id or await self._answering(organization_uid)
        agent = await self.get(organization_uid, agent_id)
        if not agent.active:
            raise NotFound("the agent is switched off")
        async with self._database.read() as connection:
            business = await tenants.business(connection, organization_uid, agent.business_uid)
            number = await rows.number_of(connection, agent.uid)
            on = await workspaces.switched_on(connection, organization_uid)
            agent = await equipped(connection, agent)
        assert business is not None
        return RoutedAgent(agent=agent, business=business, phone_number=number, names_callers=CALLER_IDS in on)

    async def _answering(self, organization_uid: str) -> str:
        """The id of whoever answers where nobody is named; "" when there is nobody."""
        async with self._database.read() as connection:
            active = [a for a in await rows.of_organization(connection, organization_uid) if a.active]
            selected = (await workspaces.selection(connection, organization_uid)).assistant
        active.sort(key=lambda agent: agent.uid != selected)
        return active[0].external_id if active else ""


def patched(old: Agent | None, patch: AgentPatch, organization_uid: str, business_uid: str, agent_id: str) -> Agent:
    """The agent after the patch; the very same object when nothing changes. Raises ValidationError."""
    raw = msgspec.to_builtins(old.config) if old else {}
    config = settings_of(merge(raw, patch.config))
    now = instants.now()
    if old is None:
        return Agent(
            uid=new_uid(),
            organization_uid=organization_uid,
            business_uid=business_uid,
            external_id=agent_id,
            name=patch.name if patch.name is not None else agent_id,
            description=patch.description or "",
            active=patch.active if patch.active is not None else True,
            config=config,
            created_at=now,
            updated_at=now,
        )
    changes: dict[str, Any] = {
        "name": old.name if patch.name is None else patch.name,
        "description": old.description if patch.description is None else patch.description,
        "active": old.active if patch.active is None else patch.active,
        "config": config,
    }
    if all(getattr(old, name) == value for name, value in changes.items()):
        return old
    return msgspec.structs.replace(old, **changes, version=old.version + 1, updated_at=now)


def as_version(agent: Agent) -> AgentVersion:
    return AgentVersion(
        uid=new_uid(),
        agent_uid=agent.uid,
        version=agent.version,
        name=agent.name,
        description=agent.description,
        active=agent.active,
        config=agent.config,
        created_at=agent.updated_at,
    )
