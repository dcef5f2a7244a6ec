"""What is made ready before a caller waits for it: recognisers, the sentences of last resort, connections to providers.

All of it only saves time: what cannot be made ready is told in the log and tried again when it is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import datetime
from typing import Any

import structlog

from config.schema import Company
from pipelines.abilities import Preparable, Warmable, WarmableVoice
from pipelines.audio import TELEPHONE, AudioFormat
from pipelines.brain.prompt import facts_for, fill
from pipelines.engines import Chains, EngineRoom
from pipelines.errors import StageError, VoicecoreError
from pipelines.failover import FailoverTts
from pipelines.phrases import cut, first_aid
from pipelines.stages import SttOptions, Voice
from pipelines.stock import Stock
from voicecore.domain import instants
from voicecore.services.agents import Agents, RoutedAgent
from voicecore.services.briefing import Briefings
from voicecore.services.equipment import voice_id

log = structlog.get_logger(__name__)

# Facts that differ from call to call. What is said with them is not worth keeping, nor is it to be: nobody's number
# goes to the disk.
PASSING = ("time", "caller_phone", "caller_name")


class Warmup:
    """For a whole server at boot, and for one agent whose telephone rings."""

    def __init__(self, agents: Agents, engines: EngineRoom, stock: Stock, briefings: Briefings) -> None:
        self._agents = agents
        self._engines = engines
        self._stock = stock
        self._briefings = briefings
        self._running: set[asyncio.Task[None]] = set()

    async def everyone(self) -> None:
        """Let recognisers get ready for the agents there are, before somebody calls them, and have their voices say
        the greeting and what is said when something fails: then it is there even when no voice works."""
        for routed in await self._agents.everyone():
            try:
                chains = await self._engines.chains(routed.agent.config, routed.agent.organization_uid)
                for named in chains.stt:
                    if isinstance(named.engine, Preparable):
                        await named.engine.prepare(await self.stt_options(routed, TELEPHONE.rate_hz))
                voice = FailoverTts(chains.tts, lambda switched: None, self._stock)
                now = instants.now().astimezone(instants.zone(routed.business.timezone))
                greeting = lasting_greeting(routed.agent.config.greeting, facts_of(routed, now))
                self._stock.name(greeting)
                said = [*first_aid(routed.agent.config.language), *greeting]
                await voice.stock_up(said, voice_of(routed, chains), TELEPHONE)
            except VoicecoreError as error:
                # An agent that cannot work here (its language, its engine) is no reason not to serve the others.
                log.warning("agent_not_ready", agent=routed.agent.external_id, reason=error.message)

    def ringing(self, routed: RoutedAgent) -> None:
        """A call is about to come: have its providers' connections open by then."""
        self._spawn(self._connect_agent(routed))

    def connect(self, chains: Chains, voice: Voice, audio_format: AudioFormat) -> None:
        """Open what the first engines of a call will need; the call does not wait for it."""
        self._spawn(_connected(chains, voice, audio_format))

    async def close(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def stt_options(self, routed: RoutedAgent, rate_hz: int) -> SttOptions:
        language, briefing = routed.agent.config.language, await self._briefings.of(routed.business)
        return SttOptions(language=language, rate_hz=rate_hz, phrases=briefing.vocabulary(routed))

    async def _connect_agent(self, routed: RoutedAgent) -> None:
        try:
            chains = await self._engines.chains(routed.agent.config, routed.agent.organization_uid)
        except VoicecoreError as error:
            log.warning("agent_not_ready", agent=routed.agent.external_id, reason=error.message)
            return
        await _connected(chains, voice_of(routed, chains), TELEPHONE)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _connected(chains: Chains, voice: Voice, audio_format: AudioFormat) -> None:
    steps = []
    for engine in (chains.stt[0].engine, chains.llm[0].engine, chains.tts[0].engine):
        if isinstance(engine, Warmable):
            steps.append(engine.warm())
        if isinstance(engine, WarmableVoice):
            steps.append(engine.warm_voice(voice, audio_format))
    for failed in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(failed, StageError):
            log.info("connection_not_warm", reason=failed.message)
        elif failed is not None:
            raise failed


def lasting_greeting(template: str, facts: Mapping[str, Any]) -> list[str]:
    """The chunks of a greeting, as they are given to a voice, that every caller of a day hears."""
    others = set(cut([fill(template, {**facts, **dict.fromkeys(PASSING, "#")})]))
    return [chunk for chunk in cut([fill(template, facts)]) if chunk in others]


def facts_of(routed: RoutedAgent, now: datetime, caller_phone: str = "") -> dict[str, Any]:
    """`now` is aware, in the business's zone."""
    business = routed.business
    company = Company(name=business.name, timezone=business.timezone, phone=business.phone, address=business.address)
    return facts_for(routed.agent.config, company, now, agent_name=routed.agent.name, caller_phone=caller_phone)


def voice_of(routed: RoutedAgent, chains: Chains) -> Voice:
    chosen = routed.agent.config.voice
    speed = chosen.settings.get("speed", 1.0)
    return Voice(
        voice_id=voice_id(chosen, chains.tts[0].name),
        language=routed.agent.config.language,
        speed=float(speed) if isinstance(speed, int | float) else 1.0,
        settings=chosen.settings,
    )
