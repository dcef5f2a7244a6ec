"""The end-of-turn network: what it is given, that it answers off the loop, and what it refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tiny_onnx import write

from pipelines.errors import EngineMissing, StageError
from pipelines.providers._log_mel import log_mel
from pipelines.providers.smart_turn import PROVIDER, SmartTurn, SmartTurnOptions, features
from pipelines.registry import make
from pipelines.stages import TurnDetector

pytest.importorskip("onnxruntime", reason="the extra `neural` is not installed")


def speech(seconds: float, rate_hz: int) -> bytes:
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    return (8000 * np.sin(2 * np.pi * 400 * at) * (np.sin(20 * at) > 0)).astype(np.int16).tobytes()


def test_features_are_those_of_whisper() -> None:
    """Expected values: WhisperFeatureExtractor(chunk_length=8) with do_normalize, of transformers 5."""
    at = np.arange(128_000) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (150 + 400 * at) * at) * (np.sin(3 * at) > 0)
    found = log_mel((chirp + 0.02 * np.sin(2 * np.pi * 3000 * at)).astype(np.float32))
    assert found.shape == (80, 800)
    expected = [
        [1.529, -0.1367, -0.1933, -0.1952, -0.1955],
        [1.5091, -0.232, -0.2529, -0.2529, -0.2529],
        [0.7845, 0.6224, -0.2529, -0.2529, -0.2529],
        [0.2823, -0.2529, 0.2193, -0.2529, -0.2529],
        [0.1795, -0.2529, -0.2529, -0.2529, -0.2529],
    ]
    assert found[np.ix_([0, 3, 20, 40, 79], [0, 60, 230, 440, 690])] == pytest.approx(np.array(expected), abs=2e-3)


def test_the_newest_sample_is_last_and_what_is_missing_is_silence() -> None:
    short = features(speech(1.0, 8000), 8000)[0]
    assert short.shape == (80, 800)
    assert short.dtype == np.float32
    assert short[:, :690].std() < 0.01 < short[:, 720:].std()
    long = speech(8.0, 16000)
    assert np.array_equal(features(speech(3.0, 16000) + long, 16000), features(long, 16000))


def test_telephone_audio_sounds_the_same_to_it_as_wideband_audio() -> None:
    low, high = features(speech(2.0, 8000), 8000)[0], features(speech(2.0, 16000), 16000)[0]
    assert np.corrcoef(low[:20, 620:].ravel(), high[:20, 620:].ravel())[0, 1] > 0.98


async def test_it_answers_with_what_the_network_makes_of_the_features(tmp_path: Path) -> None:
    model = write(tmp_path / "tiny.onnx")
    detector = await make("turn", "smart-turn", {"model": str(model)}, source="test")
    assert isinstance(detector, TurnDetector)
    for seconds in (0.5, 5.0):
        audio = speech(seconds, 8000)
        expected = 1 / (1 + np.exp(-features(audio, 8000).mean()))
        assert await detector.probability(audio, 8000) == pytest.approx(expected, abs=1e-5)
    await detector.close()


async def test_the_loop_goes_on_and_the_queue_is_bounded(tmp_path: Path) -> None:
    detector = SmartTurn(SmartTurnOptions(model=str(write(tmp_path / "tiny.onnx")), max_waiting=1))
    first = asyncio.create_task(detector.probability(speech(2.0, 8000), 8000))
    await asyncio.sleep(0)
    with pytest.raises(StageError, match="1 calls are waiting"):
        await detector.probability(b"", 8000)
    assert 0 < await first < 1
    assert 0 < await detector.probability(speech(1.0, 8000), 8000) < 1
    await detector.close()


async def test_a_number_that_is_no_probability_is_refused(tmp_path: Path) -> None:
    detector = SmartTurn(SmartTurnOptions(model=str(write(tmp_path / "tiny.onnx", sigmoid=False))))
    with pytest.raises(StageError, match="no probability"):
        await detector.probability(b"", 8000)  # silence: features below zero
    await detector.close()


async def test_other_files_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    assert PROVIDER.turn is not None
    for model, reason in (
        (tmp_path / "nowhere.onnx", "no file"),
        (broken, "cannot be loaded"),
        (write(tmp_path / "other.onnx", (80, 3000)), "not one input"),
    ):
        with pytest.raises(EngineMissing, match=reason):
            await PROVIDER.turn(SmartTurnOptions(model=str(model)))
