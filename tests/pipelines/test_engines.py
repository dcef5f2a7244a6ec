"""Engines are built once and shared by all calls that ask for the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from config.schema import AgentSettings, PipelineSettings, StageSettings
from pipelines.engines import EngineRoom
from pipelines.errors import ConfigError


def stage(provider: str = "simulated", **options: Any) -> StageSettings:
    return StageSettings(provider=provider, options=options)


def pipeline(**stages: StageSettings) -> PipelineSettings:
    chosen = {"vad": stage("webrtc"), "stt": stage(), "llm": stage(), "tts": stage()} | stages
    return PipelineSettings(**chosen)


PIPELINES = {
    "plain": pipeline(),
    "other": pipeline(llm=stage(llm={"seed": 9})),
    "safe": pipeline(tts=StageSettings(provider="simulated", fallback=(stage(tts={"seed": 2}), stage()))),
}


async def test_calls_share_their_engines() -> None:
    room = EngineRoom(PIPELINES, "plain")
    first, second = await asyncio.gather(room.chains(AgentSettings()), room.chains(AgentSettings()))
    assert first.stt[0].engine is second.stt[0].engine
    assert first.vad is second.vad
    assert first.stt[0].engine is not first.llm[0].engine
    other = await room.chains(AgentSettings(pipeline="other"))
    assert other.stt[0].engine is first.stt[0].engine
    assert other.llm[0].engine is not first.llm[0].engine
    await room.close()


async def test_fallbacks_stand_in_their_order() -> None:
    room = EngineRoom(PIPELINES, "safe")
    tts = (await room.chains(AgentSettings())).tts
    assert [named.name for named in tts] == ["simulated"] * 3
    assert tts[0].engine is tts[2].engine is not tts[1].engine
    await room.close()


async def test_the_agents_own_choice_comes_before_its_pipelines() -> None:
    room = EngineRoom(PIPELINES, "plain")
    agent = AgentSettings(pipeline="other", stages={"tts": stage("espeak")})
    chosen = room.stage_settings(agent)
    assert {name: settings.provider for name, settings in chosen.items()} == {
        "vad": "webrtc",
        "stt": "simulated",
        "llm": "simulated",
        "tts": "espeak",
    }
    assert chosen["llm"].options == {"llm": {"seed": 9}}


async def test_closing_closes_each_engine_once_and_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    room = EngineRoom(PIPELINES, "safe")
    chains = await room.chains(AgentSettings())
    closed: list[object] = []
    kind = type(chains.tts[0].engine)

    async def close(self: object) -> None:
        closed.append(self)

    monkeypatch.setattr(kind, "close", close)
    await room.close()
    await room.close()
    assert sorted(map(id, closed)) == sorted({id(named.engine) for named in chains.tts})


async def test_wrong_settings_name_their_stage() -> None:
    room = EngineRoom({"bad": pipeline(llm=stage(llm={"tokens_per_s": 0}))}, "bad")
    with pytest.raises(ConfigError, match=r"stage llm.*llm\.options"):
        await room.chains(AgentSettings())
    await room.close()
