"""Journal, history and listeners are told the same, by one call of one method."""

from __future__ import annotations

import pytest
from scripted import Carrier, Codebook, Records

from pipelines.events import EventKind
from pipelines.history import History
from pipelines.minutes import Minutes
from pipelines.stages import Message, ToolCall
from pipelines.timing import Mark

ACT = ToolCall("1", "book", {})


class Desk:
    def __init__(self) -> None:
        self.now = 0.0
        self.records = Records()
        self.carrier = Carrier(Codebook(), lambda: self.now)
        self.history = History("", lambda name: name == "book")
        self.minutes = Minutes(self.records, self.carrier, self.history, lambda: self.now)

    def kinds(self) -> list[tuple[EventKind, int | None]]:
        return [(event.kind, event.turn) for event in self.records.events]


def test_an_exchange_from_utterance_to_record() -> None:
    desk = Desk()
    desk.minutes.begin_utterance(100.0)
    desk.now = 900.0
    turn = desk.minutes.commit(500.0)
    desk.minutes.caller_said(turn, "Are you open?", [])
    desk.now = 2000.0
    desk.minutes.close("Yes.", 1950.0, interrupted=False)
    assert desk.records.turns == [turn]
    assert (turn.index, turn.started_ms, turn.caller_started_ms, turn.caller_ended_ms) == (0, 100.0, 100.0, 500.0)
    assert (turn.caller_text, turn.heard_text, turn.ended_ms, turn.agent_ended_ms) == (
        "Are you open?",
        "Yes.",
        2000.0,
        1950.0,
    )
    assert turn.marks == {Mark.SPEECH_END: 500.0, Mark.ENDPOINT: 900.0}
    assert [m.content for m in desk.history.messages()[1:]] == ["Are you open?", "Yes."]
    assert [s.text for s in desk.carrier.sent] == ["customer: Are you open?", "agent: Yes."]
    assert desk.kinds() == [(EventKind.TURN_COMMITTED, 0), (EventKind.REPLY_FINISHED, 0)]


def test_a_turn_that_no_speech_began() -> None:
    desk = Desk()
    desk.now = 700.0
    turn = desk.minutes.begin_turn()
    assert (turn.index, turn.started_ms, turn.caller_started_ms) == (0, 700.0, None)
    desk.minutes.close("Are you still there?", 1500.0, interrupted=False)
    assert desk.records.turns == [turn]


def test_what_was_nothing_is_not_recorded() -> None:
    desk = Desk()
    desk.minutes.begin_utterance(100.0)
    desk.minutes.forget_utterance()
    desk.minutes.abandon_utterance("")
    desk.minutes.begin_utterance(900.0)
    desk.minutes.commit(1000.0)
    desk.minutes.forget_turn()
    desk.minutes.close("", None, interrupted=True)
    assert desk.records.turns == []


def test_a_turn_that_is_taken_back_stays_the_same_turn() -> None:
    desk = Desk()
    desk.minutes.begin_utterance(100.0)
    turn = desk.minutes.commit(500.0)
    desk.minutes.caller_said(turn, "I would like", [])
    assert desk.minutes.take_back()
    assert desk.minutes.utterance is turn
    assert desk.minutes.turn is None
    assert desk.history.messages()[1:] == []
    assert desk.minutes.commit(1500.0) is turn
    assert turn.marks[Mark.SPEECH_END] == 1500.0
    assert desk.minutes.open(2000.0).index == 1


@pytest.mark.parametrize("why", ["no turn", "acted", "unasked"])
def test_what_cannot_be_taken_back(why: str) -> None:
    desk = Desk()
    if why == "acted":
        desk.minutes.begin_utterance(100.0)
        desk.minutes.caller_said(desk.minutes.commit(500.0), "Book it", [Message("assistant", "", (ACT,))])
    elif why == "unasked":
        desk.minutes.turn = desk.minutes.open(0.0)
    assert not desk.minutes.take_back()
    assert desk.minutes.utterance is None


def test_what_the_caller_was_saying_at_the_end_is_kept() -> None:
    desk = Desk()
    desk.minutes.begin_utterance(100.0)
    desk.now = 700.0
    desk.minutes.abandon_utterance("and one more")
    desk.minutes.abandon_utterance("")
    (turn,) = desk.records.turns
    assert (turn.caller_text, turn.caller_ended_ms, turn.interrupted) == ("and one more", 700.0, True)


def test_closing_nothing_tells_nobody() -> None:
    desk = Desk()
    desk.minutes.close("", None, interrupted=True)
    assert (desk.records.turns, desk.records.events, desk.carrier.sent) == ([], [], [])
