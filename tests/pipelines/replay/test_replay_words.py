"""Who said which word when, from everything the recogniser answered."""

from __future__ import annotations

from pipelines import trace
from pipelines.replay.stored import Utterance
from pipelines.replay.words import between, timeline


def flushed(heard_ms: float, text: str, **more: object) -> trace.Flushed:
    return trace.Flushed(heard_ms=heard_ms, took_ms=50.0, text=text, **more)  # type: ignore[arg-type]


def test_words_timed_by_the_recogniser_lie_where_it_says() -> None:
    words = (("one", 300.0, 500.0), ("two", 900.0, 1100.0))
    said = timeline([Utterance(5000.0, [], [flushed(6200.0, "one two", words=words)])])
    assert [(word.text, word.at_ms) for word in said] == [("one", 5100.0), ("two", 5700.0)]


def test_an_answer_at_a_pause_says_what_was_said_before_it() -> None:
    early, late = flushed(6000.0, "I would like"), flushed(9000.0, "I would like to book")
    said = timeline([Utterance(5000.0, [], [early, late])])
    assert between(said, 4700.0, 5890.0) == "I would like"
    assert between(said, 5880.0, 9000.0) == "to book"
    assert between(said, 4700.0, 9000.0) == "I would like to book"


def test_answers_that_failed_or_were_given_up_say_nothing() -> None:
    broken = [flushed(6000.0, "", error="out of order"), flushed(6500.0, "", cut=True)]
    assert timeline([Utterance(5000.0, [], list(broken))]) == []
    partial = trace.PartialRead(heard_ms=6400.0, text="hello there")
    said = timeline([Utterance(5000.0, [partial], list(broken))])
    assert between(said, 4700.0, 6400.0) == "hello there"


def test_every_word_belongs_to_one_side_of_any_cut() -> None:
    first, second = Utterance(1000.0, [], [flushed(3000.0, "a b c d")]), Utterance(4000.0, [], [flushed(5000.0, "e f")])
    said = timeline([first, second])
    for cut in range(0, 6000, 130):
        assert f"{between(said, 0, cut)} {between(said, cut, 6000)}".split() == ["a", "b", "c", "d", "e", "f"]
