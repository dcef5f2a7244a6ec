"""An agent as its calls get it: what its organization has switched off is off, and where it has a key to the language
model that the agent wishes for, that model answers."""

from __future__ import annotations

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from config.schema import AgentSettings, StageSettings, VoiceSettings
from voicecore.domain.agents import Agent
from voicecore.domain.workspaces import Addon
from voicecore.storage import workspaces

MODELS = {"openai": "openai"}  # what clients call a provider → ours, of those that a workspace can have a key for
VOICES = {"11labs": "elevenlabs"}  # the same of voices, where the two differ
RULES = "receptionist"  # answers by rules, with no model: always there


def voice_id(voice: VoiceSettings, provider: str) -> str:
    """What the first voice of an agent's pipeline, which is of this provider, is told: "" where the wish is of
    another's voices, for it would know none of that name and say nothing at all."""
    wished = VOICES.get(voice.provider.casefold(), voice.provider.casefold())
    return voice.voice_id if wished in ("", provider) else ""


async def equipped(connection: AsyncConnection, agent: Agent) -> Agent:
    on = await workspaces.switched_on(connection, agent.organization_uid)
    chosen = await workspaces.selection(connection, agent.organization_uid)
    config = with_model(without(agent.config, on), chosen.model_secret)
    return agent if config is agent.config else msgspec.structs.replace(agent, config=config)


def without(config: AgentSettings, on: frozenset[Addon]) -> AgentSettings:
    """The very same object when nothing is switched off."""
    if Addon.APPOINTMENTS_BY_AI in on or not config.capabilities.appointment_booking:
        return config
    capabilities = msgspec.structs.replace(config.capabilities, appointment_booking=False)
    return msgspec.structs.replace(config, capabilities=capabilities)


def with_model(config: AgentSettings, secret_name: str) -> AgentSettings:
    """`secret_name`: under which the key is stored, "" when there is none. A stage that is configured as such goes
    before."""
    provider = MODELS.get(config.model.provider.casefold())
    if provider is None or not secret_name or "llm" in config.stages:
        return config
    options = {"api_key": f"store:{secret_name}"} | ({"model": config.model.model} if config.model.model else {})
    stage = StageSettings(provider=provider, options=options, fallback=(StageSettings(provider=RULES),))
    return msgspec.structs.replace(config, stages={**config.stages, "llm": stage})
