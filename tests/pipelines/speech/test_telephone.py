from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pipelines.speech.telephone import MODEL_HZ, WideBand, loudness


def tone(hz: float, rate_hz: int, seconds: float = 1.0) -> bytes:
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    return (5000 * np.sin(2 * np.pi * hz * at)).astype(np.int16).tobytes()


def spectrum(pcm: bytes) -> npt.NDArray[np.float64]:
    """Magnitude per Hz of one second."""
    samples = np.frombuffer(pcm, np.int16)[:MODEL_HZ].astype(np.float64)
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)), MODEL_HZ))


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_a_tone_gets_its_mirror_image_above_four_kilohertz(rate_hz: int) -> None:
    bands = spectrum(WideBand(rate_hz).feed(tone(3000, rate_hz), last=True))
    assert abs(int(np.argmax(bands[:4000])) - 3000) <= 2
    mirror = 4200 + int(np.argmax(bands[4200:]))
    assert abs(mirror - 5000) <= 2
    assert 0.5 < bands[mirror] / bands[3000] < 1.5


@pytest.mark.parametrize("chunk", [320, 322, 1600])
def test_pieces_sound_like_the_whole(chunk: int) -> None:
    pcm = tone(1700, 8000)
    stream = WideBand(8000)
    pieces = b"".join(stream.feed(pcm[at : at + chunk]) for at in range(0, len(pcm), chunk)) + stream.feed(
        b"", last=True
    )
    whole = np.frombuffer(WideBand(8000).feed(pcm, last=True), np.int16).astype(int)
    joined = np.frombuffer(pieces, np.int16).astype(int)
    assert len(joined) == len(whole)
    assert np.abs(joined - whole).max() <= 8  # soxr dithers what it rounds


def test_loudness_is_that_of_the_loud_part() -> None:
    quiet_and_loud = bytes(16000) + tone(400, MODEL_HZ)
    assert loudness(quiet_and_loud) == pytest.approx(5000 / np.sqrt(2), rel=0.05)
    assert loudness(b"\0\0") == 0.0


def test_a_full_band_line_is_cut_down_to_the_telephone_band() -> None:
    low = np.frombuffer(tone(120, 8000), np.int16)
    voice = np.frombuffer(tone(1000, 8000), np.int16)
    stream = WideBand(8000)
    stream.feed((low + voice).astype(np.int16).tobytes())  # by now it has shown what it is
    bands = spectrum(stream.feed((low + voice).astype(np.int16).tobytes()))
    assert bands[120] < 0.02 * bands[1000]


def test_a_telephone_line_is_left_as_it_is() -> None:
    faint_hum = np.frombuffer(tone(120, 8000), np.int16) // 5
    voice = np.frombuffer(tone(1000, 8000), np.int16)
    stream = WideBand(8000)
    stream.feed((faint_hum + voice).astype(np.int16).tobytes())
    bands = spectrum(stream.feed((faint_hum + voice).astype(np.int16).tobytes()))
    assert bands[120] == pytest.approx(bands[1000] / 5, rel=0.1)
