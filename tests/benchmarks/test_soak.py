"""What the soak calls growth, and who answers its calls."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.soak import AGENT, ANSWERS_FOR_P99, MAX_CALL_S, Sample, verdict
from config.loader import load_struct
from voicecore.services.agents import settings_of
from voicecore.services.seed_format import SeedFile

STEADY = Sample(
    at_s=0.0,
    calls_so_far=100,
    calls=100,
    rss_mb=150.0,
    files=50,
    threads=16,
    tasks=5.0,
    answers=ANSWERS_FOR_P99,
    late_p95_ms=3.0,
    late_p99_ms=6.0,
    missed_turns=0,
    lost_calls=0,
)


def with_last(last: Sample) -> list[str]:
    return verdict([STEADY, STEADY, STEADY, last])


def test_the_agent_is_told_to_talk_for_long(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(AGENT)
    ((agent,),) = (one.agents for one in load_struct(file, SeedFile).organizations)
    settings = settings_of(agent.config)
    assert settings.limits.max_call_s == MAX_CALL_S
    assert settings.turn.speculation_tokens >= 10**9
    assert "{company_name}" in settings.greeting


def test_what_stays_is_no_fault() -> None:
    assert with_last(STEADY) == []


def test_memory_that_grew_is_a_fault() -> None:
    assert with_last(msgspec.structs.replace(STEADY, rss_mb=190.0)) == ["rss_mb grew by 40.0"]


def test_the_latest_answers_of_many_are_judged() -> None:
    later = msgspec.structs.replace(STEADY, late_p99_ms=60.0)
    assert with_last(later) == ["p99 lateness went from 6.0 to 60.0 ms"]


def test_of_few_answers_the_latest_one_decides_nothing() -> None:
    few = msgspec.structs.replace(STEADY, answers=90, late_p99_ms=60.0)
    assert with_last(few) == []
    assert with_last(msgspec.structs.replace(few, late_p95_ms=40.0)) == ["p95 lateness went from 3.0 to 40.0 ms"]
