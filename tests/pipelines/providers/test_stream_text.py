"""Which text belongs to which utterance of a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import StageError
from pipelines.providers._stream_text import MOST_CHARACTERS, Piece, StreamText
from pipelines.stages import Word


def piece(text: str, start_s: float, end_s: float, confidence: float | None = None) -> Piece:
    names = text.split()
    each_ms = (end_s - start_s) * 1000 / max(len(names), 1)
    words = tuple(
        Word(name, start_s * 1000 + at * each_ms, start_s * 1000 + (at + 1) * each_ms) for at, name in enumerate(names)
    )
    return Piece(end_s, text, words, confidence)


def test_finals_are_joined_and_the_guess_follows_them() -> None:
    text = StreamText("any")
    text.settle(piece("I would like", 0, 1, 0.8))
    text.suppose(piece("to bog", 1, 1.5))
    assert text.text == "I would like to bog"
    text.settle(piece("to book.", 1, 2, 0.9))
    assert text.transcript().text == "I would like to book."
    assert text.transcript().confidence == pytest.approx(0.85)


def test_times_of_words_count_from_the_utterance() -> None:
    text = StreamText("any")
    text.begin(10.0)
    text.settle(piece("yes please", 10.5, 11.5))
    assert [(word.text, word.start_ms, word.end_ms) for word in text.transcript().words] == [
        ("yes", 500.0, 1000.0),
        ("please", 1000.0, 1500.0),
    ]


def test_a_late_result_of_the_utterance_before_is_dropped() -> None:
    text = StreamText("any")
    text.begin(2.0)
    text.suppose(piece("too late", 0, 1.9))
    text.settle(piece("too late", 0, 2.0))
    assert text.transcript().text == ""


def test_of_a_result_across_the_border_only_this_sides_words_are_taken() -> None:
    text = StreamText("any")
    text.begin(1.0)
    text.settle(piece("cough cough yes please", 0, 2))
    assert text.transcript().text == "yes please"
    assert [word.start_ms for word in text.transcript().words] == [0.0, 500.0]


def test_a_flood_is_no_text() -> None:
    text = StreamText("any")
    text.settle(Piece(1.0, "x" * MOST_CHARACTERS))
    with pytest.raises(StageError, match="stt/any"):
        text.settle(Piece(2.0, "x"))


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=8), st.randoms())
def test_every_word_is_of_exactly_one_utterance(utterances: list[tuple[int, bool]], random: object) -> None:
    """Whether the results of an utterance come in it or only in the next one, no word moves."""
    text, at_s, late = StreamText("any"), 0.0, list[Piece]()
    for number, (words, in_time) in enumerate(utterances):
        text.begin(at_s)
        for result in late:
            text.settle(result)
        said = " ".join(f"u{number}w{word}" for word in range(words))
        mine = piece(said, at_s, at_s + words)
        at_s += words
        late = [] if in_time else [mine]
        if in_time:
            text.settle(mine)
        assert text.transcript().text == (said if in_time else "")
