"""All engines of a process: built once, at boot or at first use, and shared by every call.

An engine is known by stage, provider and options: two agents that ask for the same get the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from config.schema import AgentSettings, PipelineSettings, StageSettings
from pipelines.errors import ConfigError
from pipelines.failover import Named
from pipelines.registry import make
from pipelines.stages import HasBacklog, Llm, Stt, Tts, TurnDetector, Vad

Key = tuple[str, str, bytes]


class Chains(msgspec.Struct, frozen=True):
    """An agent's engines, first choice first."""

    vad: Vad
    stt: list[Named[Stt]]
    llm: list[Named[Llm]]
    tts: list[Named[Tts]]
    turn: TurnDetector | None = None


class EngineRoom:
    """Makes engines and closes them. Not thread-safe: belongs to one event loop."""

    def __init__(self, pipelines: Mapping[str, PipelineSettings], default: str) -> None:
        self._pipelines = pipelines
        self._default = default
        self._engines: dict[Key, Any] = {}
        self._making: dict[Key, asyncio.Lock] = {}

    async def chains(self, agent: AgentSettings) -> Chains:
        """The engines for an agent. Raises ConfigError, EngineMissing."""
        wanted = self.stage_settings(agent)
        first = await self._chain("vad", wanted["vad"])
        return Chains(
            vad=cast(Vad, first[0].engine),
            stt=await self._chain("stt", wanted["stt"]),
            llm=await self._chain("llm", wanted["llm"]),
            tts=await self._chain("tts", wanted["tts"]),
            turn=await self._engine("turn", wanted["turn"]) if "turn" in wanted else None,
        )

    def stage_settings(self, agent: AgentSettings) -> dict[str, StageSettings]:
        """Which engine serves which stage: the agent's own choice before its pipeline's. Raises ConfigError."""
        name = agent.pipeline or self._default
        if name not in self._pipelines:
            known = ", ".join(sorted(self._pipelines))
            raise ConfigError(f'no pipeline "{name}"; there are: {known}', source="agent", key="pipeline")
        pipeline = self._pipelines[name]
        stages = {name: getattr(pipeline, name) for name in ("vad", "stt", "llm", "tts")}
        if pipeline.turn is not None:
            stages["turn"] = pipeline.turn
        return stages | dict(agent.stages)

    def backlog_ms(self) -> float:
        """How far the busiest engine is behind, of those that can say it."""
        return max((e.backlog_ms for e in self._engines.values() if isinstance(e, HasBacklog)), default=0.0)

    async def close(self) -> None:
        engines, self._engines = list(self._engines.values()), {}
        for engine in engines:
            await engine.close()

    async def _chain(self, stage: str, settings: StageSettings) -> list[Named[Any]]:
        ordered = [settings, *settings.fallback]
        return [Named(one.provider, await self._engine(stage, one)) for one in ordered]

    async def _engine(self, stage: str, settings: StageSettings) -> Any:
        key = (stage, settings.provider, msgspec.json.encode(settings.options, order="sorted"))
        lock = self._making.setdefault(key, asyncio.Lock())
        async with lock:
            if key not in self._engines:
                self._engines[key] = await make(
                    stage, settings.provider, settings.options, source=f"pipeline stage {stage}"
                )
            return self._engines[key]
