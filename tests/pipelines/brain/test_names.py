from __future__ import annotations

import pytest

from pipelines.brain.lexicon import lexicon
from pipelines.brain.names import as_written, find_name
from pipelines.brain.numbers import phone_number, say_digits
from pipelines.brain.tokens import tokens


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my name is sarah johnson", "Sarah Johnson"),
        ("it's tom", "Tom"),
        ("johnson", "Johnson"),
        ("this is mister peter o connor", "Peter O'Connor"),
        ("the name is mary ann smith please", "Mary Ann Smith"),
        ("yes sure it's will smith", "Will Smith"),
        ("s m i t h", "Smith"),
        ("no no my name is sarah not sandra my name is sarah jones", "Sarah Jones"),
        ("yes please", ""),
        ("at four thirty", ""),
    ],
)
def test_asked_for_a_name(text: str, name: str) -> None:
    assert find_name(tokens(text), lexicon("en"), asked=True) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("i'd like a checkup my name is sarah johnson", "Sarah Johnson"),
        ("hi this is tom baker and i need a cleaning", "Tom Baker"),
        ("i am looking for an appointment", ""),
        ("it's for tomorrow", ""),
        ("i'm calling about my bill", ""),
        ("book it for friday", ""),
    ],
)
def test_unasked_only_clear_introductions_count(text: str, name: str) -> None:
    assert find_name(tokens(text), lexicon("en"), asked=False) == name


def test_german_names_keep_their_letters() -> None:
    text = "Mein Name ist Jürgen Groß."
    assert as_written(find_name(tokens(text), lexicon("de"), asked=False), text) == "Jürgen Groß"


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("oh two oh seven nine four six", "0207946"),
        ("five five five oh one double two", "5550122"),
        ("0207 946 0123", "02079460123"),
        ("plus four four twenty seven nine", "+442079"[:7]),
        ("my number is for ate won five five five", "481555"),
        ("tomorrow at three", ""),
    ],
)
def test_telephone_numbers(text: str, digits: str) -> None:
    assert phone_number(tokens(text)) == digits


def test_a_telephone_number_is_said_in_groups() -> None:
    assert say_digits("02079461") == "zero two zero, seven nine four, six one"
