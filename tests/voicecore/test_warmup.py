"""What a server makes ready before the first call, and finds again after a restart."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from media_server import settings

from pipelines.audio import AudioFormat
from pipelines.errors import StageError
from pipelines.phrases import first_aid
from pipelines.providers.simulated import SimulatedTtsEngine
from pipelines.stages import TtsChunk, Voice
from voicecore.app import running
from voicecore.warmup import lasting_greeting

FACTS = {"company_name": "Harbor Dental", "time": "ten past nine", "caller_phone": "+4930123456", "caller_name": ""}


def test_what_differs_from_call_to_call_is_not_worth_keeping() -> None:
    greeting = "Welcome to {company_name}, where we care. It is {time} now, and you call from {caller_phone}."
    assert lasting_greeting(greeting, FACTS) == ["Welcome to Harbor Dental, where we care."]
    assert lasting_greeting("Welcome to {company_name}.", FACTS) == ["Welcome to Harbor Dental."]
    assert lasting_greeting("Hello {caller_name}.", FACTS) == []
    assert lasting_greeting("", FACTS) == []


async def test_greetings_and_first_aid_are_spoken_once_and_outlive_a_restart(
    tmp_path: Path, seeded_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(seeded_data, data)
    asked: list[str] = []
    speak = SimulatedTtsEngine.synthesize

    def counted(
        engine: SimulatedTtsEngine, text: str, voice: Voice, audio_format: AudioFormat
    ) -> AsyncGenerator[TtsChunk, None]:
        asked.append(text)
        return speak(engine, text, voice, audio_format)

    monkeypatch.setattr(SimulatedTtsEngine, "synthesize", counted)
    async with running(settings(str(data))) as server:
        await server.warming
    assert {*first_aid("en"), "Welcome to Demo.", "Hello, you have reached Other."} <= set(asked)
    stocked = {path.name for path in (data / "voices").iterdir()}
    assert len(stocked) == len(asked)

    async def out_of_order(
        engine: SimulatedTtsEngine, text: str, voice: Voice, audio_format: AudioFormat
    ) -> AsyncGenerator[TtsChunk, None]:
        raise StageError("out of order", stage="tts", provider="simulated")
        yield

    asked.clear()
    async with running(settings(str(data))) as server:
        await server.warming
    assert asked == []
    monkeypatch.setattr(SimulatedTtsEngine, "synthesize", out_of_order)
    async with running(settings(str(data))) as server:
        await server.warming
    assert {path.name for path in (data / "voices").iterdir()} == stocked


async def test_without_room_on_disk_nothing_is_kept_there(tmp_path: Path, seeded_data: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(seeded_data, data)
    async with running(settings(str(data), voice_cache_mb=0)) as server:
        await server.warming
    assert not (data / "voices").exists()
