"""Engines are built once and shared by all calls that ask for the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.schema import AgentSettings, PipelineSettings, StageSettings
from pipelines.engines import EngineRoom
from pipelines.errors import ConfigError, EngineMissing, StageError


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


async def test_how_an_engine_is_doing_is_known_to_all_calls() -> None:
    room = EngineRoom(PIPELINES, "safe")
    first, second = await room.chains(AgentSettings()), await room.chains(AgentSettings(pipeline="plain"))
    assert first.stt[0].health is second.stt[0].health
    assert first.tts[0].health is first.tts[2].health is not first.tts[1].health
    assert set(room.benched().values()) == {0}
    now_s = asyncio.get_running_loop().time()
    first.tts[1].health.failed(StageError("broken", stage="tts", provider="simulated"), now_s, now_s)
    assert {key for key, count in room.benched().items() if count} == {("tts", "simulated")}
    await room.close()
    assert room.benched() == {}


async def test_each_engine_has_its_own_time_and_limit() -> None:
    tts = StageSettings(
        provider="simulated", hedge_ms=400, fallback=(StageSettings(provider="espeak", hedge_ms=0, most_at_once=1),)
    )
    room = EngineRoom({"one": pipeline(tts=tts)}, "one")
    chains = await room.chains(AgentSettings())
    assert [named.hedge_s for named in chains.tts] == [0.4, 0.0]
    assert chains.llm[0].hedge_s is None
    assert [named.health.limited for named in chains.tts] == [False, True]
    await room.close()


async def test_a_fallback_that_cannot_start_is_left_out_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    stt = StageSettings(provider="simulated", fallback=(StageSettings(provider="deepgram"), stage(stt={"seed": 3})))
    room = EngineRoom({"one": pipeline(stt=stt)}, "one")
    with capture_logs() as logged:
        for _ in range(2):
            chains = await room.chains(AgentSettings())
            assert [named.name for named in chains.stt] == ["simulated", "simulated"]
    (told,) = [entry for entry in logged if entry["event"] == "fallback_missing"]
    assert "DEEPGRAM_API_KEY is not set" in told["reason"]
    await room.close()


async def test_a_first_choice_without_its_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    room = EngineRoom({"one": pipeline(stt=StageSettings(provider="deepgram"))}, "one")
    with pytest.raises(EngineMissing, match="DEEPGRAM_API_KEY is not set"):
        await room.chains(AgentSettings())
    await room.close()


class Shelf:
    """Another key for each organization."""

    async def read(self, owner: str, name: str) -> str | None:
        return f"{owner}-{name}"


async def test_organizations_with_keys_of_their_own_have_engines_of_their_own() -> None:
    own = StageSettings(provider="deepgram", options={"api_key": "store:deepgram"})
    room = EngineRoom({"one": pipeline(stt=own)}, "one", Shelf())
    first, again = await room.chains(AgentSettings(), "one"), await room.chains(AgentSettings(), "one")
    other = await room.chains(AgentSettings(), "other")
    assert first.stt[0].engine is again.stt[0].engine is not other.stt[0].engine
    assert first.llm[0].engine is other.llm[0].engine
    await room.close()
