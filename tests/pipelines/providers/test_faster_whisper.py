"""The engine as a pipeline gets it: loaded by name, refused with advice, shared by calls."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.whisper_weights import SPEAKING, write_model
from pipelines.abilities import HasBacklog
from pipelines.errors import ConfigError, EngineMissing, Remedy, StageError
from pipelines.providers.faster_whisper import Engine
from pipelines.registry import make
from pipelines.stages import Stt, SttOptions

SENTENCE = "Grüß Gott, Frau Müller."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("whisper") / "model", SPEAKING, says=f" {SENTENCE}")


async def engine(**options: Any) -> Engine:
    made = await make("stt", "faster-whisper", {"device": "cpu", "cpu_threads": 1, **options}, source="test")
    assert isinstance(made, Engine)
    return made


def speech(rate_hz: int, seconds: float = 1.0) -> bytes:
    wave = np.sin(np.arange(int(seconds * rate_hz)) * 2 * np.pi * 300 / rate_hz) * 8000
    return bytes(wave.astype(np.int16).tobytes())


async def test_calls_of_all_kinds_share_one_engine(model: Path) -> None:
    shared = await engine(model=str(model), window_s=4)
    try:
        assert isinstance(shared, Stt)
        assert isinstance(shared, HasBacklog)
        assert shared.backlog_ms == 0
        kinds = [("en", 8000), ("de-AT", 16000), ("auto", 24000), ("DE", 48000)]
        calls = [await shared.open(SttOptions(language=name, rate_hz=rate_hz)) for name, rate_hz in kinds]
        for call, (_, rate_hz) in zip(calls, kinds, strict=True):
            call.begin()
            for start in range(0, len(speech(rate_hz)), rate_hz // 25):
                call.feed(speech(rate_hz)[start : start + rate_hz // 25])
        before = shared.batcher.batches
        answers = await asyncio.gather(*(call.flush() for call in calls))
        assert [answer.text for answer in answers] == [SENTENCE] * 4
        assert [answer.language for answer in answers if answer.language != answers[2].language][:2] == ["en", "de"]
        assert shared.batcher.batches == before + 1
    finally:
        await shared.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("faster-whisper")]


async def test_the_loop_goes_on_while_the_network_works(model: Path) -> None:
    shared = await engine(model=str(model))
    try:
        call = await shared.open(SttOptions())
        call.begin()
        call.feed(speech(8000, 20.0))
        flush = asyncio.create_task(call.flush())
        turns = 0
        while not flush.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await flush).text == SENTENCE
        assert turns > 100
    finally:
        await shared.close()


async def test_a_language_or_rate_that_cannot_be_is_refused(model: Path) -> None:
    shared = await engine(model=str(model))
    try:
        with pytest.raises(EngineMissing, match='does not know the language "tlh"') as caught:
            await shared.open(SttOptions(language="tlh"))
        assert caught.value.remedy is Remedy.SWITCH
        with pytest.raises(StageError, match="4000 Hz"):
            await shared.open(SttOptions(rate_hz=4000))
    finally:
        await shared.close()


async def test_an_option_decides_the_language_of_all_calls(model: Path) -> None:
    shared = await engine(model=str(model), language="de")
    try:
        assert shared.language("en") == "en"
        call = await shared.open(SttOptions(language="en"))
        call.begin()
        call.feed(speech(8000))
        assert (await call.flush()).language == "de"
    finally:
        await shared.close()


@pytest.mark.parametrize("name", ["small", "Systran/faster-whisper-small", "turbo"])
async def test_missing_weights_are_refused_with_the_command_that_fetches_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EngineMissing, match=r"hf download \S+/faster-whisper-") as caught:
        await engine(model=name)
    assert "`model`" in caught.value.message


async def test_weights_in_the_local_cache_are_found_by_name(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--Systran--faster-whisper-small"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / ("0" * 40)).symlink_to(model)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = await engine(model="small")
    assert found.decoder.is_multilingual
    await found.close()


async def test_what_is_no_model_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="no directory /nowhere/at/all"):
        await engine(model="/nowhere/at/all")
    with pytest.raises(EngineMissing, match="neither a directory nor one of tiny"):
        await engine(model="enormous")
    with pytest.raises(EngineMissing, match=r"lacks model.bin, config.json, tokenizer.json; fetch"):
        await engine(model=str(tmp_path))
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).symlink_to(model / name)
    (tmp_path / "model.bin").write_bytes(b"not weights")
    with pytest.raises(EngineMissing, match="cannot be loaded on cpu"):
        await engine(model=str(tmp_path))
    with pytest.raises(ConfigError, match="window_s"):
        await engine(model=str(model), window_s=31)


async def test_a_gpu_that_is_not_there_is_refused(model: Path) -> None:
    with pytest.raises(EngineMissing, match="cannot be loaded on cuda"):
        await engine(model=str(model), device="cuda")
