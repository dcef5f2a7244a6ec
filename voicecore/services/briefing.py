"""What a call has to know of who answers it, read once for all calls that begin about the same time.

A ramp of calls would else read the same rows over and over. Every change by this process counts at once, one by another
process (a worker, `voicecore seed`) after a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pipelines.brain import ports
from voicecore.domain.accounts import Business
from voicecore.domain.calendar import OpeningHours, Service
from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.services.agents import Agents, RoutedAgent
from voicecore.services.appointments import Appointments
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.receptionist_ports import port_hours, port_services
from voicecore.storage.database import Database

FRESH_S = 1.0
MOST = 1024  # things remembered; beyond that everything is forgotten


class Briefing(msgspec.Struct, frozen=True):
    """Of one business."""

    services: list[Service]
    hours: list[OpeningHours]
    articles: list[KnowledgeArticle]

    def vocabulary(self, routed: RoutedAgent) -> tuple[str, ...]:
        """What callers of this agent are likely to say: its own phrases, services, articles and their questions."""
        words = [*routed.agent.config.phrases, routed.business.name, *(service.name for service in self.services)]
        for article in self.articles:
            words += [article.title, *article.questions, *article.tags]
        return tuple(words)

    def port_hours(self) -> list[ports.OpeningHours]:
        return port_hours(self.hours)

    def port_services(self) -> list[ports.Service]:
        return port_services(self.services)


class Briefings:
    """Answers to the questions of a beginning call, remembered."""

    def __init__(
        self, database: Database, agents: Agents, appointments: Appointments, knowledge: KnowledgeBase
    ) -> None:
        self._database = database
        self._agents = agents
        self._appointments = appointments
        self._knowledge = knowledge
        self._known: dict[tuple[str, ...], asyncio.Task[Any]] = {}
        self._reading: set[asyncio.Task[Any]] = set()
        self._since_s = 0.0
        self._changes = -1

    async def route(self, agent_id: str = "", number: str = "") -> RoutedAgent:
        """As `Agents.route`. Raises NotFound."""
        found: RoutedAgent = await self._once(("route", agent_id, number), lambda: self._agents.route(agent_id, number))
        return found

    async def routed(self, organization_uid: str, agent_id: str = "") -> RoutedAgent:
        """As `Agents.routed`. Raises NotFound."""
        key = ("routed", organization_uid, agent_id)
        found: RoutedAgent = await self._once(key, lambda: self._agents.routed(organization_uid, agent_id))
        return found

    async def of(self, business: Business) -> Briefing:
        found: Briefing = await self._once(("business", business.uid), lambda: self._read(business))
        return found

    async def close(self) -> None:
        reading = list(self._reading)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    async def _read(self, business: Business) -> Briefing:
        return Briefing(
            services=await self._appointments.services(business),
            hours=await self._appointments.opening_hours(business),
            articles=await self._knowledge.articles(business.organization_uid, business.uid),
        )

    async def _once(self, key: tuple[str, ...], read: Callable[[], Awaitable[Any]]) -> Any:
        """Whoever asks while it is read waits for the same answer; a failure is nobody's later."""
        self._forget_what_is_old()
        task = self._known.get(key)
        if task is None:
            task = self._known[key] = asyncio.ensure_future(read())
            self._reading.add(task)
            task.add_done_callback(lambda done: self._was_read(key, done))
        return await asyncio.shield(task)

    def _forget_what_is_old(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._changes != self._database.changes or now_s - self._since_s > FRESH_S or len(self._known) > MOST:
            # What is still being read may be of before the change: who waits for it asked before, too.
            self._known = {}
            self._changes, self._since_s = self._database.changes, now_s

    def _was_read(self, key: tuple[str, ...], task: asyncio.Task[Any]) -> None:
        self._reading.discard(task)
        if (task.cancelled() or task.exception() is not None) and self._known.get(key) is task:
            del self._known[key]
