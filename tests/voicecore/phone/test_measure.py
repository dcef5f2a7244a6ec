"""Latency from samples alone: the screenplay stands in milliseconds, the tracks are built from it."""

import numpy as np
import pytest

from voicecore.phone.measure import MeasuredTurn, measure_recording, measure_turns


def track(total_ms: int, *sounds: tuple[int, int]) -> np.ndarray:
    """Silence with loud stretches (from, to) in milliseconds."""
    samples = np.zeros(total_ms * 8, dtype=np.int16)
    for start_ms, end_ms in sounds:
        samples[start_ms * 8 : end_ms * 8] = 9000
    return samples


def spans(*sounds: tuple[int, int]) -> list[tuple[int, int]]:
    return [(start * 8, end * 8 - 1) for start, end in sounds]


def test_an_answer_is_timed_from_the_last_sample_of_the_caller() -> None:
    heard = track(5000, (0, 500), (2600, 4000))
    (turn,) = measure_turns(spans((1000, 2000)), heard)
    assert turn.answered
    assert turn.latency_ms == pytest.approx(600, abs=0.2)
    assert turn.answer_ms == pytest.approx(1400, abs=0.2)
    assert not turn.interrupted_agent


def test_an_answer_of_several_sentences_ends_with_the_last() -> None:
    heard = track(6000, (1500, 2500), (3000, 4000))
    (turn,) = measure_turns(spans((500, 1000)), heard)
    assert turn.answer_ms == pytest.approx(2500, abs=0.2)


def test_silence_until_the_next_utterance_is_no_answer() -> None:
    heard = track(9000, (7000, 8000))
    first, second = measure_turns(spans((0, 1000), (5000, 6000)), heard)
    assert not first.answered
    assert first.latency_ms is None
    assert first.answer_ms is None
    assert second.latency_ms == pytest.approx(1000, abs=0.2)


def test_barge_in_says_how_long_the_agent_went_on_and_times_the_new_answer() -> None:
    heard = track(9000, (1500, 3250), (5000, 6000))
    first, second = measure_turns(spans((0, 1000), (3000, 4000)), heard)
    assert first.answered
    assert second.interrupted_agent
    assert second.agent_stopped_after_ms == pytest.approx(250, abs=0.2)
    assert second.latency_ms == pytest.approx(1000, abs=0.2)


def test_an_agent_that_does_not_stop_has_not_answered_the_interruption() -> None:
    heard = track(9000, (1500, 8000))
    _, second = measure_turns(spans((0, 1000), (3000, 4000)), heard)
    assert second.interrupted_agent
    assert not second.answered


def test_an_agent_that_talks_over_the_caller_has_a_negative_latency() -> None:
    (turn,) = measure_turns(spans((0, 2000)), track(5000, (1500, 3000)))
    assert turn.latency_ms == pytest.approx(-500, abs=0.2)


def test_a_false_start_inside_the_utterance_is_not_the_answer() -> None:
    (turn,) = measure_turns(spans((0, 2000)), track(6000, (1000, 1200), (2800, 4000)))
    assert turn.latency_ms == pytest.approx(800, abs=0.2)


def test_utterances_are_found_by_ear() -> None:
    caller = track(12000, (2000, 2600), (3100, 4000), (7000, 8000))
    heard = track(12000, (0, 1500), (4600, 6000), (8500, 9500))
    turns = measure_recording(caller, heard)
    assert [round(turn.latency_ms or 0) for turn in turns] == [600, 500]
    assert turns[0].spoke_from_ms == pytest.approx(2000, abs=0.2)


def test_nothing_said_nothing_measured() -> None:
    assert measure_recording(track(1000), track(1000, (0, 900))) == []
    assert isinstance(measure_turns(spans((0, 100)), b"")[0], MeasuredTurn)
