"""Clips from WAV files of every shape, and the shipped ones."""

import wave
from pathlib import Path

import numpy as np
import pytest

from pipelines.audio import Codec, rms, to_pcm16
from pipelines.errors import AudioFormatError, ConfigError, NotFound
from voicecore.phone.clips import make_clip, read_wav, shipped, speak


def write_wav(path: Path, rate_hz: int, channels: int, width: int) -> Path:
    """Half a second of 440 Hz at -12 dBFS between two quarters of silence, on all channels."""
    time = np.arange(rate_hz) / rate_hz
    signal = 0.25 * np.sin(2 * np.pi * 440 * time) * ((time >= 0.25) & (time < 0.75))
    integers = np.rint(np.repeat(signal, channels) * (1 << (8 * width - 1))).astype("<i4")
    if width == 1:
        data = (integers + 128).astype(np.uint8).tobytes()
    elif width == 3:
        data = integers.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    else:
        data = integers.astype(f"<i{width}").tobytes()
    with wave.open(str(path), "wb") as target:
        target.setnchannels(channels)
        target.setsampwidth(width)
        target.setframerate(rate_hz)
        target.writeframes(data)
    return path


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize(("channels", "width"), [(1, 1), (1, 2), (2, 2), (1, 3), (2, 4)])
def test_any_rate_channels_and_width(tmp_path: Path, rate_hz: int, channels: int, width: int) -> None:
    clip = read_wav(write_wav(tmp_path / "a.wav", rate_hz, channels, width))
    audible = clip.last_audible - clip.first_audible + 1
    assert abs(audible - 4000) < 60
    assert clip.first_audible < 160
    assert {len(frame) for frame in clip.frames} == {160}
    pcm = to_pcm16(b"".join(clip.frames), Codec.ULAW)[: 2 * audible]
    assert rms(pcm) == pytest.approx(0.25 / np.sqrt(2) * 32768, rel=0.06)
    assert clip.text == "a.wav"


def test_silence_is_no_utterance() -> None:
    with pytest.raises(AudioFormatError, match="nothing is audible"):
        make_clip(b"\xff" * 8000)
    with pytest.raises(AudioFormatError):
        make_clip(b"")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"missing\.wav"):
        read_wav(tmp_path / "missing.wav")
    with pytest.raises(NotFound):
        read_wav(tmp_path)
    for name, content in (("text.wav", b"hello, this is no audio"), ("empty.wav", b""), ("cut.wav", b"RIFF")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AudioFormatError, match=name.replace(".", r"\.")):
            read_wav(tmp_path / name)


def test_the_shipped_sentences_are_speech_without_silence_around_them() -> None:
    clips = shipped()
    assert len(clips) == 5
    for clip in clips:
        assert clip.text.endswith((".", "?"))
        assert 1000 < clip.duration_ms < 5000
        assert clip.first_audible < 160
        assert len(clip.frames) * 160 - clip.last_audible <= 320
        assert rms(to_pcm16(b"".join(clip.frames), Codec.ULAW)) > 1000


def test_variants_ask_for_different_times() -> None:
    assert len({shipped(variant)[1].text for variant in range(4)}) == 4
    assert shipped(4) == shipped(0)
    assert shipped(1)[0] == shipped(0)[0]


async def test_an_unknown_engine_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no provider"):
        await speak(["hello"], engine="no-such-engine")
