"""Numbers, spellings and addresses that are being read out."""

from __future__ import annotations

import pytest

from pipelines.machines.dictation import Progress, judge, trailing_digits
from pipelines.machines.words import word_lists
from pipelines.stages import Expect


def progress(text: str, expect: Expect = Expect.ANYTHING, language: str = "en", length: int = 0) -> Progress | None:
    return judge(text.split(), word_lists(language), expect, length)


@pytest.mark.parametrize(
    ("language", "text", "digits"),
    [
        ("en", "my number is zero one seven", "017"),
        ("en", "double five twenty three nought", "55230"),
        ("en", "oh triple four", "0444"),
        ("en", "eight hundred five five five", "800555"),
        ("en", "twenty oh", "200"),
        ("en", "call 555-0199", "5550199"),
        ("en", "at three thirty", "330"),
        ("en", "five apples", ""),
        ("de", "null eins sieben doppel vier", "01744"),
        ("de", "vierunddreißig zwo", "342"),
        ("de", "null dreißig vier", "0304"),
        ("xx", "five five", ""),
    ],
)
def test_spoken_digits_are_counted(language: str, text: str, digits: str) -> None:
    assert trailing_digits(text.split(), word_lists(language)) == digits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("five five five", Progress.PARTIAL),
        ("five five five two one two", Progress.PARTIAL),
        ("five five five two one two nine", Progress.RUNNING),  # a local number, or not
        ("it's six one seven five five five zero one nine nine", Progress.WHOLE),
        ("five five five double", Progress.PARTIAL),
        ("sure", Progress.PARTIAL),
        ("okay yes", Progress.PARTIAL),
        ("i don't have a telephone", None),
    ],
)
def test_a_telephone_number_is_counted(text: str, expected: Progress | None) -> None:
    assert progress(text, Expect.PHONE) is expected


def test_the_length_that_the_agent_knows_decides() -> None:
    assert progress("four four two", Expect.NUMBER, length=6) is Progress.PARTIAL
    assert progress("four four two one nine five", Expect.NUMBER, length=6) is Progress.WHOLE
    assert progress("four four two one nine five", Expect.NUMBER) is Progress.RUNNING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("you can reach me at five five five", Progress.PARTIAL),
        ("my order number is four four", Progress.RUNNING),
        ("my card is one two three four five six seven eight nine oh one two", Progress.RUNNING),
        ("oh four one two three four five six seven eight", Progress.WHOLE),
        ("a table for four", None),
        ("at three thirty", None),
        ("i was born in nineteen seventy two", None),
        ("my date of birth is march third", Progress.PARTIAL),
        ("my date of birth is march third nineteen eighty five", Progress.WHOLE),
    ],
)
def test_other_numbers_are_told_apart_by_what_was_said_before(text: str, expected: Progress | None) -> None:
    assert progress(text) is expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "s m i", Progress.RUNNING),
        ("en", "smith s m i", Progress.RUNNING),
        ("en", "smith s m i t h", Progress.WHOLE),
        ("en", "sierra mike", Progress.RUNNING),
        ("en", "s as in sierra m as in mike", Progress.RUNNING),
        ("en", "vitamin c", None),
        ("de", "müller m ü l l e r", Progress.WHOLE),
        ("de", "anton berta", Progress.RUNNING),
        ("de", "m wie martha", None),
    ],
)
def test_spelling(language: str, text: str, expected: Progress | None) -> None:
    assert progress(text, language=language) is expected


def test_one_letter_is_a_spelling_where_one_was_asked_for() -> None:
    assert progress("m as in mike", Expect.SPELLING) is Progress.RUNNING


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "my email is john", Progress.PARTIAL),
        ("en", "john dot smith at gmail", Progress.PARTIAL),
        ("en", "john dot smith at gmail dot", Progress.PARTIAL),
        ("en", "john dot smith at gmail dot com", Progress.WHOLE),
        ("en", "john at shop dot co", Progress.PERHAPS),
        ("en", "john at shop dot co dot uk", Progress.WHOLE),
        ("en", "it's john@gmail.com", Progress.WHOLE),
        ("en", "please send me an email", None),
        ("de", "meine email ist anna punkt meier at", Progress.PARTIAL),
        ("de", "anna punkt meier at gmx punkt de", Progress.WHOLE),
    ],
)
def test_email_addresses(language: str, text: str, expected: Progress | None) -> None:
    assert progress(text, language=language) is expected


def test_street_addresses() -> None:
    assert progress("i live at twelve") is Progress.PARTIAL
    assert progress("i live at twelve main street") is Progress.PERHAPS
    assert progress("i live at") is None  # the sentence itself is open
    assert progress("hauptstraße zwölf", Expect.ADDRESS, "de") is Progress.PERHAPS
