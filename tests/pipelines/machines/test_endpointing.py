"""Boundaries of speech from frames of yes and no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import TurnPolicy
from pipelines.machines.boundaries import Boundary, SpeechPaused, SpeechResumed, SpeechStarted, TurnEnded
from pipelines.machines.endpointing import BRIDGE_MS, PAUSE_MS, UNHURRIED_MS, Endpointer, Speech
from pipelines.machines.patience import Patience
from pipelines.stages import Expect

FRAME = 20.0
SENTENCE = "what time do you open"


class Listener:
    """An endpointer and the call time of the frames fed to it."""

    def __init__(self, policy: TurnPolicy | None = None) -> None:
        self.endpointer = Endpointer(policy or TurnPolicy())
        self.now_ms = 0.0
        self.boundaries: list[Boundary] = []

    def hear(self, speech: bool, ms: float) -> list[Boundary]:
        """The boundaries that so much speech or silence completes."""
        before = len(self.boundaries)
        for _ in range(round(ms / FRAME)):
            if boundary := self.endpointer.feed(self.now_ms, self.now_ms + FRAME, speech):
                self.boundaries.append(boundary)
            self.now_ms += FRAME
        return self.boundaries[before:]

    def speech(self, ms: float) -> list[Boundary]:
        return self.hear(True, ms)

    def silence(self, ms: float) -> list[Boundary]:
        return self.hear(False, ms)


def test_a_turn_from_first_sample_to_decision() -> None:
    caller = Listener()
    assert caller.silence(400) == []
    assert caller.speech(1200) == [SpeechStarted(400.0)]
    assert caller.endpointer.speech_ms == 1200.0
    paused, ended = caller.silence(1000)
    assert paused == SpeechPaused(1600.0)
    wait_ms = Patience(TurnPolicy()).wait_ms()  # nothing is known of the words
    assert isinstance(ended, TurnEnded)
    assert ended.speech_end_ms == 1600.0
    assert wait_ms <= ended.decided_ms - 1600.0 < wait_ms + FRAME
    assert caller.endpointer.speech_ms == 0.0


@pytest.mark.parametrize("click_ms", [20, 40])
def test_clicks_start_nothing(click_ms: float) -> None:
    caller = Listener()
    for _ in range(20):
        assert caller.speech(click_ms) == []
        assert caller.silence(BRIDGE_MS + FRAME) == []
    assert caller.endpointer.state is Speech.SILENT


def test_a_word_with_a_stop_in_its_beginning_starts_where_it_began() -> None:
    caller = Listener()
    caller.silence(100)
    assert caller.speech(40) == []
    assert caller.silence(60) == []
    assert caller.speech(20) == [SpeechStarted(100.0)]


def test_a_pause_inside_the_turn_is_no_end() -> None:
    caller = Listener()
    caller.speech(500)
    assert caller.silence(400) == [SpeechPaused(500.0)]
    (resumed,) = caller.speech(300)
    assert isinstance(resumed, SpeechResumed)
    assert 900.0 <= resumed.at_ms <= 960.0
    assert caller.silence(200) == [SpeechPaused(1200.0)]


def test_a_click_inside_the_pause_neither_resumes_nor_restarts_the_wait() -> None:
    caller = Listener()
    caller.speech(500)
    caller.silence(300)
    assert caller.speech(20) == []
    (ended,) = caller.silence(1000)
    assert isinstance(ended, TurnEnded)
    assert ended.speech_end_ms == 500.0
    assert ended.decided_ms - 500.0 < Patience(TurnPolicy()).wait_ms() + FRAME


def test_a_hint_during_the_silence_shortens_the_wait_that_runs() -> None:
    caller = Listener()
    caller.endpointer.patience.expect(Expect.DATE)
    caller.speech(500)
    caller.silence(480)
    caller.endpointer.heard("Maybe on Tuesday or Wednesday.")  # less would have done
    (ended,) = caller.silence(20)
    assert isinstance(ended, TurnEnded)
    assert ended.decided_ms == 1000.0


def test_a_hint_during_the_silence_lengthens_the_wait_that_runs() -> None:
    caller = Listener()
    caller.speech(500)
    caller.silence(600)
    caller.endpointer.heard("I would like to book um")
    assert caller.silence(1200) == []
    (ended,) = caller.silence(400)
    assert isinstance(ended, TurnEnded)
    assert ended.decided_ms - 500.0 == TurnPolicy().max_wait_ms  # counted from the last sample of speech


def test_an_expected_yes_ends_the_turn_at_once() -> None:
    caller = Listener()
    caller.endpointer.patience.expect(Expect.YES_NO)
    caller.speech(300)
    caller.silence(180)
    caller.endpointer.heard("Yes.")
    (ended,) = caller.silence(500)
    assert isinstance(ended, TurnEnded)
    assert ended.decided_ms - 300.0 <= 600.0


def test_waits_adapt_to_a_caller_who_pauses_long() -> None:
    caller = Listener()
    for _ in range(3):
        caller.speech(400)
        assert not any(isinstance(b, TurnEnded) for b in caller.silence(600))
    assert waited(caller, SENTENCE) > 600.0


def waited(caller: Listener, text: str) -> float:
    """The silence after which a turn with these words was taken for over."""
    caller.speech(1000)
    caller.silence(200)
    caller.endpointer.heard(text)
    ended = caller.silence(2400)[-1]
    assert isinstance(ended, TurnEnded)
    return ended.decided_ms - ended.speech_end_ms


def test_a_turn_taken_back_counts_as_a_pause() -> None:
    caller = Listener()
    waited(caller, SENTENCE)  # the call's first turn is another matter
    before = waited(caller, SENTENCE)
    caller.speech(500)
    caller.endpointer.went_on()
    caller.silence(2400)
    assert waited(caller, SENTENCE) > 1.5 * before


def test_speech_into_the_beginning_of_the_answer_counts_as_a_cut_off() -> None:
    caller = Listener()
    waited(caller, SENTENCE)  # the call's first turn is another matter
    before = ended_at_once(caller)
    caller.speech(500)
    caller.silence(2400)
    assert waited(caller, SENTENCE) > 1.1 * before


@pytest.mark.parametrize(("after_ms", "speech_ms"), [(1400, 500), (200, 240)])
def test_a_later_word_or_a_backchannel_does_not(after_ms: float, speech_ms: float) -> None:
    caller = Listener()
    before = ended_at_once(caller)
    caller.silence(after_ms)
    caller.speech(speech_ms)
    caller.silence(2400)
    assert waited(caller, SENTENCE) <= before


def test_a_false_alarm_is_no_cut_off() -> None:
    caller = Listener()
    before = ended_at_once(caller)
    caller.speech(500)
    caller.endpointer.reset()
    caller.silence(2400)
    assert waited(caller, SENTENCE) <= before


def ended_at_once(caller: Listener) -> float:
    """A turn ends; nothing follows yet."""
    caller.speech(1000)
    caller.silence(200)
    caller.endpointer.heard(SENTENCE)
    start_ms = caller.now_ms - 200.0
    while not caller.silence(FRAME):
        pass
    return caller.now_ms - start_ms


def paused_with(caller: Listener, text: str) -> None:
    caller.silence(160)
    caller.endpointer.heard(text)


@pytest.mark.parametrize(
    ("noise_ms", "then", "restarts"), [(120, "", False), (120, " tomorrow", True), (600, "", True)]
)
def test_a_short_sound_without_a_word_does_not_restart_the_wait(noise_ms: float, then: str, restarts: bool) -> None:
    plain, disturbed = Listener(), Listener()
    for caller in (plain, disturbed):
        caller.speech(1000)
        paused_with(caller, SENTENCE)
    quiet = plain.silence(2400)[-1]
    assert isinstance(quiet, TurnEnded)
    disturbed.silence(60)
    disturbed.speech(noise_ms)
    paused_with(disturbed, SENTENCE + then)
    ended = disturbed.silence(2400)[-1]
    assert isinstance(ended, TurnEnded)
    assert (ended.decided_ms > quiet.decided_ms + 60) is restarts


def test_after_a_sound_it_has_to_be_silent_again() -> None:
    caller = Listener()
    caller.speech(1000)
    paused_with(caller, SENTENCE)
    waits = caller.endpointer.patience.wait_ms()
    caller.silence(waits - 200)
    caller.speech(120)
    sound_ended_ms = caller.now_ms
    paused_with(caller, SENTENCE)
    ended = caller.silence(2400)[-1]
    assert isinstance(ended, TurnEnded)
    assert 250.0 <= ended.decided_ms - sound_ended_ms <= 250.0 + 2 * FRAME


def test_lost_frames_count_as_silence_that_passed() -> None:
    caller = Listener()
    caller.speech(500)
    caller.silence(160)
    caller.now_ms += 700.0
    (ended,) = caller.silence(20)
    assert isinstance(ended, TurnEnded)
    assert ended.speech_end_ms == 500.0


def test_a_reset_leaves_silence() -> None:
    caller = Listener()
    caller.speech(500)
    caller.silence(200)
    caller.endpointer.reset()
    assert caller.silence(3000) == []
    assert caller.speech(60) == [SpeechStarted(caller.now_ms - 60)]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 90)), max_size=40))
def test_boundaries_always_come_in_their_order(spans: list[tuple[bool, int]]) -> None:
    """started → (paused → resumed)* → paused → ended, for any pattern of speech and silence."""
    policy = TurnPolicy()
    caller = Listener(policy)
    for speech, frames in spans:
        caller.hear(speech, frames * FRAME)
    caller.silence(policy.max_wait_ms + 200)
    follows: dict[type | None, tuple[type, ...]] = {
        None: (SpeechStarted,),
        SpeechStarted: (SpeechPaused,),
        SpeechPaused: (SpeechResumed, TurnEnded),
        SpeechResumed: (SpeechPaused,),
        TurnEnded: (SpeechStarted,),
    }
    last: type | None = None
    paused_ms = started_ms = -1.0
    for boundary in caller.boundaries:
        assert isinstance(boundary, follows[last])
        last = type(boundary)
        if isinstance(boundary, SpeechStarted):
            assert boundary.at_ms > paused_ms
            started_ms = boundary.at_ms
        elif isinstance(boundary, SpeechPaused):
            assert boundary.speech_end_ms >= started_ms + policy.speech_start_ms
            paused_ms = boundary.speech_end_ms
        elif isinstance(boundary, TurnEnded):
            assert boundary.speech_end_ms == paused_ms
            waited_ms = boundary.decided_ms - paused_ms
            assert max(PAUSE_MS, policy.min_wait_ms) <= waited_ms <= policy.max_wait_ms + FRAME
    assert last in (None, TurnEnded)  # nothing stays open for ever
    assert caller.endpointer.state is Speech.SILENT


# --- hurry ----------------------------------------------------------------------------------------


def test_hurried_says_when_a_frame_may_complete_a_boundary() -> None:
    caller = Listener()
    assert not caller.endpointer.hurried
    caller.speech(20)
    assert caller.endpointer.hurried  # starting
    caller.speech(40)
    assert not caller.endpointer.hurried  # speaking
    caller.silence(20)
    assert caller.endpointer.hurried  # perhaps pausing
    caller.speech(20)
    assert not caller.endpointer.hurried
    caller.silence(PAUSE_MS)
    assert caller.endpointer.hurried  # paused
    caller.silence(TurnPolicy().max_wait_ms)
    assert not caller.endpointer.hurried


def test_a_start_on_a_single_frame_is_always_hurried() -> None:
    caller = Listener(TurnPolicy(speech_start_ms=20))
    assert caller.endpointer.hurried
    caller.speech(400)
    caller.silence(TurnPolicy().max_wait_ms)
    assert caller.endpointer.hurried
    caller.endpointer.reset()
    assert caller.endpointer.hurried


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=30), st.sampled_from([20, 60, 100]))
def test_frames_gathered_without_hurry_move_no_boundary(spans: list[tuple[bool, int]], start_ms: int) -> None:
    """What gathering frames would do: a boundary never falls due before the last frame that is gathered."""
    frames = [speech for speech, count in spans for _ in range(count)]
    endpointer = Endpointer(TurnPolicy(speech_start_ms=start_ms))
    gathered: list[tuple[float, bool]] = []
    for index, speech in enumerate(frames):
        gathered.append((index * FRAME, speech))
        if not endpointer.hurried and len(gathered) * FRAME < UNHURRIED_MS:
            continue
        answers = [endpointer.feed(at, at + FRAME, voiced) for at, voiced in gathered]
        assert not any(answers[:-1])
        gathered.clear()
