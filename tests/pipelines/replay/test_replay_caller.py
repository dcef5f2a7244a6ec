"""A caller who listens: silence gives, speech does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.replay.caller import Axis, Cue, Facts, ListeningCaller, Reply, cues, observe
from pipelines.timing import Turn

FRAME = 20.0


def speech(*spans: tuple[int, int]) -> list[float]:
    return [float(at) for start, end in spans for at in range(start, end, 20)]


def answered(started_ms: float, ended_ms: float) -> Turn:
    return Turn(index=0, started_ms=started_ms, agent_started_ms=started_ms, agent_ended_ms=ended_ms)


def test_a_pause_is_a_hold_unless_the_agent_was_heard_in_it() -> None:
    heard = observe(speech((1000, 2000), (2500, 3000), (5000, 5600)), [answered(3500, 4400)])
    assert heard.speech == [(1000, 2000), (2500, 3000), (5000, 5600)]
    assert heard.holds == [(2000, 2500)]
    assert observe(speech((1000, 2000), (2500, 3000)), [answered(2200, 2600)]).holds == []
    too_late_to_react = observe(speech((1000, 2000), (2500, 3000)), [answered(2400, 2600)])
    assert too_late_to_react.holds == [(2000, 2500)]
    assert observe(speech((1000, 2000), (4500, 5000)), []).holds == [], "that long is no hold"
    assert observe(speech((1000, 1040)), []).speech == [], "a click is no speech"


def test_what_a_caller_reacts_to() -> None:
    heard = observe(speech((1000, 2000), (5000, 5600), (9000, 9500)), [answered(2500, 4400), answered(6000, 9800)])
    assert cues(heard, 12_000.0) == [
        Cue(since_ms=2000.0, onset_ms=5000.0, replies=1, after_ms=600.0, waited=True),
        Cue(since_ms=5600.0, onset_ms=9000.0, replies=1, after_ms=3000.0, waited=False),
        Cue(since_ms=9500.0, onset_ms=12_000.0, replies=1, after_ms=2200.0, waited=True),
    ]
    assert cues(Facts([(1000.0, 2000.0)], [], []), None) == [], "nobody speaks to him: he begins when he began"


def onset(caller: ListeningCaller, recorded_ms: float, replies: dict[float, Reply], ends: dict[float, float]) -> float:
    """When in the replay the frame at `recorded_ms` is said. Replies begin and end at these times."""
    now = caller.at_ms
    while caller.at_ms < recorded_ms or caller.waits(now):
        assert now < 60_000
        for at in [at for at in replies if at <= now]:
            caller.replies.append(replies.pop(at))
        for at in [at for at in ends if at <= now]:
            caller.replies[-1].ended_ms = ends.pop(at)
        if caller.waits(now):
            assert caller.filler()
        elif caller.at_ms < recorded_ms:
            caller.fed(b"room")
        now += FRAME
    return caller.axis.replayed(recorded_ms)


WAITED = Cue(since_ms=2000.0, onset_ms=5000.0, replies=1, after_ms=600.0, waited=True)
BROKE_IN = Cue(since_ms=2000.0, onset_ms=5000.0, replies=1, after_ms=600.0, waited=False)


@pytest.mark.parametrize("ended_ms", [2900.0, 4400.0, 4415.0, 6000.0, 9333.0])
def test_who_waited_for_the_end_waits_for_the_new_end(ended_ms: float) -> None:
    caller = ListeningCaller([WAITED], 0.0, b"quiet")
    began = onset(caller, 5000.0, {2500.0: Reply(2500.0)}, {ended_ms + 20: ended_ms})
    assert began == pytest.approx(ended_ms + 600, abs=2 * FRAME)
    if abs(ended_ms - 4400) < 20:
        assert began == 5000.0, "what is as it was is left alone"


@pytest.mark.parametrize("started_ms", [2600.0, 4400.0, 5500.0])
def test_who_broke_in_breaks_in_as_long_after_the_new_beginning(started_ms: float) -> None:
    caller = ListeningCaller([BROKE_IN], 0.0, b"quiet")
    began = onset(caller, 5000.0, {started_ms: Reply(started_ms)}, {})
    assert began == pytest.approx(started_ms + 600, abs=2 * FRAME)


def test_an_answer_that_never_comes_is_not_waited_for_for_ever() -> None:
    caller = ListeningCaller([WAITED], 0.0, b"quiet")
    assert onset(caller, 5000.0, {}, {}) == pytest.approx(15_000, abs=2 * FRAME)


def test_a_reply_that_was_over_before_he_spoke_is_no_answer() -> None:
    caller = ListeningCaller([WAITED], 0.0, b"quiet")
    began = onset(caller, 5000.0, {500.0: Reply(500.0, 900.0), 6000.0: Reply(6000.0)}, {7000.0: 7000.0})
    assert began == pytest.approx(7600, abs=2 * FRAME)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(-20, 40)), max_size=12))
def test_the_axis_leads_there_and_back(parts: list[tuple[int, int]]) -> None:
    """Wherever there is audio of the recording; silence that was put in belongs to the place where it was."""
    axis, recorded, shift = Axis(), 0.0, 0.0
    for frames, moved in parts:
        recorded += frames * FRAME
        if moved < 0:  # left out
            recorded -= moved * FRAME
        shift += moved * FRAME
        axis.part(recorded, recorded + shift)
        assert axis.replayed(recorded) == recorded + shift
        assert axis.recorded(recorded + shift) == recorded
    assert axis.recorded(axis.replayed(recorded + 1000.0)) == recorded + 1000.0
