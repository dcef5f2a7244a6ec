"""Long files are heard in pieces, cut where it is quiet, and told as one."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.audio_files import Sound
from pipelines.stages import Transcript, Word
from voicecore.services.audio_desk import PIECE_S, joined, pieces

RATE_HZ = 8000


def speech(seconds: float, pauses_s: tuple[float, ...] = ()) -> Sound:
    samples = np.random.default_rng(1).integers(-8000, 8000, int(seconds * RATE_HZ)).astype(np.int16)
    for at in pauses_s:
        samples[int(at * RATE_HZ) : int((at + 0.3) * RATE_HZ)] = 0
    return Sound(samples.tobytes(), RATE_HZ)


def test_a_short_file_is_one_piece() -> None:
    sound = speech(PIECE_S)
    assert pieces(sound) == [(0.0, sound.pcm)]
    assert pieces(Sound(b"", RATE_HZ)) == [(0.0, b"")]


def test_a_long_file_is_cut_in_its_pauses_and_loses_nothing() -> None:
    sound = speech(40, pauses_s=(9.0, 19.5, 30.0))
    found = pieces(sound)
    assert b"".join(piece for _, piece in found) == sound.pcm
    assert max(len(piece) / 2 / RATE_HZ for _, piece in found) <= PIECE_S
    for (start, _), pause in zip(found[1:], (9.0, 19.5, 30.0), strict=True):
        assert pause <= start <= pause + 0.3


def test_words_are_told_in_the_time_of_the_whole() -> None:
    heard = [
        (0.0, Transcript("hello", (Word("hello", 100, 400, 0.9),), "en", 0.8)),
        (10.0, Transcript("", ())),
        (20.0, Transcript("there", (Word("there", 50, 300, None),), "en", 0.6)),
    ]
    whole = joined(heard, "de")
    assert (whole.text, whole.language) == ("hello there", "en")
    assert [(w.start_ms, w.end_ms) for w in whole.words] == [(100, 400), (20050, 20300)]
    assert whole.confidence == pytest.approx(0.7)
    assert joined([(0.0, Transcript(""))], "de").language == "de"
