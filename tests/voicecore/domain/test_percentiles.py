"""Exact summaries and the sketch's promise: every quantile within its relative error, also after merging."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.timing import Mark
from voicecore.domain.percentiles import Sketch, stage_summaries, summary

WAITS = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=300)


def exact(values: list[float], q: float) -> float:
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


def sketch_of(values: list[float]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


@given(WAITS, st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_the_stated_error(values: list[float], q: float) -> None:
    told = sketch_of(values).quantile(q)
    assert told == pytest.approx(exact(values, q), rel=0.0101, abs=1e-3)


@given(WAITS, WAITS)
def test_merging_is_adding(one: list[float], other: list[float]) -> None:
    merged, together = sketch_of(one), sketch_of(one + other)
    merged.merge(sketch_of(other))
    assert merged.buckets == together.buckets
    assert merged.summary() == together.summary()
    assert msgspec.json.decode(msgspec.json.encode(merged), type=Sketch) == merged


def test_empty_and_wrong() -> None:
    assert (Sketch().quantile(0.5), Sketch().summary(), summary([])) == (None, {}, {})
    for bad in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="finite"):
            Sketch().add(bad)
    with pytest.raises(ValueError, match="do not merge"):
        Sketch().merge(Sketch(relative_error=0.05))


def test_nearest_rank() -> None:
    assert summary([float(n) for n in range(1, 101)]) == {
        "num": 100, "min": 1, "max": 100, "p50": 50, "p90": 90, "p95": 95, "p99": 99,
    }  # fmt: skip


def test_stages_of_a_call_count_answered_turns_only() -> None:
    answered = {Mark.SPEECH_END: 1000.0, Mark.ENDPOINT: 1300.0, Mark.FIRST_FRAME: 1500.0}
    stages = stage_summaries([answered, {}, {Mark.SPEECH_END: 9.0}])
    assert stages["response_latency"] == summary([500.0])
    assert stages["endpoint_wait"]["p99"] == 300
    assert stages["playout"]["num"] == 1
