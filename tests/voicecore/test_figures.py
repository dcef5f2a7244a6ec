"""Several processes' figures as one."""

from __future__ import annotations

import pytest
from media_server import House
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from voicecore.fellows import Alone
from voicecore.figures import QUESTION, Figures, merged

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def values(text: str) -> Values:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def value(text: str, name: str, **labels: str) -> float:
    return values(text)[name, frozenset(labels.items())]


class Process:
    """One process's registry with some of each kind."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ended = Counter("voicecore_calls", "Ended calls", ["end_reason"], registry=self.registry)
        self.active = Gauge("voicecore_calls_active", "Calls", registry=self.registry)
        self.lag = Gauge("voicecore_loop_lag_seconds", "Lag", registry=self.registry)
        self.stages = Histogram(
            "voicecore_stage_seconds", "Waits", ["stage"], buckets=(0.1, 1.0), registry=self.registry
        )

    def text(self) -> str:
        return generate_latest(self.registry).decode()


class Others(Alone):
    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def ask(self, question: str, argument: str = "") -> list[str]:
        assert question == QUESTION
        return self.answers


def test_counters_add_up_by_their_labels() -> None:
    one, other = Process(), Process()
    one.ended.labels("caller_hangup").inc(3)
    other.ended.labels("caller_hangup").inc(4)
    other.ended.labels('odd "label"\n\\').inc()
    text = merged([one.text(), other.text()])
    assert value(text, "voicecore_calls_total", end_reason="caller_hangup") == 7
    assert value(text, "voicecore_calls_total", end_reason='odd "label"\n\\') == 1
    assert "# TYPE voicecore_calls_total counter" in text
    assert text.count("# TYPE voicecore_calls_total") == 1


def test_gauges_add_up_but_the_worst_lag_counts() -> None:
    processes = [Process(), Process(), Process()]
    for process, active, lag in zip(processes, (1, 2, 3), (0.01, 0.25, 0.0), strict=True):
        process.active.set(active)
        process.lag.set(lag)
    text = merged(process.text() for process in processes)
    assert value(text, "voicecore_calls_active") == 6
    assert value(text, "voicecore_loop_lag_seconds") == 0.25


def test_histograms_add_up_bucket_by_bucket() -> None:
    one, other = Process(), Process()
    for process, seconds in ((one, 0.05), (one, 0.5), (other, 0.5), (other, 5.0)):
        process.stages.labels("stt").observe(seconds)
    one.stages.labels("llm").observe(0.2)
    text = merged([one.text(), other.text()])
    buckets = [value(text, "voicecore_stage_seconds_bucket", stage="stt", le=le) for le in ("0.1", "1.0", "+Inf")]
    assert buckets == [1, 3, 4]
    assert value(text, "voicecore_stage_seconds_count", stage="stt") == 4
    assert value(text, "voicecore_stage_seconds_sum", stage="stt") == pytest.approx(6.05)
    assert value(text, "voicecore_stage_seconds_count", stage="llm") == 1


def test_one_alone_is_as_it_was() -> None:
    process = Process()
    process.ended.labels("goodbye").inc()
    assert values(merged([process.text()])) == values(process.text())


@pytest.mark.parametrize(
    "garbage",
    ["", "\n", "{", 'a{b="c', "voicecore_calls_total not-a-number", "# TYPE", "\x00", "a{=} 1", "a 1 2 3 4 5"],
)
async def test_a_fellow_that_talks_nonsense_costs_only_its_own_figures(garbage: str) -> None:
    process, other = Process(), Process()
    process.active.set(2)
    other.active.set(5)
    text = (await Figures(process.registry, Others(garbage, other.text())).text()).decode()
    assert value(text, "voicecore_calls_active") == 7


async def test_a_server_of_one_process_answers_for_itself(house: House) -> None:
    status, text = await house.get("/metrics")
    assert status == 200
    assert value(text, "voicecore_calls_active") == 0
    assert {value(text, "voicecore_calls_refused_total", reason=reason) for reason in ("slots", "ramp")} == {0}
