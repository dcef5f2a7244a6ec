"""Hearing: where speech begins and ends, and which audio the recogniser gets."""

from __future__ import annotations

import pytest
from scripted import Codebook, LoudnessVad, Recogniser, tone

from config.schema import TurnPolicy
from pipelines.audio import TELEPHONE, silence, to_pcm16
from pipelines.ear import PREROLL_MS, Ear
from pipelines.machines.boundaries import Boundary, SpeechPaused, SpeechStarted, TurnEnded
from pipelines.machines.endpointing import Endpointer
from pipelines.stages import Expect

QUIET = to_pcm16(silence(TELEPHONE, 20), TELEPHONE.codec)


class Hearing:
    def __init__(self) -> None:
        self.book = Codebook()
        self.stt = Recogniser(self.book)
        self.ear = Ear(LoudnessVad(), self.stt, Endpointer(TurnPolicy()), 8000)
        self.now_ms = 0.0
        self.boundaries: list[Boundary] = []

    def feed(self, audio: bytes) -> list[Boundary]:
        before = len(self.boundaries)
        audio += b"\xff" * (-len(audio) % 160)
        for at in range(0, len(audio), 160):
            pcm = to_pcm16(audio[at : at + 160], TELEPHONE.codec)
            if boundary := self.ear.feed(pcm, self.now_ms):
                self.boundaries.append(boundary)
                if isinstance(boundary, SpeechStarted):
                    self.ear.begin(Expect.ANYTHING)
            self.now_ms += 20.0
        return self.boundaries[before:]

    def say(self, text: str, ms: float) -> list[Boundary]:
        code, size = self.book.code(text), round(ms * 8)
        self.stt.lengths[code - 0x80] = size
        return self.feed(tone(code, size)[:size])

    def quiet(self, ms: int) -> list[Boundary]:
        return self.feed(silence(TELEPHONE, ms))


def test_no_words_beginning_is_lost() -> None:
    hearing = Hearing()
    hearing.quiet(500)
    hearing.say("every word of this", 800)
    assert hearing.ear.partial == "every word of this"


def test_the_recogniser_gets_a_little_from_before_and_no_more() -> None:
    hearing = Hearing()
    fed: list[int] = []
    hearing.stt.feed = lambda pcm: fed.append(len(pcm) // 16)  # type: ignore[method-assign]
    hearing.quiet(1000)
    assert fed == []
    hearing.say("hello", 60)
    assert sum(fed) == PREROLL_MS


@pytest.mark.parametrize("ms", [805, 810, 815, 820])
def test_the_last_sample_of_speech_is_found_inside_its_frame(ms: int) -> None:
    hearing = Hearing()
    hearing.say("something", ms)
    (paused,) = hearing.quiet(200)
    assert paused == SpeechPaused(float(ms))


def test_the_last_sample_is_found_in_noise() -> None:
    hearing = Hearing()
    hearing.say("something", 815)
    hearing.feed(bytes([0xF0, 0x70]) * 80 * 10)  # a hum of 3 % of the speech
    (paused,) = (b for b in hearing.boundaries if isinstance(b, SpeechPaused))
    assert paused.speech_end_ms == 815.0


def test_a_held_utterance_keeps_its_words_and_takes_no_more_audio() -> None:
    hearing = Hearing()
    hearing.say("I want to book", 800)
    assert isinstance(hearing.quiet(1000)[-1], TurnEnded)
    hearing.ear.hold()
    hearing.say("a table", 40)
    assert hearing.ear.partial == "I want to book"
    hearing.ear.resume()
    assert hearing.ear.partial == "I want to book a table"


def test_a_dropped_utterance_is_forgotten() -> None:
    hearing = Hearing()
    hearing.say("I want to book", 800)
    hearing.ear.drop()
    assert hearing.ear.partial == ""
    assert hearing.quiet(3000) == []
