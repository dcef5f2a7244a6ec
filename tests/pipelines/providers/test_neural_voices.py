"""Piper and Kokoro: what the contract of voices (`test_tts_contract`) does not ask. Real packages, random weights."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_voices

from pipelines.abilities import HasBacklog
from pipelines.audio import AudioFormat, Codec
from pipelines.errors import ConfigError, EngineMissing, Remedy, StageError, StageTimeout
from pipelines.providers import _kokoro_child, _neural_voice, _piper_child
from pipelines.providers._voice_process import VoiceProcess
from pipelines.providers.piper import PiperVoice
from pipelines.registry import make
from pipelines.stages import TtsChunk, Voice, Word
from pipelines.worker_child import CannotWork
from pipelines.workers import WorkerSpec

PACKAGES = {"piper": "piper", "kokoro": "kokoro_onnx"}
SENTENCE = "Thank you for calling Harbor Dental."
CAFE = "Das Café öffnet um 10:30 Uhr."


def needs(name: str) -> None:
    """Looked for, never imported: that is what the process of its own is for."""
    if find_spec(PACKAGES[name]) is None:
        pytest.skip(f"NOT TESTED: {PACKAGES[name]} is not installed")


@asynccontextmanager
async def speaking(name: str, **options: Any) -> AsyncIterator[VoiceProcess]:
    needs(name)
    engine = await make("tts", name, options, source="test")
    assert isinstance(engine, VoiceProcess)
    try:
        yield engine
    finally:
        await engine.close()


async def said(engine: VoiceProcess, text: str, voice: Voice, rate_hz: int = 22050) -> tuple[bytes, list[Word]]:
    """At the network's own rate: resampling dithers, and the same speech would differ."""
    chunks = [chunk async for chunk in engine.synthesize(text, voice, AudioFormat(Codec.PCM16, rate_hz))]
    return b"".join(chunk.audio for chunk in chunks), [word for chunk in chunks for word in chunk.words]


async def test_pipers_voice_is_called_like_its_file_and_found_by_language(tmp_path: Path) -> None:
    models = [
        tiny_voices.piper(tmp_path, "en_US-first-low"),
        tiny_voices.piper(tmp_path, "en_GB-second-low", espeak="en-gb-x-rp"),
        tiny_voices.piper(tmp_path, "de_DE-third-low", espeak="de"),
    ]
    async with speaking("piper", models=[str(model) for model in models]) as engine:
        by_name = {path.stem: (await said(engine, CAFE, Voice(path.stem)))[0] for path in models}
        assert len(set(by_name.values())) == 3
        for language, name in (
            ("en", "en_US-first-low"),
            ("en-US", "en_US-first-low"),
            ("en_gb", "en_GB-second-low"),
            ("en-AU", "en_US-first-low"),
            ("de-AT", "de_DE-third-low"),
        ):
            assert (await said(engine, CAFE, Voice(language=language)))[0] == by_name[name]
        with pytest.raises(StageError, match='no voice for the language "fr"') as caught:
            await said(engine, CAFE, Voice(language="fr"))
        assert caught.value.remedy is Remedy.SWITCH


async def test_pipers_speakers_are_chosen_by_name_or_number(tmp_path: Path) -> None:
    model = tiny_voices.piper(tmp_path, "en_US-many-low", speakers=("anna", "bob"))
    async with speaking("piper", models=[str(model)]) as engine:
        voices = ("", "en_US-many-low", "en_US-many-low/anna", "en_US-many-low/bob", "en_US-many-low/1")
        default, named, anna, bob, second = [(await said(engine, SENTENCE, Voice(one)))[0] for one in voices]
        assert default == named == anna != bob == second
        with pytest.raises(StageError, match='no voice "en_US-many-low/2"'):
            await said(engine, SENTENCE, Voice("en_US-many-low/2"))


async def test_kokoros_voice_decides_the_language_it_reads_in(tmp_path: Path) -> None:
    async def spoken(engine: VoiceProcess, text: str, voice: Voice) -> bytes:
        return (await said(engine, text, voice, 24000))[0]

    model, voices = tiny_voices.kokoro(tmp_path)
    async with speaking("kokoro", model=str(model), voices=str(voices)) as engine:
        default = await spoken(engine, SENTENCE, Voice())
        assert default == await spoken(engine, SENTENCE, Voice("af_heart", language="fr"))
        adam = await spoken(engine, SENTENCE, Voice("am_adam"))
        assert len(adam) == pytest.approx(len(default), rel=0.02)
        assert adam != default  # the same phonemes in another style
        british = await spoken(engine, "Water, ten past four.", Voice(language="en-GB"))
        assert british == await spoken(engine, "Water, ten past four.", Voice("bf_emma"))
        assert british != await spoken(engine, "Water, ten past four.", Voice())
        french = await spoken(engine, CAFE, Voice(language="fr-CA"))
        assert french == await spoken(engine, CAFE, Voice("ff_siwis"))
        for voice, reason in (
            (Voice("jf_alpha"), 'no voice "jf_alpha": espeak-ng'),
            (Voice("af_nobody"), "there are: af_heart, am_adam"),
            (Voice(language="de"), 'no voice for the language "de"'),
        ):
            with pytest.raises(StageError, match=reason) as caught:
                await spoken(engine, SENTENCE, voice)
            assert caught.value.remedy is Remedy.SWITCH


@pytest.mark.parametrize("name", ["piper", "kokoro"])
async def test_a_network_that_tells_how_long_phonemes_last_is_believed(name: str, tmp_path: Path) -> None:
    """Ours makes all phonemes equally long, but says that a comma lasts twenty times as long as the others."""
    pauses = []
    for told in (False, True):
        if name == "piper":
            options: dict[str, Any] = {"models": [str(tiny_voices.piper(tmp_path, f"en_US-{told}-low", aligned=told))]}
        else:
            model, voices = tiny_voices.kokoro(tmp_path, timed=told)
            options = {"model": str(model), "voices": str(voices)}
        async with speaking(name, **options) as engine:
            _, words = await said(engine, "One moment please, I will look.", Voice())
            assert [word.text for word in words] == ["One", "moment", "please,", "I", "will", "look."]
            pauses.append(words[3].start_ms - words[2].start_ms)
    estimated_ms, told_ms = pauses
    assert told_ms > estimated_ms + 200


async def test_more_requests_than_may_wait_are_refused_and_the_backlog_is_known(tmp_path: Path) -> None:
    async with speaking("piper", models=[str(tiny_voices.piper(tmp_path))], max_waiting=1) as engine:
        assert isinstance(engine, HasBacklog)
        assert engine.backlog_ms == 0.0
        long = " ".join([SENTENCE] * 40)
        async with aclosing(opened(engine, long)) as speech:
            first = asyncio.create_task(anext(speech))
            await asyncio.sleep(0)
            assert engine.backlog_ms > 0.0
            with pytest.raises(StageError, match="1 requests are waiting already") as caught:
                await said(engine, SENTENCE, Voice())
            assert caught.value.remedy is Remedy.RETRY
            await first
            assert engine.backlog_ms == 0.0
            audio, _ = await said(engine, SENTENCE, Voice())
            assert audio


def loaded() -> set[str]:
    """What of it this process has, by whomever."""
    maps = Path("/proc/self/maps")
    libraries = {"libespeak-ng"} if maps.exists() and "espeak" in maps.read_text() else set()
    return libraries | ({"piper", "kokoro_onnx", "phonemizer", "espeakng_loader"} & set(sys.modules))


@pytest.mark.parametrize("name", ["piper", "kokoro"])
async def test_what_is_gpl_is_never_in_our_process(name: str, tmp_path: Path) -> None:
    model, voices = tiny_voices.kokoro(tmp_path)
    options: dict[str, dict[str, Any]] = {
        "piper": {"models": [str(tiny_voices.piper(tmp_path))]},
        "kokoro": {"model": str(model), "voices": str(voices)},
    }
    before = loaded()
    async with speaking(name, **options[name]) as engine:
        assert (await said(engine, SENTENCE, Voice()))[0]
        assert loaded() == before


async def test_a_process_that_hangs_is_given_up(tmp_path: Path) -> None:
    needs("piper")
    arguments = ("1", str(tiny_voices.piper(tmp_path)))
    spec = WorkerSpec("pipelines.providers._piper_child", "tts", "piper", arguments, close_timeout_s=0.1)
    engine = VoiceProcess(spec, PiperVoice, piece_timeout_s=0.3)
    await engine.start()
    try:
        pid = engine.worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(StageTimeout, match=r"no audio within 0\.3 s"):
            await said(engine, SENTENCE, Voice())
        while not engine.worker.restarts:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
    finally:
        await engine.close()


def opened(engine: VoiceProcess, text: str) -> AsyncGenerator[TtsChunk, None]:
    return engine.synthesize(text, Voice(), AudioFormat(Codec.PCM16, 16000))


async def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path) -> None:
    piper = tiny_voices.piper(tmp_path)
    model, voices = tiny_voices.kokoro(tmp_path)
    lone, broken, odd = tmp_path / "lone.onnx", tmp_path / "broken.onnx", tmp_path / "odd.onnx"
    for path, network in ((lone, piper.read_bytes()), (broken, b"not a network"), (odd, piper.read_bytes())):
        path.write_bytes(network)
    broken.with_suffix(".onnx.json").write_bytes(piper.with_suffix(".onnx.json").read_bytes())
    odd.with_suffix(".onnx.json").write_text(json.dumps({"audio": {}}))
    for name, options, reason in (
        ("piper", {"models": [str(tmp_path / "none.onnx")]}, r"none\.onnx\.json cannot be read.*download_voices"),
        ("piper", {"models": [str(piper), str(lone)]}, r"lone\.onnx\.json cannot be read.*piper-voices"),
        ("piper", {"models": [str(broken)]}, r"broken\.onnx cannot be loaded.*piper-voices"),
        ("piper", {"models": [str(odd)]}, r"odd\.onnx\.json does not describe a voice"),
        ("kokoro", {"model": str(tmp_path / "none"), "voices": str(voices)}, r"no file .*none; kokoro-v1\.0\.onnx"),
        ("kokoro", {"model": str(model), "voices": str(tmp_path / "none")}, r"no file .*none; .*releases"),
        ("kokoro", {"model": str(model), "voices": str(broken)}, r"broken\.onnx holds no voices"),
        ("kokoro", {"model": str(piper), "voices": str(voices)}, r"does not speak"),
    ):
        with pytest.raises(EngineMissing, match=reason):
            async with speaking(name, **options):
                pass
    with pytest.raises(ConfigError):
        await make("tts", "piper", {"models": []}, source="test")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(CannotWork, match=r"pip install 'voicecore\[piper\]'"):
        _piper_child.Piper(["any.onnx"], 1)
    monkeypatch.setitem(sys.modules, "kokoro_onnx", None)
    with pytest.raises(CannotWork, match=r"pip install 'voicecore\[kokoro\]'"):
        _kokoro_child.Kokoro("any.onnx", "any.bin", 1)


class Heard:
    """A hearer that stops after so many pieces."""

    def __init__(self, most: int = 1000) -> None:
        self.pieces: list[bytes] = []
        self.words: list[tuple[int, float]] = []
        self._most = most

    def audio(self, pcm: bytes) -> bool:
        self.pieces.append(pcm)
        return len(self.pieces) < self._most

    def position(self, character: int, ms: float) -> None:
        self.words.append((character, ms))


def tone(seconds: float, rate_hz: int = 16000, volume: float = 0.05) -> _neural_voice.Floats:
    wave: _neural_voice.Floats = (volume * np.sin(np.arange(int(seconds * rate_hz)) * 0.2)).astype(np.float32)
    return wave


def test_silence_around_speech_is_cut_and_its_level_is_one_for_all() -> None:
    for volume in (0.003, 0.05, 0.9):
        heard, quiet = Heard(), np.zeros(16000, np.float32)
        samples = np.concatenate([quiet, tone(1.0, volume=volume), quiet])
        _neural_voice.utter(samples, 16000, "One two.", len, (), heard)
        pcm = np.frombuffer(b"".join(heard.pieces), np.int16)
        assert 1000 < len(pcm) / 16 < 1350  # the pause after a sentence stays
        assert 20 * np.log10(np.sqrt(np.mean((pcm[1600:14400] / 32768.0) ** 2))) == pytest.approx(-18, abs=0.5)
        assert [character for character, _ in heard.words] == [0, 4]
        assert [ms for _, ms in heard.words] == pytest.approx([30, 30 + 3 / 7 * 1000], abs=15)


def test_nobody_listening_ends_it_at_the_next_piece() -> None:
    heard = Heard(most=2)
    _neural_voice.utter(tone(5.0), 16000, "One.", len, (), heard)
    assert [len(piece) // 32 for piece in heard.pieces] == [40, 200]


def test_a_network_that_says_nothing_is_not_amplified() -> None:
    for samples in (np.zeros(0, np.float32), np.zeros(16000, np.float32), np.full(16000, 1e-5, np.float32)):
        heard = Heard()
        _neural_voice.utter(samples, 16000, "One.", len, (), heard)
        assert not heard.pieces
