"""What our server would answer, and when, is known for every place of an utterance in a block of the voice detector."""

from __future__ import annotations

import pytest

from benchmarks.capacity.caller import FRAME_MS, Caller
from benchmarks.capacity.expected import expected_ms, talk
from benchmarks.capacity.figures import BLOCK_FRAMES, Answer, Expected, Figures
from benchmarks.capacity.servers import Waits
from benchmarks.capacity.speech import SILENCE, Utterance, utterances
from pipelines.simulation.virtual_time import run_in_virtual_time
from voicecore.phone.dialect import encode_payload

WAITS = Waits()
SENSITIVE = "I would like to book a c"  # where in a block it begins decides where it ends
ANSWER = b'{"event":"media","media":{"payload":"%b"}}' % encode_payload(bytes(1600)).encode()  # 200 ms, loud


@pytest.fixture(scope="module")
def sensitive() -> list[Utterance]:
    return [one for one in utterances() if one.name == SENSITIVE]


@pytest.fixture(scope="module")
def expected(sensitive: list[Utterance]) -> Expected:
    return expected_ms(sensitive, WAITS)


def answer(turn: int, lead: int) -> Answer:
    return Answer(utterance=SENSITIVE, turn=turn, lead=lead, speech_end_ms=0.0, voiced_end_ms=0.0)


def leads(place: int | None, turns: int = 3) -> list[int]:
    """Frames that a call had sent when each of its utterances began; every one is answered at once."""
    figures = Figures()
    script = [Utterance("word", (SILENCE,) * 10, 200.0, 200.0, 200.0)]
    caller = Caller(0, script, figures, lambda message: None, False, place)
    caller.open("CA0", {}, 0.0)
    said = 0
    for frame in range(1, 1000):
        caller.frame(float(frame * FRAME_MS))
        if figures.utterances > said:
            said = figures.utterances
            caller.receive(ANSWER, float(frame * FRAME_MS))
    return [one.lead for one in figures.answers[:turns]]


def test_a_caller_counts_the_frames_before_each_utterance() -> None:
    first, second, third = leads(place=None)
    assert first == 201  # four seconds without a greeting
    assert first + 10 < second < third - 10


@pytest.mark.parametrize("place", [0, 1, 24])
def test_a_caller_waits_for_his_place_in_a_block(place: int) -> None:
    assert {lead % BLOCK_FRAMES for lead in leads(place)} == {place}


def test_the_same_words_elsewhere_in_a_block_are_answered_at_another_time(expected: Expected) -> None:
    for turn in (0, 1, 5):
        assert len({round(expected.of(answer(turn, lead))) for lead in range(BLOCK_FRAMES)}) > 1


def test_what_is_expected_repeats_with_every_block(expected: Expected) -> None:
    assert expected.of(answer(0, 7)) == expected.of(answer(0, 7 + 8 * BLOCK_FRAMES))


def test_first_answers_are_expected_later_than_the_others(expected: Expected) -> None:
    assert expected.of(answer(0, 0)) > expected.of(answer(1, 0)) > expected.of(answer(2, 0))
    assert expected.of(answer(2, 0)) == expected.of(answer(99, 0))


def test_every_answer_of_a_call_is_expected_to_the_millisecond() -> None:
    script = utterances()[:4]
    known = expected_ms(script, WAITS)
    answers = run_in_virtual_time(talk(script, WAITS, number=3, place=None, turns=12))
    assert len(answers) == 12
    assert [one.response_ms for one in answers] == [pytest.approx(known.of(one), abs=1.0) for one in answers]
