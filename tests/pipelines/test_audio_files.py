"""Audio files: what comes in is mono at the rate asked for, what is no audio is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from pipelines.audio_files import FILE_FORMATS, FileFormat, Sound, decode, encode
from pipelines.errors import ValidationError


def sine(hz: float, seconds: float, rate_hz: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)


def loudest_hz(sound: Sound) -> float:
    samples = np.frombuffer(sound.pcm, dtype=np.int16).astype(float)
    return float(np.abs(np.fft.rfft(samples)).argmax() * sound.rate_hz / len(samples))


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_a_file_comes_back_as_it_was(file_format: FileFormat) -> None:
    sound = Sound((sine(500, 1, 24000) * 32767).astype(np.int16).tobytes(), 24000)
    again = decode(encode(sound, file_format), 24000)
    assert again.seconds == pytest.approx(1, abs=0.06)
    assert loudest_hz(again) == pytest.approx(500, abs=5)


def test_channels_are_mixed_and_rates_changed() -> None:
    out = io.BytesIO()
    soundfile.write(out, np.stack([sine(440, 1, 44100), np.zeros(44100)], axis=1), 44100, format="FLAC")
    sound = decode(out.getvalue(), 8000)
    assert (sound.rate_hz, sound.seconds) == (8000, pytest.approx(1, abs=0.01))
    assert loudest_hz(sound) == pytest.approx(440, abs=3)


def test_floats_beyond_full_scale_are_clipped_and_nan_is_silence() -> None:
    out = io.BytesIO()
    soundfile.write(out, np.array([2.0, -2.0, np.nan, 0.0]), 8000, format="WAV", subtype="FLOAT")
    assert np.frombuffer(decode(out.getvalue(), 8000).pcm, dtype=np.int16).tolist() == [32767, -32768, 0, 0]


@pytest.mark.parametrize("data", [b"", b"RIFF", b"\xff\xfb\x90" * 3, b"OggS" + bytes(100), b"hello" * 100])
def test_what_is_no_audio_is_refused(data: bytes) -> None:
    with pytest.raises(ValidationError) as refused:
        decode(data, 8000)
    assert refused.value.fields[0][0] == "file"


def test_a_header_that_lies_about_its_length_reads_what_is_there() -> None:
    out = io.BytesIO()
    soundfile.write(out, sine(440, 1, 8000), 8000, format="WAV", subtype="PCM_16")
    data = bytearray(out.getvalue())
    at = data.index(b"data")
    data[at + 4 : at + 8] = (0x7FFFFFF0).to_bytes(4, "little")
    assert decode(bytes(data), 8000).seconds == pytest.approx(1, abs=0.01)
