"""How long a silence lasts before the turn counts as over, by what was said and asked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import TurnPolicy
from pipelines.machines.patience import Patience
from pipelines.stages import Expect

BASE = TurnPolicy().base_wait_ms
SENTENCE = "what time do you open"
STATEMENT = "i'd like to come in on friday"


def wait_after(
    text: str, *, expect: Expect = Expect.ANYTHING, length: int = 0, policy: TurnPolicy | None = None
) -> float:
    patience = Patience(policy or TurnPolicy())
    patience.expect(expect, length)
    patience.heard(text)
    return patience.wait_ms()


def test_the_less_finished_it_sounds_the_longer_the_wait() -> None:
    texts = [
        "no thank you goodbye",
        "i need a haircut and a colour",
        "i need a haircut",
        "i'd like",
        "i want to book a table for",
    ]
    for shorter, longer in pairwise(map(wait_after, texts)):
        assert shorter < longer
    assert wait_after("um") == TurnPolicy().max_wait_ms


def test_waits_follow_the_agents_base() -> None:
    hasty = TurnPolicy(base_wait_ms=BASE // 2, min_wait_ms=50)
    assert wait_after("i need a haircut", policy=hasty) == pytest.approx(wait_after("i need a haircut") / 2)
    assert wait_after("my number is", policy=hasty) > 1.5 * BASE


def test_an_expected_yes_and_a_whole_number_end_the_turn_soon() -> None:
    assert wait_after("yes", expect=Expect.YES_NO) < wait_after("yes")
    assert wait_after("yes", expect=Expect.YES_NO) < 1.1 * BASE
    assert wait_after("one two three four", expect=Expect.NUMBER, length=4) < BASE
    assert wait_after("one two three four", expect=Expect.NUMBER, length=6) > 3 * BASE


def test_the_concern_of_a_call_takes_more_words_than_an_answer() -> None:
    patience = Patience(TurnPolicy())
    patience.heard("the small one")
    opening = patience.wait_ms()
    patience.turn_ended()
    patience.heard("the small one")
    assert patience.wait_ms() < 0.75 * opening


def test_unknown_words_are_waited_for() -> None:
    assert wait_after("") > 1.4 * BASE


def test_a_hypothesis_from_before_the_pause_never_shortens_the_wait() -> None:
    patience = Patience(TurnPolicy())
    unknown = patience.wait_ms()
    patience.guessed("thank you")  # perhaps "thank you but"
    assert patience.wait_ms() == unknown
    patience.guessed("my number is")
    assert patience.wait_ms() > unknown
    patience.heard("my number is unlisted so please write to me instead")
    assert patience.wait_ms() < unknown


def test_a_new_turn_forgets_the_words_but_not_the_caller() -> None:
    patience = Patience(TurnPolicy())
    for _ in range(3):
        patience.heard(SENTENCE)
        patience.paused_inside_turn(1200.0)
    adapted = patience.wait_ms()
    patience.heard("my number is")
    patience.new_turn()
    assert patience.wait_ms() == adapted > Patience(TurnPolicy()).wait_ms()


# --- the caller's own pauses ----------------------------------------------------------------------


def adapted(*pauses_ms: float, at: str) -> Patience:
    patience = Patience(TurnPolicy())
    for pause_ms in pauses_ms:
        patience.heard(at)
        patience.paused_inside_turn(pause_ms)
    patience.heard(SENTENCE)
    return patience


def test_two_turns_are_enough_to_learn_that_a_caller_goes_on_after_whole_sentences() -> None:
    assert adapted(900.0, 900.0, at=SENTENCE).wait_ms() > 1.5 * wait_after(SENTENCE)
    assert adapted(900.0, 900.0, 900.0, at=SENTENCE).wait_ms() > 900.0


def test_pauses_in_mid_sentence_say_little_about_whole_ones() -> None:
    wait_ms = adapted(1500.0, 1500.0, 1500.0, at="i would like the").wait_ms()
    assert wait_ms == pytest.approx(wait_after(SENTENCE), rel=0.1)


def test_a_noise_in_the_pause_is_no_pause_of_the_callers() -> None:
    patience = Patience(TurnPolicy())
    patience.heard(SENTENCE)
    patience.paused_inside_turn(900.0)
    patience.paused_on()
    patience.heard(SENTENCE)
    assert patience.wait_ms() == wait_after(SENTENCE)


def test_short_silences_are_closures_of_consonants() -> None:
    assert adapted(120.0, 160.0, 140.0, at=SENTENCE).wait_ms() == wait_after(SENTENCE)


def test_a_false_cut_off_is_a_pause_that_was_longer_than_the_wait() -> None:
    waits = []
    for learn in (lambda p: None, lambda p: p.cut_off_after(500.0), lambda p: p.cut_off(1000.0)):
        patience = Patience(TurnPolicy())
        patience.heard(SENTENCE)
        patience.turn_ended()
        learn(patience)
        patience.heard(SENTENCE)
        waits.append(patience.wait_ms())
    assert waits[0] <= wait_after(SENTENCE)
    assert waits[0] < waits[1]
    assert waits[0] < waits[2]


# --- the detector ---------------------------------------------------------------------------------


def test_a_rising_question_is_hardly_waited_for() -> None:
    patience = Patience(TurnPolicy())
    patience.heard(SENTENCE)
    patience.detected(0.0)
    assert wait_after(SENTENCE) < patience.wait_ms() < 1.5 * wait_after(SENTENCE)


def test_a_detector_moves_the_wait_by_degrees() -> None:
    patience = Patience(TurnPolicy())
    patience.heard(STATEMENT)
    undecided = patience.wait_ms()
    waits = []
    for probability in (1.0, 0.7, 0.5, 0.2, 0.0):
        patience.detected(probability)
        waits.append(patience.wait_ms())
    assert waits == sorted(waits)
    assert waits[2] == pytest.approx(undecided)
    assert waits[-1] > 1.5 * undecided
    patience.paused_inside_turn(400.0)  # the next pause has not been asked about
    patience.heard(STATEMENT)
    assert patience.wait_ms() < waits[-1]


@given(
    texts=st.lists(st.text(alphabet="aun d.,?x", max_size=30), max_size=6),
    pauses=st.lists(st.floats(0, 20_000), max_size=12),
    probability=st.floats(0, 1),
    expect=st.sampled_from(Expect),
)
def test_the_wait_never_leaves_its_bounds(
    texts: list[str], pauses: list[float], probability: float, expect: Expect
) -> None:
    policy = TurnPolicy(min_wait_ms=300, max_wait_ms=1500)
    patience = Patience(policy)
    patience.expect(expect)
    patience.detected(probability)
    for text in texts:
        patience.heard(text)
        assert policy.min_wait_ms <= patience.wait_ms() <= policy.max_wait_ms
    for pause_ms in pauses:
        patience.paused_inside_turn(pause_ms)
        assert policy.min_wait_ms <= patience.wait_ms() <= policy.max_wait_ms
