"""What Nova and Flux say, and what it means for a flush: without a connection."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pipelines.abilities import TurnEvent, TurnSign
from pipelines.errors import StageError
from pipelines.providers._deepgram_flux import FORCE_END_TURN, Flux
from pipelines.providers._deepgram_nova import FINALIZE, Nova
from pipelines.providers._stream_text import StreamText


def results(text: str, start_s: float, end_s: float, *, final: bool = True, flushed: bool = False) -> str:
    return json.dumps(
        {
            "type": "Results",
            "start": start_s,
            "duration": end_s - start_s,
            "is_final": final,
            "from_finalize": flushed,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": []}]},
        }
    )


class TestNova:
    def test_a_flush_is_answered_by_its_own_result_only(self) -> None:
        nova = Nova(StreamText("deepgram"))
        assert nova.ask(1.0) == FINALIZE
        assert nova.ask(2.0) == FINALIZE
        nova.heard("Results", results("one", 0, 1.0, flushed=True))
        assert nova.answered(1.0)
        assert not nova.answered(2.0)
        nova.heard("Results", results("two", 1.0, 2.0, flushed=True))
        assert nova.answered(2.0)

    def test_an_answer_whose_position_is_a_little_short_is_one(self) -> None:
        nova = Nova(StreamText("deepgram"))
        nova.ask(1.0)
        nova.heard("Results", results("one", 0, 0.95, flushed=True))
        assert nova.answered(1.0)

    def test_hypotheses_answer_nothing(self) -> None:
        nova = Nova(StreamText("deepgram"))
        nova.ask(1.0)
        nova.heard("Results", results("on", 0, 1.0, final=False))
        assert not nova.answered(1.0)

    def test_what_is_final_already_is_not_asked_for(self) -> None:
        text = StreamText("deepgram")
        nova = Nova(text)
        nova.heard("Results", results("all of it", 0, 1.0))
        assert nova.ask(1.0) is None
        assert nova.answered(1.0)
        assert text.text == "all of it"

    def test_a_flush_of_next_to_nothing_may_stay_unanswered(self) -> None:
        nova = Nova(StreamText("deepgram"))
        nova.heard("Results", results("all of it", 0, 0.9))
        assert nova.ask(1.0) == FINALIZE
        nova.overdue(1.0)
        assert nova.answered(1.0)

    def test_a_flush_of_more_may_not(self) -> None:
        nova = Nova(StreamText("deepgram"))
        nova.ask(1.0)
        nova.overdue(1.0)
        assert not nova.answered(1.0)

    def test_the_same_flush_is_not_sent_twice(self) -> None:
        nova = Nova(StreamText("deepgram"))
        nova.ask(1.0)
        assert nova.ask(1.0) is None
        assert nova.cut(1.0) is None

    @pytest.mark.parametrize(
        "frame", ['{"type": "Results"}', results("x", 0, 1).replace("0.9", '"high"'), '{"type": "Results", "channel"']
    )
    def test_malformed_results_are_refused(self, frame: str) -> None:
        with pytest.raises(msgspec.MsgspecError):
            Nova(StreamText("deepgram")).heard("Results", frame)

    def test_an_error_is_told_with_its_kind(self) -> None:
        with pytest.raises(StageError, match="SchemaError: no such message"):
            Nova(StreamText("deepgram")).heard(
                "Error", '{"type": "Error", "variant": "SchemaError", "description": "no such message"}'
            )

    def test_kinds_that_it_does_not_know_are_left_alone(self) -> None:
        Nova(StreamText("deepgram")).heard("Metadata", '{"type": "Metadata"}')


def turn_info(event: str, text: str, end_s: float, confidence: float = 0.1, start_s: float = 0.0) -> str:
    each_s = (end_s - start_s) / max(len(text.split()), 1)
    words = [
        {"word": word, "confidence": 0.9, "start": start_s + at * each_s, "end": start_s + (at + 1) * each_s}
        for at, word in enumerate(text.split())
    ]
    message: dict[str, Any] = {
        "type": "TurnInfo",
        "event": event,
        "turn_index": 0,
        "audio_window_start": start_s,
        "audio_window_end": end_s,
        "transcript": text,
        "words": words,
        "end_of_turn_confidence": confidence,
    }
    return json.dumps(message)


class TestFlux:
    def flux(self) -> tuple[Flux, StreamText, list[TurnSign]]:
        signs: list[TurnSign] = []
        text = StreamText("deepgram")
        return Flux(text, lambda seconds: bytes(round(seconds * 8000)), signs.append), text, signs

    def test_signs_come_with_their_probability(self) -> None:
        flux, _, signs = self.flux()
        flux.heard("TurnInfo", turn_info("StartOfTurn", "I", 0.3))
        flux.heard("TurnInfo", turn_info("EagerEndOfTurn", "I would.", 1.0, 0.55))
        flux.heard("TurnInfo", turn_info("TurnResumed", "I would like", 1.4, 0.1))
        flux.heard("TurnInfo", turn_info("EndOfTurn", "I would like that.", 2.0, 0.81))
        assert signs == [
            TurnSign(TurnEvent.EAGER_END, 0.55),
            TurnSign(TurnEvent.RESUMED, 0.1),
            TurnSign(TurnEvent.END, 0.81),
        ]

    def test_signs_about_an_earlier_utterance_are_kept_back(self) -> None:
        flux, text, signs = self.flux()
        flux.heard("TurnInfo", turn_info("StartOfTurn", "I", 0.3))
        text.begin(1.0)
        flux.heard("TurnInfo", turn_info("EndOfTurn", "I.", 1.0, 0.9))
        assert signs == []
        assert text.text == ""

    def test_a_flush_is_answered_by_an_end_of_turn(self) -> None:
        flux, text, _ = self.flux()
        assert flux.ask(1.0) is None
        flux.heard("TurnInfo", turn_info("Update", "yes", 0.96))
        assert not flux.answered(1.0)
        flux.heard("TurnInfo", turn_info("EagerEndOfTurn", "yes please", 0.96))  # the rest fills no step
        assert flux.answered(1.0)
        assert text.text == "yes please"

    def test_a_turn_that_goes_on_is_no_answer(self) -> None:
        flux, _, _ = self.flux()
        flux.heard("TurnInfo", turn_info("EagerEndOfTurn", "yes", 1.0))
        flux.heard("TurnInfo", turn_info("TurnResumed", "yes", 1.1))
        assert not flux.answered(1.0)

    def test_without_an_end_a_flush_is_answered_by_what_was_heard_well_beyond_it(self) -> None:
        flux, _, _ = self.flux()
        flux.heard("TurnInfo", turn_info("Update", "yes", 1.2))
        assert not flux.answered(1.0)
        flux.heard("TurnInfo", turn_info("Update", "yes please", 1.28))
        assert flux.answered(1.0)

    def test_silence_is_sent_once_when_no_more_audio_comes(self) -> None:
        flux, _, _ = self.flux()
        assert flux.overdue(1.0)
        assert flux.overdue(1.0) is None
        assert flux.overdue(2.0)

    def test_turns_of_one_utterance_are_joined(self) -> None:
        flux, text, _ = self.flux()
        flux.heard("TurnInfo", turn_info("EndOfTurn", "My number is.", 1.0))
        flux.heard("TurnInfo", turn_info("Update", "Four seven.", 2.0, start_s=1.0))
        assert text.text == "My number is. Four seven."

    def test_a_turn_that_is_open_is_ended_before_the_next_utterance(self) -> None:
        flux, text, _ = self.flux()
        assert flux.cut(0.0) is None
        flux.heard("TurnInfo", turn_info("StartOfTurn", "I", 0.3))
        flux.heard("TurnInfo", turn_info("Update", "I would", 1.0))
        assert flux.cut(1.0) == FORCE_END_TURN
        text.begin(1.0)
        flux.heard("TurnInfo", turn_info("EndOfTurn", "I would", 1.0))
        assert flux.cut(1.0) is None
        flux.heard("TurnInfo", turn_info("Update", "yes", 1.6, start_s=1.0))
        assert text.text == "yes"

    def test_an_error_is_told_with_its_code(self) -> None:
        flux, _, _ = self.flux()
        with pytest.raises(StageError, match="INTERNAL_SERVER_ERROR: it broke"):
            flux.heard("Error", '{"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": "it broke"}')
