"""Reading and configuring agents."""

from __future__ import annotations

from typing import Any

import msgspec

from config.schema import AgentSettings
from pipelines.errors import ValidationError
from voicecore.api.kit import Exchange, Reply, Route
from voicecore.api.vocaliq.words import z
from voicecore.domain.accounts import Permission
from voicecore.domain.agents import Agent
from voicecore.services.agents import AgentPatch, Agents


class AgentResponse(msgspec.Struct):
    id: str
    organization_id: str
    name: str
    description: str
    config: AgentSettings
    active: bool
    created_at: str
    updated_at: str
    version: int


class AgentRequest(msgspec.Struct):
    """Merged deeply into what is there; in `config`, null puts a setting back to its default."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    config: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET


class AgentHandlers:
    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    async def get(self, exchange: Exchange) -> AgentResponse:
        agent = await self._agents.get(exchange.organization_uid, exchange.path("agent_id"))
        return _response(agent, exchange)

    async def put(self, exchange: Exchange) -> Reply:
        body: AgentRequest = exchange.body
        if isinstance(body.name, str) and not body.name.strip():
            raise ValidationError("Invalid input data", (("name", "must not be empty"),))
        patch = AgentPatch(
            name=body.name or None,
            description=None if body.description is msgspec.UNSET else body.description,
            config=body.config or {},
            active=None if body.active is msgspec.UNSET else body.active,
        )
        agent_id = exchange.path("agent_id")
        agent, _ = await self._agents.upsert(exchange.organization_uid, agent_id, patch)
        return Reply(_response(agent, exchange))

    def routes(self) -> list[Route]:
        path, tag = "/api/v1/agents/{agent_id}", "Agents"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.get,
                summary="An agent's configuration",
                tag=tag,
                response=AgentResponse,
            ),
            Route(
                method="PUT",
                path=path,
                handler=self.put,
                summary="Create an agent or change it by deep merge; effective at the next call",
                tag=tag,
                body=AgentRequest,
                response=AgentResponse,
                permission=Permission.CONFIGURE,
            ),
        ]


def _response(agent: Agent, exchange: Exchange) -> AgentResponse:
    return AgentResponse(
        id=agent.external_id,
        organization_id=exchange.who.organization_id,
        name=agent.name,
        description=agent.description,
        config=agent.config,
        active=agent.active,
        created_at=z(agent.created_at),
        updated_at=z(agent.updated_at),
        version=agent.version,
    )
