"""Agents as a dashboard lists them: which model and which voice each one has, and the numbers that they answer."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.engines import EngineRoom
from pipelines.errors import ConfigError, ValidationError
from voicecore.domain.accounts import Business
from voicecore.domain.agents import Agent, PhoneNumber
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.services.agents import AgentPatch, as_version, patched
from voicecore.services.shelf import Shelf
from voicecore.storage import agents as rows
from voicecore.storage import businesses, tenants
from voicecore.storage.database import Database

MOST = 1000  # agents of an organization
KEY = "assistants"  # on the shelf


class Chosen(msgspec.Struct, frozen=True):
    """A provider's name, as clients write it, and which of its models or voices."""

    provider: str = ""
    name: str = ""


class Assistant(msgspec.Struct, frozen=True, kw_only=True):
    """`model` and `voice` are what the agent wishes for, else what its pipeline has."""

    uid: str
    name: str
    model: Chosen
    voice: Chosen


class Assistants:
    def __init__(self, database: Database, engines: EngineRoom, shelf: Shelf) -> None:
        self._database = database
        self._engines = engines
        self._shelf = shelf

    async def listing(self, organization_uid: str) -> tuple[list[Assistant], bool]:
        """Those that answer, oldest first; whether the list was made before and nothing has changed since."""
        async with self._database.read() as connection:
            stamp = await rows.stamp(connection, organization_uid)
            kept = self._shelf.get(organization_uid, KEY, stamp)
            if kept is not None:
                return kept, True
            found = await rows.of_organization(connection, organization_uid)
        listed = [self._shown(agent) for agent in found if agent.active]
        self._shelf.put(organization_uid, KEY, stamp, listed)
        return listed, False

    async def create(self, organization_uid: str, name: str, model: Chosen, voice: Chosen) -> Agent:
        """Answers for the organization's first business. Raises ValidationError."""
        config: dict[str, Any] = {
            "model": {"provider": model.provider, "model": model.name},
            "voice": {"provider": voice.provider, "voice_id": voice.name},
        }
        async with self._database.write() as connection:
            if await rows.count_of(connection, organization_uid) >= MOST:
                raise ValidationError(f"a workspace has at most {MOST} assistants")
            business = await _business(connection, organization_uid)
            wanted = AgentPatch(name=name, config=config)
            agent = patched(None, wanted, organization_uid, business.uid, new_external_id("agent"))
            await rows.add(connection, agent, as_version(agent))
        return agent

    async def numbers(self, organization_uid: str) -> list[PhoneNumber]:
        """Oldest first."""
        async with self._database.read() as connection:
            return await rows.numbers(connection, organization_uid)

    def _shown(self, agent: Agent) -> Assistant:
        config = agent.config
        model = Chosen(config.model.provider, config.model.model)
        voice = Chosen(config.voice.provider, config.voice.voice_id)
        try:
            stages = self._engines.stage_settings(config)
        except ConfigError:  # of a pipeline that was taken from the server: nothing to tell of it
            stages = {}
        return Assistant(
            uid=agent.uid,
            name=agent.name,
            model=_else(model, stages.get("llm"), "model"),
            voice=_else(voice, stages.get("tts"), "voice"),
        )


def _else(wished: Chosen, stage: Any, option: str) -> Chosen:
    if wished.provider or stage is None:
        return wished
    return Chosen(stage.provider, wished.name or str(stage.options.get(option, "")) or "default")


async def _business(connection: AsyncConnection, organization_uid: str) -> Business:
    """The organization's first; one of its own name where it has none yet."""
    found = await tenants.first_business(connection, organization_uid)
    if found is not None:
        return found
    owner = await tenants.organization(connection, organization_uid)
    assert owner is not None  # who asks belongs to it
    made = Business(
        uid=new_uid(),
        organization_uid=owner.uid,
        external_id=new_external_id("biz"),
        name=owner.name,
        timezone=owner.timezone,
        created_at=owner.created_at,
    )
    await businesses.add(connection, made)
    return made
