"""Formats, companding, levels and resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio import (
    TELEPHONE,
    AudioFormat,
    Codec,
    Resampler,
    Transcoder,
    dbfs,
    from_pcm16,
    rms,
    silence,
    to_pcm16,
)
from pipelines.errors import AudioFormatError

PCM = AudioFormat(Codec.PCM16, 16000)


def sine(rate_hz: int, seconds: float, hz: float = 440.0, peak: float = 16384.0) -> bytes:
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.rint(np.sin(2 * np.pi * hz * at) * peak).astype("<i2").tobytes()


def test_sizes_and_durations() -> None:
    assert (TELEPHONE.bytes_per_ms, PCM.bytes_per_ms) == (8, 32)
    assert TELEPHONE.duration_ms(160) == PCM.duration_ms(640) == 20.0
    assert len(silence(TELEPHONE, 20)) == 160
    assert len(silence(PCM, 20)) == 640


@pytest.mark.parametrize("codec", Codec)
def test_silence_is_silent(codec: Codec) -> None:
    pcm = to_pcm16(silence(AudioFormat(codec), 20), codec)
    assert rms(pcm) <= 8  # A-law has no zero
    assert dbfs(b"\0\0" * 160) == -96.0


@pytest.mark.parametrize("codec", [Codec.ULAW, Codec.ALAW])
def test_companding_keeps_every_code(codec: Codec) -> None:
    codes = bytes(range(256))
    again = from_pcm16(to_pcm16(codes, codec), codec)
    assert to_pcm16(again, codec) == to_pcm16(codes, codec)


@given(st.binary(max_size=400).filter(lambda b: len(b) % 2 == 0), st.sampled_from([Codec.ULAW, Codec.ALAW]))
def test_companding_errs_by_a_twentieth_at_most(pcm: bytes, codec: Codec) -> None:
    before = np.frombuffer(pcm, dtype="<i2").astype(float)
    after = np.frombuffer(to_pcm16(from_pcm16(pcm, codec), codec), dtype="<i2").astype(float)
    loud = np.abs(before) > 500
    assert np.all(np.abs(after - before)[loud] <= np.abs(before[loud]) * 0.05)  # G.711: 13-segment curve, 38 dB


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(AudioFormatError, match="odd number of bytes: 3"):
        to_pcm16(b"abc", Codec.PCM16)


def test_levels() -> None:
    assert rms(sine(8000, 1.0)) == pytest.approx(16384 / 2**0.5, rel=0.01)
    assert dbfs(sine(8000, 1.0)) == pytest.approx(-9.03, abs=0.05)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (16000, 8000), (22050, 8000), (24000, 8000)])
def test_chunks_leave_no_seam(from_hz: int, to_hz: int) -> None:
    """Fed in any pieces, a stream gives the same samples as fed at once."""
    pcm = sine(from_hz, 0.5)
    whole = Resampler(from_hz, to_hz).feed(pcm, last=True)
    pieces = Resampler(from_hz, to_hz)
    cut = b"".join(pieces.feed(pcm[at : at + 882]) for at in range(0, len(pcm), 882)) + pieces.feed(b"", last=True)
    a, b = np.frombuffer(whole, "<i2").astype(int), np.frombuffer(cut, "<i2").astype(int)
    assert abs(len(a) - to_hz // 2) <= 2
    assert len(a) == len(b)
    assert np.abs(a - b).max() <= 4  # dither
    assert rms(whole) == pytest.approx(16384 / 2**0.5, rel=0.02)


def test_a_transcoder_gives_what_the_call_wants() -> None:
    transcoder = Transcoder(22050, TELEPHONE)
    pcm = sine(22050, 1.0)
    audio = transcoder.feed(pcm[:20000]) + transcoder.feed(pcm[20000:], last=True)
    assert len(audio) == pytest.approx(8000, abs=4)
    assert rms(to_pcm16(audio, Codec.ULAW)) == pytest.approx(16384 / 2**0.5, rel=0.02)
    assert Transcoder(8000, AudioFormat(Codec.PCM16, 8000)).feed(b"\x01\x02") == b"\x01\x02"
