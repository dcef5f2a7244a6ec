"""What the fallbacks did, as counters with few labels."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from config.schema import AgentSettings, PipelineSettings, StageSettings
from pipelines.engines import EngineRoom
from pipelines.errors import StageError
from pipelines.events import CallEvent, EventKind
from pipelines.news import Benched, Hedged, News, Reason, Switched, data_of
from voicecore.engine_metrics import EngineMetrics, benched

SIMULATED = StageSettings(provider="simulated")


def event(news: News) -> CallEvent:
    return CallEvent(news.kind, 0.0, None, data_of(news))


def test_switches_and_races_are_counted_by_who_and_why() -> None:
    registry = CollectorRegistry()
    metrics = EngineMetrics(registry)
    for news in (
        Switched("llm", "openai", "receptionist", "HTTP 500", Reason.ERROR, midway=True),
        Switched("llm", "openai", "receptionist", "HTTP 502", Reason.ERROR),
        Switched("llm", "receptionist", "", "gave nothing", Reason.ERROR),
        Hedged("tts", "elevenlabs", "espeak", "espeak"),
        Benched("llm", "openai", 1.0, "HTTP 500"),
    ):
        metrics.count(event(news))
    metrics.count(CallEvent(EventKind.STAGE_FAILED, 0.0, None, {"stage": "turn", "provider": "prosody", "error": "x"}))
    switched = {"stage": "llm", "from": "openai", "to": "receptionist", "reason": "error"}
    assert registry.get_sample_value("voicecore_engine_switches_total", switched) == 2.0
    lost = {"stage": "llm", "from": "receptionist", "to": "", "reason": "error"}
    assert registry.get_sample_value("voicecore_engine_switches_total", lost) == 1.0
    race = {"stage": "tts", "winner": "espeak"}
    assert registry.get_sample_value("voicecore_engine_hedges_total", race) == 1.0


async def test_who_is_left_alone_is_read_when_asked() -> None:
    room = EngineRoom(
        {"one": PipelineSettings(vad=StageSettings(provider="webrtc"), stt=SIMULATED, llm=SIMULATED, tts=SIMULATED)},
        "one",
    )
    chains = await room.chains(AgentSettings())
    now_s = asyncio.get_running_loop().time()
    chains.llm[0].health.failed(StageError("broken", stage="llm", provider="simulated"), now_s, now_s)
    values = {tuple(sample.labels.values()): sample.value for sample in benched(room).samples}
    assert values["llm", "simulated"] == 1.0
    assert values["tts", "simulated"] == 0.0
    await room.close()
