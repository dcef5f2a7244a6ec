"""The waterfall tiles the response time, whatever marks there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.timing import WATERFALL, Mark, Marks, Stage, response_latency_ms, waterfall

INSTANTS = st.integers(0, 30_000).map(lambda n: n / 4)


def test_every_stage_ends_at_the_mark_beside_it() -> None:
    marks = {mark: 100.0 * index for index, mark in enumerate(Mark)}
    assert waterfall(marks) == dict.fromkeys(Stage, 100.0)
    assert response_latency_ms(marks) == 600.0
    assert [stage for stage, _ in WATERFALL] == list(Stage)


def test_what_was_ready_before_it_was_needed_costs_nothing() -> None:
    marks = {
        Mark.SPEECH_END: 1000.0,
        Mark.TRANSCRIPT: 1200.0,  # before the decision
        Mark.ENDPOINT: 1500.0,
        Mark.FIRST_TOKEN: 1800.0,
        Mark.FIRST_CHUNK: 1900.0,
        Mark.FIRST_AUDIO: 1990.0,
        Mark.FIRST_FRAME: 2000.0,
    }
    assert waterfall(marks) == {
        Stage.ENDPOINT_WAIT: 500.0,
        Stage.STT: 0.0,
        Stage.LLM: 300.0,
        Stage.AGGREGATION: 100.0,
        Stage.TTS: 90.0,
        Stage.PLAYOUT: 10.0,
    }


@pytest.mark.parametrize("missing", [Mark.SPEECH_END, Mark.FIRST_FRAME])
def test_a_turn_without_an_answer_has_no_waterfall(missing: Mark) -> None:
    marks = {mark: 1.0 for mark in Mark if mark is not missing}
    assert waterfall(marks) == {}
    assert response_latency_ms(marks) is None


@given(marks=st.dictionaries(st.sampled_from(Mark), INSTANTS), end=INSTANTS, wait=INSTANTS)
def test_the_parts_always_add_up_exactly(marks: Marks, end: float, wait: float) -> None:
    marks |= {Mark.SPEECH_END: end, Mark.FIRST_FRAME: end + wait}
    parts = waterfall(marks)
    assert sum(parts.values()) == response_latency_ms(marks) == wait
    assert all(part >= 0 for part in parts.values())
    assert list(parts) == list(Stage)
