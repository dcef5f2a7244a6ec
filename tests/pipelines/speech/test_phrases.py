from __future__ import annotations

import pytest

from pipelines.speech.phrases import cardinal, ordinal, sentences, topics


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "zero"), (7, "seven"), (20, "twenty"), (45, "forty five"), (120, "one hundred twenty"),
     (2024, "two thousand twenty four"),
     (90210, "nine zero two one zero")],
)  # fmt: skip
def test_cardinals(number: int, words: str) -> None:
    assert " ".join(cardinal(number)) == words


@pytest.mark.parametrize(
    ("number", "words"), [(1, "first"), (12, "twelfth"), (20, "twentieth"), (23, "twenty third"), (16, "sixteenth")]
)
def test_ordinals(number: int, words: str) -> None:
    assert " ".join(ordinal(number)) == words


def test_an_article_becomes_spoken_sentences() -> None:
    text = "Dr. Miller & team: open 9:30 am to 5 pm. Cleaning (45 minutes) is $120!\nParking is free"
    assert [" ".join(words) for words in sentences(text)] == [
        "doctor",
        "miller and team",
        "open nine thirty a.m. to five p.m.",
        "cleaning",
        "forty five minutes",
        "is dollars one hundred twenty",
        "parking is free",
    ]


def test_short_phrases_are_topics() -> None:
    assert topics(
        ("Teeth Whitening", "teeth whitening", "We are open. Come in.", "This is far too long to be a topic")
    ) == ["teeth whitening"]
