"""Where a text goes on that broke off, and what of its continuation is new."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.machines.resuming import Continuation, unspoken
from pipelines.stages import Word

TEXT = "Of course, I can help you with that. What day would suit you best?"


def joined(said: str, *pieces: str) -> str:
    """The whole answer of both writers."""
    continuation = Continuation(said)
    return said + "".join([*map(continuation.feed, pieces), continuation.finish()])


@pytest.mark.parametrize(
    ("said", "new", "whole"),
    [
        ("Of course, I can he", "Of course, I can help you.", "Of course, I can help you."),
        ("Of course, I can he", "help you.", "Of course, I can help you."),
        ("Of course, I can he", "lp you.", "Of course, I can he lp you."),
        ("Of course. ", "Of course. What day?", "Of course. What day?"),
        ("Of course.", "OF COURSE! What day?", "Of course. What day?"),
        ("Of course.", "What day?", "Of course. What day?"),
        ("Of course,", " I can help", "Of course, I can help"),
        ("Die Straße und die Gärt", "die Gärten sind offen", "Die Straße und die Gärten sind offen"),
        ("We are open at", "Sorry, we are open at nine.", "We are open at Sorry, we are open at nine."),
        ("a b a b", "a b a b c", "a b a b c"),
        ("It costs 3", "3.50 euro", "It costs 3.50 euro"),
        ("All done.", "All done.", "All done."),
        ("At ten", " o'clock", "At ten o'clock"),
    ],
)
def test_two_writers_make_one_text(said: str, new: str, whole: str) -> None:
    assert joined(said, new) == whole
    assert joined(said, *new) == whole, "letter by letter"


@given(st.integers(1, len(TEXT) - 1), st.integers(0, 12), st.integers(1, 20))
def test_who_begins_anew_at_any_earlier_word_is_cut(cut: int, back: int, size: int) -> None:
    """The second writer goes on from any word that was said, in pieces of any size."""
    said = TEXT[:cut]
    starts = [i for i in range(cut) if TEXT[i].isalnum() and (i == 0 or TEXT[i - 1] == " ")]
    again = TEXT[starts[max(len(starts) - 1 - back, 0)] :]
    pieces = [again[at : at + size] for at in range(0, len(again), size)]
    assert joined(said, *pieces).split() == TEXT.split()


@given(st.text(alphabet="ab .,", max_size=12), st.lists(st.text(alphabet="ab .,", max_size=4), max_size=6))
def test_nothing_new_is_lost(said: str, pieces: list[str]) -> None:
    """What is cut off stands at the end of what was said."""
    new = "".join(c for c in "".join(pieces) if c.isalnum())
    added = "".join(c for c in joined(said, *pieces)[len(said) :] if c.isalnum())
    assert new.endswith(added)
    cut = new[: len(new) - len(added)]
    assert "".join(c for c in said if c.isalnum()).endswith(cut)


def words(*ends_ms: float) -> list[Word]:
    return [Word(str(i), ends_ms[i - 1] if i else 0.0, end) for i, end in enumerate(ends_ms)]


def test_a_voice_goes_on_with_the_first_word_that_was_not_said_to_its_end() -> None:
    text = "Hello there, my friend."
    assert text[unspoken(text, words(300, 600, 900, 1200), 750) :] == "my friend."
    assert text[unspoken(text, words(300, 600, 900, 1200), 600) :] == "my friend."
    assert text[unspoken(text, words(300, 600), 100) :] == text
    assert text[unspoken(text, words(300, 600, 900, 1200), 1200) :] == ""
    assert text[unspoken(text, words(*range(100, 1000, 100)), 5000) :] == "", "more times than words"


def test_without_word_times_it_is_the_usual_pace_and_rather_a_word_twice() -> None:
    text = "Hello there, my friend."
    assert text[unspoken(text, [], 0) :] == text
    assert text[unspoken(text, [], 700) :] == "there, my friend."
    assert text[unspoken(text, [], 60_000) :] == "friend."
    assert unspoken("", [], 100.0) == 0


@given(st.text(max_size=40), st.floats(0, 10_000), st.lists(st.floats(0, 10_000), max_size=12))
def test_it_goes_on_at_the_start_of_a_word_or_not_at_all(text: str, spoken_ms: float, ends_ms: list[float]) -> None:
    at = unspoken(text, words(*sorted(ends_ms)), spoken_ms)
    assert at in (0, len(text)) or (text[at - 1].isspace() and not text[at].isspace())
