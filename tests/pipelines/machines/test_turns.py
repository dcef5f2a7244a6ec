"""Who holds the floor: every legal way through a call, and that an illegal one changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from config.schema import TurnPolicy
from pipelines.errors import IllegalTransition
from pipelines.machines.overlap import DOUBT_MS, RESUME_AFTER_MS, YIELD_MS, Asked, Evidence, Verdict
from pipelines.machines.turns import TAIL_MS, Command, Floor, TurnMachine
from pipelines.stages import Expect

POLICY = TurnPolicy()
LONG_MS = float(POLICY.barge_in_ms)
DROPPED = [Command.DROP_UTTERANCE, Command.RESUME_PLAYOUT]


def voice(strong_ms: float, text: str = "") -> Evidence:
    return Evidence(speech_ms=strong_ms, strong_ms=strong_ms, text=text)


def listening(policy: TurnPolicy = POLICY, language: str = "en") -> TurnMachine:
    return TurnMachine(policy, language)


def thinking(policy: TurnPolicy = POLICY, language: str = "en") -> TurnMachine:
    turns = listening(policy, language)
    turns.speech_started()
    turns.turn_ended("what is it")
    return turns


def speaking(policy: TurnPolicy = POLICY, language: str = "en") -> TurnMachine:
    turns = thinking(policy, language)
    turns.reply_audible()
    return turns


def overlapped(policy: TurnPolicy = POLICY, language: str = "en") -> TurnMachine:
    turns = speaking(policy, language)
    turns.speech_started()
    return turns


def test_a_turn_and_its_answer() -> None:
    turns = listening()
    assert turns.speech_started() == [Command.BEGIN_UTTERANCE]
    assert turns.floor is Floor.CALLER
    assert turns.turn_ended("") == [Command.COMMIT_TURN]
    assert turns.floor is Floor.THINKING
    assert turns.reply_audible() == []
    assert turns.floor is Floor.SPEAKING
    assert turns.reply_over() == []
    assert turns.floor is Floor.LISTENING


def test_the_caller_goes_on_before_the_reply_is_audible() -> None:
    turns = thinking()
    assert turns.speech_started() == [Command.CANCEL_REPLY, Command.RESUME_UTTERANCE]
    assert turns.floor is Floor.CALLER
    assert turns.turn_ended("") == [Command.COMMIT_TURN]


@pytest.mark.parametrize("start", [listening, thinking, speaking, overlapped])
def test_the_agent_may_take_the_floor_of_its_own_accord(start: type[TurnMachine]) -> None:
    turns = start()
    assert turns.reply_pending() == []
    assert turns.floor is Floor.THINKING


def test_speech_before_a_greeting_is_audible_only_overlaps_it() -> None:
    turns = listening()
    turns.reply_pending()
    assert turns.speech_started() == [Command.BEGIN_UTTERANCE]  # nothing plays yet that could be paused
    assert turns.floor is Floor.OVERLAP
    assert turns.turn_ended("") == DROPPED
    assert turns.floor is Floor.SPEAKING


def test_a_protected_goodbye_cannot_be_taken_back_by_a_cough() -> None:
    turns = speaking()
    turns.protected = True
    turns.reply_pending()
    assert turns.speech_started() == [Command.BEGIN_UTTERANCE]
    assert turns.speech_continues(voice(5000.0, "wait a moment please")) == []
    assert turns.turn_ended("wait a moment please") == [Command.DROP_UTTERANCE]
    assert turns.verdict == Verdict(False, "protected")
    assert turns.floor is Floor.SPEAKING


# --- overlap --------------------------------------------------------------------------------------


def test_overlap_first_pauses_then_hushes_then_gives_way() -> None:
    turns = speaking()
    assert turns.speech_started() == [Command.PAUSE_PLAYOUT, Command.BEGIN_UTTERANCE]
    assert turns.speech_continues(voice(YIELD_MS)) == [Command.HUSH_PLAYOUT]
    assert turns.speech_continues(voice(LONG_MS - 20)) == []
    assert turns.floor is Floor.OVERLAP
    assert turns.speech_continues(voice(LONG_MS, "stop")) == [Command.CANCEL_REPLY]
    assert turns.verdict == Verdict(True, "words")
    assert turns.floor is Floor.CALLER
    assert turns.turn_ended("") == [Command.COMMIT_TURN]


def test_a_noise_is_talked_over() -> None:
    turns = overlapped()
    assert turns.speech_continues(Evidence(speech_ms=DOUBT_MS)) == [Command.RESUME_PLAYOUT]
    assert turns.floor is Floor.OVERLAP
    assert turns.turn_ended("no not now", Evidence(speech_ms=900.0, reason="aside")) == DROPPED
    assert turns.verdict == Verdict(False, "aside")


def test_a_backchannel_resumes_in_the_silence_after_it() -> None:
    turns = overlapped()
    turns.speech_understood("mhm")
    assert turns.speech_continues(voice(300.0)) == []
    assert turns.speech_continues(Evidence(strong_ms=300.0, silence_ms=RESUME_AFTER_MS)) == DROPPED
    assert turns.floor is Floor.SPEAKING
    assert turns.verdict == Verdict(False, "backchannel")


@pytest.mark.parametrize("goes_on", [TurnMachine.speech_resumed, TurnMachine.speech_started])
def test_who_goes_on_after_a_backchannel_is_not_talked_over(goes_on: Callable[[TurnMachine], object]) -> None:
    turns = overlapped()
    turns.speech_understood("okay")
    goes_on(turns)
    assert turns.speech_continues(Evidence(strong_ms=80.0, silence_ms=RESUME_AFTER_MS)) == []
    assert turns.floor is Floor.OVERLAP


def test_a_short_answer_into_the_end_of_a_question_is_kept() -> None:
    turns = speaking()
    turns.expect = Expect.YES_NO
    turns.speech_started(Asked(question=True, rest_ms=900.0))
    assert turns.turn_ended("okay", voice(240.0)) == [Command.CANCEL_REPLY, Command.COMMIT_TURN]
    assert turns.verdict == Verdict(True, "short answer")
    assert turns.floor is Floor.THINKING


def test_the_reply_ends_under_the_callers_words() -> None:
    turns = overlapped()
    assert turns.reply_over() == []
    assert turns.floor is Floor.CALLER
    assert turns.turn_ended("okay", voice(240.0)) == [Command.COMMIT_TURN]  # nothing is left to be a backchannel to


def test_an_echo_of_the_agents_last_words_is_no_turn() -> None:
    turns = overlapped()
    turns.reply_over()
    assert turns.turn_ended("", Evidence(after_ms=TAIL_MS - 20, reason="echo")) == [Command.DROP_UTTERANCE]
    assert turns.verdict == Verdict(False, "echo")
    assert turns.floor is Floor.LISTENING


def test_who_is_still_heard_long_after_the_agent_speaks_to_it() -> None:
    turns = overlapped()
    turns.reply_over()
    assert turns.turn_ended("", Evidence(after_ms=TAIL_MS)) == [Command.COMMIT_TURN]


def test_barge_in_switched_off() -> None:
    turns = speaking(TurnPolicy(barge_in=False))
    assert turns.speech_started() == [Command.BEGIN_UTTERANCE]
    assert turns.speech_continues(voice(10_000.0, "I really want to say something")) == []
    assert turns.turn_ended("I really want to say something") == [Command.DROP_UTTERANCE]
    assert turns.floor is Floor.SPEAKING


# --- keys, nothing said, the end ------------------------------------------------------------------


@pytest.mark.parametrize("start", [speaking, overlapped])
def test_a_key_takes_the_floor_at_once(start: type[TurnMachine]) -> None:
    turns = start()
    assert turns.interrupt() == [Command.CANCEL_REPLY]
    assert turns.verdict == Verdict(True, "key")
    assert turns.floor is Floor.LISTENING


@pytest.mark.parametrize("start", [listening, thinking])
def test_a_key_interrupts_nothing_that_is_not_audible(start: type[TurnMachine]) -> None:
    turns = start()
    floor = turns.floor
    assert turns.interrupt() == []
    assert turns.floor is floor


def test_a_key_does_not_interrupt_a_protected_reply() -> None:
    turns = speaking()
    turns.protected = True
    assert turns.interrupt() == []
    assert turns.floor is Floor.SPEAKING


def test_a_cough_is_no_turn() -> None:
    turns = thinking()
    assert turns.nothing_said() == []
    assert turns.floor is Floor.LISTENING


@pytest.mark.parametrize("start", [listening, thinking, speaking, overlapped])
def test_the_end_is_final(start: type[TurnMachine]) -> None:
    turns = start()
    turns.end()
    for step in (turns.speech_started, turns.reply_pending, turns.reply_audible, turns.reply_over, turns.interrupt):
        assert step() == []
    assert turns.turn_ended("hello") == []
    assert turns.floor is Floor.ENDED


def test_an_illegal_transition_raises_and_changes_nothing() -> None:
    turns = listening()
    with pytest.raises(IllegalTransition, match="LISTENING → OVERLAP"):
        turns._go(Floor.OVERLAP)
    assert turns.floor is Floor.LISTENING
    turns.end()
    with pytest.raises(IllegalTransition, match="ENDED → CALLER"):
        turns._go(Floor.CALLER)
    assert turns.floor is Floor.ENDED


TEXTS = st.sampled_from(["", "mhm", "okay", "yes", "I want it"])
EVIDENCE = st.builds(
    Evidence,
    speech_ms=st.sampled_from([60.0, DOUBT_MS, 900.0]),
    strong_ms=st.sampled_from([0.0, 60.0, YIELD_MS, 400.0, 2000.0]),
    silence_ms=st.sampled_from([0.0, RESUME_AFTER_MS]),
    text=TEXTS,
    after_ms=st.sampled_from([0.0, TAIL_MS]),
)


class AnyCall(RuleBasedStateMachine):
    """Inputs in any order: the driver's bookkeeping, derived from the commands alone, must never contradict itself."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = TurnMachine(POLICY)
        self.utterance = False  # one is being recorded
        self.committed = False  # one waits for an answer, or is being answered
        self.paused = False

    def carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            if command is Command.BEGIN_UTTERANCE:
                assert not self.utterance
                self.utterance = True
            elif command is Command.RESUME_UTTERANCE:
                assert self.committed
                self.utterance, self.committed = True, False
            elif command is Command.DROP_UTTERANCE:
                assert self.utterance
                self.utterance = False
            elif command is Command.COMMIT_TURN:
                assert self.utterance
                self.utterance, self.committed = False, True
            elif command is Command.PAUSE_PLAYOUT:
                assert not self.paused
                self.paused = True
            elif command is Command.HUSH_PLAYOUT:
                self.paused = True
            elif command is Command.RESUME_PLAYOUT or command is Command.CANCEL_REPLY:
                self.paused = False

    @rule()
    def speech_starts(self) -> None:
        self.carry_out(self.turns.speech_started())

    @rule(evidence=EVIDENCE)
    def speech_continues(self, evidence: Evidence) -> None:
        self.carry_out(self.turns.speech_continues(evidence))

    @rule(text=TEXTS)
    def speech_is_understood(self, text: str) -> None:
        self.turns.speech_understood(text)

    @rule()
    def speech_resumes(self) -> None:
        self.turns.speech_resumed()

    @precondition(lambda self: self.utterance)
    @rule(text=TEXTS, evidence=EVIDENCE)
    def turn_ends(self, text: str, evidence: Evidence) -> None:
        self.carry_out(self.turns.turn_ended(text, evidence))

    @rule()
    def reply_is_audible(self) -> None:
        self.turns.reply_audible()

    @precondition(lambda self: self.turns.floor in (Floor.THINKING, Floor.SPEAKING, Floor.OVERLAP))
    @rule()
    def reply_is_over(self) -> None:
        self.turns.reply_over()
        self.committed = self.paused = False

    @precondition(lambda self: self.turns.floor is Floor.LISTENING)
    @rule()
    def agent_speaks_up(self) -> None:
        self.turns.reply_pending()

    @rule()
    def key(self) -> None:
        if commands := self.turns.interrupt():
            self.carry_out(commands)
            self.utterance = False

    @rule(expect=st.sampled_from(Expect), protected=st.booleans())
    def reply_says(self, expect: Expect, protected: bool) -> None:
        if self.turns.floor is Floor.THINKING:
            self.turns.expect, self.turns.protected = expect, protected

    @invariant()
    def an_utterance_is_open_exactly_while_the_caller_has_the_floor_or_wants_it(self) -> None:
        assert self.utterance == (self.turns.floor in (Floor.CALLER, Floor.OVERLAP))

    @invariant()
    def playout_is_paused_only_while_both_speak(self) -> None:
        assert not self.paused or self.turns.floor is Floor.OVERLAP


TestAnyCall = AnyCall.TestCase
TestAnyCall.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
