"""A text telephone: a shipped agent with its ports in memory, spoken to turn by turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from config.agents import parse_hours, shipped_agents
from pipelines.brain.dialogue import ToolRan, as_heard, reply
from pipelines.brain.knowledge import Article
from pipelines.brain.memory import MemoryCalendar, MemoryControl, MemoryKnowledge
from pipelines.brain.ports import OpeningHours, Service
from pipelines.brain.prompt import facts_for, fill, system_message
from pipelines.brain.tools import Toolbox
from pipelines.providers.receptionist import Receptionist, ReceptionistOptions
from pipelines.stages import Expect, Hint, LlmRequest, Message, TextDelta

AGENTS = {agent.id: agent for agent in shipped_agents()}


class Line:
    """One conversation. It is Tuesday, November 24th 2026, five past ten."""

    def __init__(self, agent_id: str = "receptionist", caller_phone: str = "+442079460111", **able: bool) -> None:
        agent = AGENTS[agent_id]
        capabilities = msgspec.structs.replace(agent.config.capabilities, **able)
        agent = msgspec.structs.replace(agent, config=msgspec.structs.replace(agent.config, capabilities=capabilities))
        self.now = datetime(2026, 11, 24, 10, 5, tzinfo=ZoneInfo(agent.company.timezone))
        hours = [OpeningHours(*span) for span in parse_hours(agent.opening_hours, source=agent_id)]
        services = [Service(s.name, s.minutes) for s in agent.services]
        articles = [Article(str(n), a.title, a.content, a.tags, a.questions) for n, a in enumerate(agent.knowledge)]
        self.calendar = MemoryCalendar(services, hours, now=lambda: self.now)
        self.control = MemoryControl()
        self.toolbox = Toolbox(
            MemoryKnowledge(articles),
            self.calendar,
            self.control,
            now=lambda: self.now,
            capabilities=agent.config.capabilities,
            caller_phone=caller_phone,
        )
        facts = facts_for(agent.config, agent.company, self.now, agent_name=agent.name, caller_phone=caller_phone)
        self.llm = Receptionist(ReceptionistOptions())
        self.messages = [
            Message("system", system_message(agent.config, facts)),
            Message("assistant", fill(agent.config.greeting, facts)),
        ]
        self._request = LlmRequest([], self.toolbox.specs, agent.config.language, self.now, facts)
        self.expect = Expect.ANYTHING
        self.tools: list[str] = []  # of the last turn

    async def say(self, text: str, *, heard_words: int | None = None) -> str:
        """The reply to `text`; `heard_words`: the caller breaks in after so many words of it."""
        self.messages.append(Message("user", text))
        added: list[Message] = []
        spoken, self.tools = "", []
        request = msgspec.structs.replace(self._request, messages=list(self.messages))
        async for event in reply(self.llm, self.toolbox, request, added):
            if isinstance(event, TextDelta):
                spoken += event.text
            elif isinstance(event, Hint):
                self.expect = event.expect
            elif isinstance(event, ToolRan):
                self.tools.append(event.call.name)
        if heard_words is not None:
            added = as_heard(added, " ".join(spoken.split()[:heard_words]), interrupted=True)
        self.messages += added
        return spoken

    async def all(self, *texts: str) -> str:
        """The reply to the last of several utterances."""
        return [await self.say(text) for text in texts][-1]

    @property
    def booked(self) -> list[tuple[str, str, str]]:
        return [(a.service, f"{a.start:%Y-%m-%d %H:%M}", a.customer_name) for a in self.calendar.appointments]


@pytest.fixture
def ring() -> Callable[..., Line]:
    """Dials an agent: ring("empfang")."""
    return Line
