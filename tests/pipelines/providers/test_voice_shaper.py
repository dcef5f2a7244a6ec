"""What becomes of a synthesizer's samples, with signals whose every edge is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.audio import TELEPHONE, AudioFormat, Codec, to_pcm16
from pipelines.providers._flite_child import _load, ascii_of
from pipelines.providers._voice_child import segments
from pipelines.providers._voice_shaper import PREROLL_MS, TAIL_MS, Shaper, WordTrack, level_table
from pipelines.stages import Word
from pipelines.worker_child import CannotWork

PCM = AudioFormat(Codec.PCM16, 8000)


class Listener:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.words: list[Word] = []

    def __call__(self, audio: bytes, words: tuple[Word, ...]) -> None:
        self.pieces.append(audio)
        self.words += words


def tone(ms: int, rate_hz: int = 8000, peak: float = 0.3) -> bytes:
    seconds = np.arange(rate_hz * ms // 1000) / rate_hz
    return np.rint(np.cos(2 * np.pi * 500 * seconds) * peak * 32767).astype(np.int16).tobytes()


def hush(ms: int, rate_hz: int = 8000) -> bytes:
    return bytes(rate_hz * ms // 1000 * 2)


def shaped(
    pcm: bytes, target: AudioFormat = PCM, native_hz: int = 8000, step: int = 640, gain_db: float = 0.0
) -> Listener:
    listener = Listener()
    shaper = Shaper(native_hz, target, level_table(gain_db), listener)
    for at in range(0, len(pcm), step):
        shaper.feed(pcm[at : at + step])
    shaper.finish()
    return listener


@pytest.mark.parametrize("step", [2, 78, 640, 100_000])
def test_edges_are_trimmed_and_gaps_are_kept_however_it_is_cut(step: int) -> None:
    got = b"".join(shaped(hush(300) + tone(400) + hush(350) + tone(200) + hush(500), step=step).pieces)
    expected_ms = PREROLL_MS + 400 + 350 + 200 + TAIL_MS
    assert PCM.duration_ms(len(got)) == pytest.approx(expected_ms, abs=3)
    samples = np.frombuffer(got, np.int16)
    assert np.abs(samples[: 8 * 10]).max() > 5000
    assert not samples[8 * (PREROLL_MS + 405) : 8 * (PREROLL_MS + 745)].any()


def test_less_silence_than_the_tail_is_not_made_longer() -> None:
    got = b"".join(shaped(tone(200) + hush(20)).pieces)
    assert PCM.duration_ms(len(got)) == pytest.approx(220, abs=1)


def test_silence_alone_is_nothing() -> None:
    assert shaped(hush(2000)).pieces == []
    assert shaped(b"").pieces == []


def test_the_first_piece_is_short_the_others_are_longer() -> None:
    sizes_ms = [PCM.duration_ms(len(piece)) for piece in shaped(tone(2000)).pieces]
    assert sizes_ms[0] == pytest.approx(40, abs=1)
    assert sizes_ms[1:-1] == pytest.approx([200] * len(sizes_ms[1:-1]), abs=1)
    assert sum(sizes_ms) == pytest.approx(2000, abs=3)


@pytest.mark.parametrize("target", [TELEPHONE, AudioFormat(Codec.ALAW, 8000), AudioFormat(Codec.PCM16, 24000)])
def test_resampling_keeps_the_duration_and_the_level(target: AudioFormat) -> None:
    audio = b"".join(shaped(tone(1000, 22050), target, 22050).pieces)
    assert target.duration_ms(len(audio)) == pytest.approx(1000, abs=4)
    samples = np.frombuffer(to_pcm16(audio, target.codec), np.int16).astype(np.float64)
    middle = samples[len(samples) // 4 : len(samples) // 2]
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.3 * 32767 / np.sqrt(2), rel=0.03)


def test_gain_is_exact_below_the_knee_and_peaks_stay_under_the_ceiling() -> None:
    table = level_table(6.0206)
    assert table[np.array([1000, -1000], np.int16).view(np.uint16)].tolist() == [2000, -2000]
    assert np.abs(table.astype(np.int32)).max() <= 32767 * 10 ** (-3 / 20)
    in_order = table[np.arange(-32768, 32768).astype(np.int16).view(np.uint16)]
    assert (np.diff(in_order.astype(np.int32)) >= 0).all()


def test_words_move_with_the_trimmed_edge_and_end_with_the_audio() -> None:
    listener = Listener()
    shaper = Shaper(8000, PCM, level_table(0.0), listener)
    shaper.feed(hush(105) + tone(500) + hush(400))
    shaper.word("one", 80.0, 300.0)
    shaper.word("two", 300.0, 1005.0)
    shaper.finish()
    assert listener.words == [
        Word("one", 0.0, pytest.approx(200, abs=1)),
        Word("two", pytest.approx(200, abs=1), pytest.approx(PREROLL_MS + 500 + TAIL_MS, abs=1)),
    ]


def test_a_track_joins_what_is_written_together() -> None:
    text = "At 10:30 — yes."
    track = WordTrack(text, 1000.0)
    marks = [(0, 0.0), (3, 200.0), (6, 400.0), (11, 900.0)]
    words = [track.at(position, ms) for position, ms in marks]
    assert [word for word in words if word] == [("At", 1000.0, 1200.0), ("10:30 —", 1200.0, 1900.0)]
    assert track.end(1300.0) == ("yes.", 1900.0, 2300.0)
    assert WordTrack("...", 0.0).end(50.0) is None


def test_segments_are_the_text_and_no_abbreviation_ends_one() -> None:
    text = "Dr. Smith is here. Mrs. Jones is not! Shall I ask at 5. p.m.? Please wait."
    assert segments(text) == ["Dr. Smith is here.", "Mrs. Jones is not!", "Shall I ask at 5. p.m.? Please wait."]
    long = "word " * 100
    cut = segments(long)
    assert all(len(segment) <= 160 for segment in cut)
    assert " ".join(cut) == long.strip()
    assert segments(" \x00\u200b ") == []


def test_flite_gets_ascii_of_the_same_length() -> None:
    assert ascii_of("naïve café — Zoë 🙂") == "naive cafe   Zoe  "


def test_a_missing_library_is_told_with_the_next_command() -> None:
    with pytest.raises(CannotWork, match="apt install libflite1"):
        _load("libflite_of_nowhere.so.1")
