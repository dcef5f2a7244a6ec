"""The caller's measurements and the server's record are put side by side by time."""

import io

from rich.console import Console

from pipelines.timing import Mark, Turn
from voicecore.phone.carrier import CallResult, EndedBy
from voicecore.phone.clips import Clip
from voicecore.phone.dialect import Identity
from voicecore.phone.measure import MeasuredTurn
from voicecore.phone.recording import Recording
from voicecore.phone_report import CallReport, matching_turns, print_report, report_data


def measured(from_ms: float, to_ms: float, latency_ms: float | None) -> MeasuredTurn:
    return MeasuredTurn(
        spoke_from_ms=from_ms,
        spoke_to_ms=to_ms,
        answered=latency_ms is not None,
        latency_ms=latency_ms,
        answer_from_ms=None if latency_ms is None else to_ms + latency_ms,
        answer_to_ms=None if latency_ms is None else to_ms + latency_ms + 1000,
        interrupted_agent=False,
        agent_stopped_after_ms=None,
    )


def result(*turns: MeasuredTurn) -> CallResult:
    return CallResult(
        identity=Identity("AC", "CA", "MZ"),
        ended_by=EndedBy.CALLER,
        close_code=1000,
        turns=list(turns),
        recording=Recording(),
        frames=0,
        late_frames=0,
        worst_late_ms=0.0,
        underruns=0,
        partial_frames=0,
        clears=0,
        cleared_ms=0.0,
        problems=["a [broken] message"],
        problem_count=1,
    )


CLIPS = [Clip("hello [there]", (), (), 0, 0), Clip("bye", (), (), 0, 0)]


def server_turn(index: int, from_ms: float | None, to_ms: float | None) -> Turn:
    marks = {} if to_ms is None else {Mark.SPEECH_END: to_ms, Mark.FIRST_FRAME: to_ms + 500}
    return Turn(
        index=index,
        started_ms=from_ms or 0.0,
        caller_started_ms=from_ms,
        caller_ended_ms=to_ms,
        caller_text="heard",
        marks=marks,
    )


def test_turns_belong_together_when_they_overlap() -> None:
    turns = [
        server_turn(0, None, None),
        server_turn(1, 1050, 1500),
        server_turn(2, 1600, 1950),
        server_turn(3, 4000, 5000),
    ]
    assert [turn.index for turn in matching_turns(measured(1000, 2000, 500), turns)] == [1, 2]
    assert matching_turns(measured(7000, 8000, 500), turns) == []


def test_every_turn_must_be_said_and_answered() -> None:
    good = measured(0, 1, 500)
    assert CallReport(CLIPS, result(good, good), None, 2).every_turn_answered
    assert not CallReport(CLIPS, result(good), None, 2).every_turn_answered
    assert not CallReport(CLIPS, result(good, measured(0, 1, None)), None, 2).every_turn_answered


def test_the_data_hold_both_views() -> None:
    data = report_data(CallReport(CLIPS, result(measured(0, 900, 500), measured(2000, 2500, None)), None, 2))
    assert [turn["said"] for turn in data["turns"]] == ["hello [there]", "bye"]
    assert data["turns"][0]["latency_ms"] == 500
    assert data["turns"][0]["answer_ms"] == 1000
    assert data["turns"][1]["answered"] is False
    assert data["every_turn_answered"] is False
    assert data["line"]["problem_count"] == 1


def test_the_report_takes_nothing_for_markup() -> None:
    console = Console(file=io.StringIO(), width=200, record=True)
    print_report(console, CallReport(CLIPS, result(measured(0, 900, 500), measured(2000, 2500, None)), None, 2))
    text = console.export_text()
    assert "hello [there]   answered after 500 ms, for 1.0 s" in text
    assert "bye   not answered" in text
    assert "1 of 2 turns answered" in text
    assert "a [broken] message" in text
