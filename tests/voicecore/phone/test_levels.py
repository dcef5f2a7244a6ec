"""Edges of sound are found to the sample, in silence and in noise."""

import numpy as np
import pytest

from pipelines.audio import Codec, from_pcm16
from voicecore.phone.levels import audible_bounds, audible_spans, is_audible, speech_rms


def tone(samples: int, amplitude: int = 8000) -> np.ndarray:
    """A square wave of 1 kHz: loud from its first sample to its last."""
    return np.where(np.arange(samples) // 4 % 2 == 0, amplitude, -amplitude).astype(np.int16)


def silence(samples: int) -> np.ndarray:
    return np.zeros(samples, dtype=np.int16)


@pytest.mark.parametrize("offset", [0, 1, 39, 40, 1234])
def test_the_edges_are_exact(offset: int) -> None:
    pcm = np.concatenate((silence(offset), tone(1603), silence(900)))
    assert audible_bounds(pcm.tobytes()) == (offset, offset + 1602)


def test_short_pauses_belong_to_a_span_and_long_ones_part_it() -> None:
    pcm = np.concatenate((tone(800), silence(8 * 150), tone(800), silence(8 * 260), tone(800)))
    assert len(audible_spans(pcm)) == 2
    assert len(audible_spans(pcm, merge_ms=100)) == 3


def test_silence_has_no_bounds() -> None:
    assert audible_bounds(silence(8000).tobytes()) is None
    assert audible_bounds(b"") is None
    assert audible_spans(tone(8000, 100)) == []  # -50 dBFS


def test_steady_noise_around_speech_is_not_speech() -> None:
    rng = np.random.default_rng(1)
    speech = np.concatenate((silence(4000), tone(8000), silence(4000)))
    noise = rng.normal(0, 800, len(speech))  # 20 dB under the speech, above the absolute threshold
    bounds = audible_bounds(np.clip(speech + noise, -32768, 32767).astype(np.int16).tobytes())
    assert bounds is not None
    assert abs(bounds[0] - 4000) <= 40
    assert abs(bounds[1] - 11999) <= 40


def test_speech_level_ignores_the_silence_around_it() -> None:
    alone = speech_rms(tone(8000).tobytes())
    assert alone == pytest.approx(8000, rel=0.01)
    assert speech_rms(np.concatenate((silence(16000), tone(8000))).tobytes()) == pytest.approx(alone, rel=0.01)
    assert speech_rms(silence(800).tobytes()) == 0.0


def test_a_frame_is_audible_or_not() -> None:
    assert is_audible(from_pcm16(tone(160).tobytes(), Codec.ULAW))
    assert not is_audible(b"\xff" * 160)
    assert not is_audible(from_pcm16(tone(160, 100).tobytes(), Codec.ULAW))
