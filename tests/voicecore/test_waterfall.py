"""Bars keep their proportions, and what was not heard cannot be mistaken for what was."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from pipelines.events import EndReason
from pipelines.machines.speculation import Ledger
from pipelines.timing import Mark, Stage, Turn
from pipelines.usage import Used
from voicecore.domain.calls import Call, CallStatus, StoredEvent, StoredTurn
from voicecore.services.calls import CallDetail
from voicecore.waterfall import LOOKS, answer, bar, draw_call, figures, heard_and_unheard, scale_of

MARKS = {
    Mark.SPEECH_END: 2000.0,
    Mark.ENDPOINT: 2400.0,
    Mark.TRANSCRIPT: 2450.0,
    Mark.FIRST_TOKEN: 2650.0,
    Mark.FIRST_CHUNK: 2650.0,
    Mark.FIRST_AUDIO: 2790.0,
    Mark.FIRST_FRAME: 2800.0,
}


def turn(index: int = 1, **values: object) -> StoredTurn:
    return StoredTurn(uid=f"t{index}", call_uid="c", index=index, started_ms=1000.0, **values)  # type: ignore[arg-type]


def test_every_stage_has_a_look_of_its_own() -> None:
    assert set(LOOKS) == set(Stage)
    assert len({character for character, _ in LOOKS.values()}) == len(Stage)


def test_a_bar_is_true_to_scale() -> None:
    drawn = bar(turn(marks=MARKS), 800.0, 80).plain
    assert len(drawn) == 80
    widths = {stage: drawn.count(character) for stage, (character, _) in LOOKS.items()}
    assert widths == {
        Stage.ENDPOINT_WAIT: 40,
        Stage.STT: 5,
        Stage.LLM: 20,
        Stage.AGGREGATION: 0,
        Stage.TTS: 14,
        Stage.PLAYOUT: 1,
    }
    assert len(bar(turn(marks=MARKS), 1600.0, 80).plain) == 40


def test_figures_name_what_cost_something() -> None:
    assert "endpoint_wait 400" in figures(turn(marks=MARKS)).plain
    assert "aggregation" not in figures(turn(marks=MARKS)).plain


def test_a_turn_without_an_answer_has_no_bar() -> None:
    unanswered = turn(marks={Mark.SPEECH_END: 2000.0})
    assert bar(unanswered, 0.0, 80).plain == ""
    assert scale_of([unanswered]) == 0.0
    assert scale_of([unanswered, turn(2, marks=MARKS)]) == 800.0


@pytest.mark.parametrize(
    ("generated", "heard", "interrupted", "expected"),
    [
        ("We open at nine.", "We open at nine.", False, ("We open at nine.", "")),
        ("We open at nine. Anything else?", "We open", True, ("We open", "at nine. Anything else?")),
        ("We open at nine.", "We open at", True, ("We open at", "nine.")),
        ("We open at nine.", "", True, ("", "We open at nine.")),
        ("We open at nine.", "", False, ("We open at nine.", "")),
        ("", "", False, ("", "")),
    ],
)
def test_heard_and_unheard(generated: str, heard: str, interrupted: bool, expected: tuple[str, str]) -> None:
    spoken = turn(generated_text=generated, heard_text=heard, interrupted=interrupted)
    assert heard_and_unheard(spoken) == expected


def test_unheard_text_is_struck_through() -> None:
    cut = turn(generated_text="We open at nine.", heard_text="We open", interrupted=True)
    styled = answer(cut, colours=True)
    assert styled.plain == "We open at nine."
    (span,) = styled.spans
    assert styled.plain[span.start : span.end] == "at nine."
    assert "strike" in str(span.style)
    assert answer(cut, colours=False).plain == "We open ~~at nine.~~"


def detail(*turns: Turn, events: tuple[StoredEvent, ...] = ()) -> CallDetail:
    now = datetime(2030, 1, 2, 10, 0, tzinfo=UTC)
    call = Call(
        uid="c",
        organization_uid="o",
        external_id="call_1",
        sid="CA1",
        status=CallStatus.ENDED,
        from_number="+4917[0]",
        agent_id="dental",
        end_reason=EndReason.CALLER_HANGUP,
        created_at=now,
        answered_at=now,
        ended_at=now.replace(second=20),
    )
    return CallDetail(call=call, turns=list(turns), events=list(events), appointments=[])  # type: ignore[arg-type]


def draw(drawn: CallDetail, width: int = 100) -> str:
    console = Console(width=width, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        draw_call(console, drawn)
    return console.export_text()


def test_a_whole_call_is_drawn() -> None:
    spoken = turn(
        marks=MARKS,
        caller_text="when do you open",
        generated_text="At nine. Anything else?",
        heard_text="At nine.",
        interrupted=True,
        caller_started_ms=1000.0,
        caller_ended_ms=2000.0,
        agent_started_ms=2800.0,
        agent_ended_ms=5000.0,
        speculation=Ledger(hits=1, misses=1, saved_ms=230.0),
    )
    event = StoredEvent(call_uid="c", kind="barge_in", at_ms=5000.0, turn=1, data={"words": "[stop]"})
    text = draw(detail(spoken, events=(event,)))
    assert "call_1" in text
    assert "+4917[0]" in text  # not taken for markup
    assert "when do you open" in text
    assert "At nine. ~~Anything else?~~" in text
    assert "800 ms" in text
    assert "response_latency" in text
    assert "words=[stop]" in text
    assert "begun early: 230 ms saved, 1 thrown away" in text
    lanes = [line for line in text.splitlines() if line.startswith(("caller  ", "agent   ")) and "━" in line]
    assert len(lanes) == 2
    caller, agent = (line[8:] for line in lanes)
    assert caller.index("━") == pytest.approx(91 * 1 / 20, abs=1)
    assert agent.index("━") == pytest.approx(91 * 2.8 / 20, abs=1)
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("width", [30, 60, 200])
def test_a_call_in_which_nothing_happened_is_drawn_too(width: int) -> None:
    assert "no answered turns" in draw(detail(), width)


def test_what_was_used_and_what_it_costs_stands_below() -> None:
    call = Call(
        uid="c",
        organization_uid="o",
        external_id="call_1",
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        usage={
            "cloud/voice": Used(spoken_characters=40, unheard_characters=11, cost_microusd=2550),
            "cloud/ear": Used(heard_s=2.5, cost_microusd=None),
        },
    )
    console = Console(width=120, record=True, file=io.StringIO())
    draw_call(console, CallDetail(call=call, turns=[], events=[], appointments=[]))
    lines = console.export_text().splitlines()
    (voice,) = (line.split() for line in lines if line.startswith("cloud/voice"))
    assert voice == ["cloud/voice", "-", "-", "-", "-", "40", "11", "-", "0.002550"]
    (ear,) = (line.split() for line in lines if line.startswith("cloud/ear"))
    assert ear[-2:] == ["2.5", "unknown"]
    assert any(line.split() == ["cost", "unknown"] for line in lines)
