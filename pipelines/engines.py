"""All engines of a process: built once, at boot or at first use, and shared by every call.

An engine is known by stage, provider and options: two agents that ask for the same get the same one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec
import structlog

from config.schema import AgentSettings, PipelineSettings, StageSettings
from pipelines.abilities import HasBacklog
from pipelines.errors import ConfigError, EngineMissing
from pipelines.health import Health
from pipelines.registry import make
from pipelines.roster import Named
from pipelines.secrets import Store
from pipelines.stages import Llm, Stt, Tts, TurnDetector, Vad

log = structlog.get_logger(__name__)


class Key(NamedTuple):
    """`owner`: the organization, where the engine has keys of its own for each; else ""."""

    stage: str
    provider: str
    options: bytes
    owner: str


class Chains(msgspec.Struct, frozen=True):
    """An agent's engines, first choice first."""

    vad: Vad
    stt: list[Named[Stt]]
    llm: list[Named[Llm]]
    tts: list[Named[Tts]]
    turn: TurnDetector | None = None


class EngineRoom:
    """Makes engines and closes them. Not thread-safe: belongs to one event loop."""

    def __init__(self, pipelines: Mapping[str, PipelineSettings], default: str, store: Store | None = None) -> None:
        self._pipelines = pipelines
        self._default = default
        self._store = store
        self._engines: dict[Key, Any] = {}
        self._health: dict[Key, Health] = {}  # lasts as long as its engine
        self._missed: set[Key] = set()
        self._making: dict[Key, asyncio.Lock] = {}

    async def chains(self, agent: AgentSettings, owner: str = "") -> Chains:
        """The engines for an agent, with its owner's keys. Raises ConfigError, EngineMissing."""
        wanted = self.stage_settings(agent)
        first = await self._chain("vad", wanted["vad"], owner)
        return Chains(
            vad=cast(Vad, first[0].engine),
            stt=await self._chain("stt", wanted["stt"], owner),
            llm=await self._chain("llm", wanted["llm"], owner),
            tts=await self._chain("tts", wanted["tts"], owner),
            turn=await self._engine("turn", wanted["turn"], owner) if "turn" in wanted else None,
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

    def benched(self) -> dict[tuple[str, str], int]:
        """How many engines of a stage and provider are left alone now because they failed; 0 for the others in use."""
        now_s = asyncio.get_running_loop().time()
        found: dict[tuple[str, str], int] = {}
        for key, health in self._health.items():
            place = key.stage, key.provider
            found[place] = found.get(place, 0) + health.benched(now_s)
        return found

    async def close(self) -> None:
        engines, self._engines = list(self._engines.values()), {}
        self._health.clear()
        for engine in engines:
            await engine.close()

    async def _chain(self, stage: str, settings: StageSettings, owner: str) -> list[Named[Any]]:
        ordered = [settings, *settings.fallback]
        named = []
        for one in ordered:
            try:
                engine = await self._engine(stage, one, owner)
            except EngineMissing as error:
                if one is settings:
                    raise
                self._miss(_key(stage, one, owner), error)  # the others serve without it
                continue
            health = self._health.setdefault(_key(stage, one, owner), Health(one.most_at_once))
            hedge_s = None if one.hedge_ms is None else one.hedge_ms / 1000.0
            named.append(Named(one.provider, engine, health, hedge_s, _made_of(_key(stage, one, owner))))
        return named

    def _miss(self, key: Key, error: EngineMissing) -> None:
        """Say once that somebody who was to stand by cannot."""
        if key not in self._missed:
            self._missed.add(key)
            log.warning("fallback_missing", stage=key.stage, provider=key.provider, reason=error.message)

    async def _engine(self, stage: str, settings: StageSettings, owner: str) -> Any:
        key = _key(stage, settings, owner)
        lock = self._making.setdefault(key, asyncio.Lock())
        async with lock:
            if key not in self._engines:
                self._engines[key] = await make(
                    stage,
                    settings.provider,
                    settings.options,
                    source=f"pipeline stage {stage}",
                    store=self._store,
                    owner=key.owner,
                )
            return self._engines[key]


def _made_of(key: Key) -> str:
    return hashlib.sha256(key.provider.encode() + b" " + key.options).hexdigest()


def _key(stage: str, settings: StageSettings, owner: str) -> Key:
    options = msgspec.json.encode(settings.options, order="sorted")
    return Key(stage, settings.provider, options, owner if b'"store:' in options else "")
