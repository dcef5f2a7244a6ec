"""How likely a turn is over, by its words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.machines.completeness import End
from pipelines.machines.odds import ASKED_FOR, log_odds, signs, weights
from pipelines.machines.words import word_lists
from pipelines.stages import Expect

EN = word_lists("en")


def test_every_sign_has_a_weight_and_every_expectation_a_group() -> None:
    assert {end.name.lower() for end in End} | set(ASKED_FOR.values()) <= weights().keys()
    assert ASKED_FOR.keys() == set(Expect)


@pytest.mark.parametrize(
    ("finished", "unfinished", "expect"),
    [
        ("tuesday", "next week", Expect.DATE),
        ("ten thirty", "the earlier", Expect.TIME),
        ("tuesday at three", "tuesday", Expect.DATE_TIME),
        ("it's maria gonzalez", "it's maria", Expect.NAME),
        ("yes", "yes but", Expect.YES_NO),
        ("five five five two three four nine eight seven six", "five five five two three", Expect.PHONE),
        ("twelve main street", "twelve", Expect.ADDRESS),
        ("i need an appointment because my tooth hurts", "i need an appointment", Expect.ANYTHING),
        ("thank you", "i think", Expect.ANYTHING),
    ],
)
def test_more_of_an_answer_is_likelier_the_end(finished: str, unfinished: str, expect: Expect) -> None:
    assert log_odds(finished, EN, expect) > log_odds(unfinished, EN, expect)


def test_nobody_ends_on_a_filler_or_a_preposition_however_much_was_said() -> None:
    for text in (
        "i would like to book a table for two people on friday and um",
        "we are coming for dinner on friday with",
    ):
        assert log_odds(text, EN) < -2.0


def test_a_counted_number_is_over_with_its_last_digit() -> None:
    assert log_odds("one two three four", EN, Expect.NUMBER, 4) > 2.0
    assert log_odds("one two three", EN, Expect.NUMBER, 4) < -2.0


def test_the_first_words_of_a_call_are_seldom_all() -> None:
    assert log_odds("a large pizza", EN, opening=True) < log_odds("a large pizza", EN) - 0.5


_WORDS = sorted(
    EN.open | EN.wanting | EN.closed | EN.hesitation | set(EN.digits) | {"dot", "at", "x", "pizza", "?", ","}
)


@given(
    st.lists(st.sampled_from(_WORDS), max_size=8),
    st.sampled_from(Expect),
    st.sampled_from(["en", "de", "xx"]),
    st.integers(0, 12),
    st.booleans(),
)
def test_every_text_has_odds(words: list[str], expect: Expect, language: str, length: int, opening: bool) -> None:
    text, lists = " ".join(words), word_lists(language)
    assert signs(text, lists, expect, length, opening=opening).keys() <= weights().keys()
    assert math.isfinite(log_odds(text, lists, expect, length, opening=opening))
