"""How somebody feels about what he says."""

from __future__ import annotations

import pytest

from voicecore.domain.analyses import label
from voicecore.domain.calls import Sentiment
from voicecore.services.analysis.mood import text_score
from voicecore.services.analysis.words import Search, languages, spoken

GOOD, NEITHER, BAD = Sentiment.POSITIVE, Sentiment.NEUTRAL, Sentiment.NEGATIVE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("That is great, thank you so much!", GOOD),
        ("No problem at all.", GOOD),
        ("This is not bad.", GOOD),
        ("I would like to make an appointment, please.", NEITHER),
        ("Thank you, goodbye.", NEITHER),
        ("What time do you open on Monday?", NEITHER),
        ("", NEITHER),
        ("I am not happy with this.", BAD),
        ("I've been waiting for an hour and nobody answers, this is ridiculous.", BAD),
        ("The delivery is broken again and I want a refund.", BAD),
        ("Super, vielen Dank, das ist wirklich nett!", GOOD),
        ("Kein Problem, das passt.", GOOD),
        ("Ich hätte gern einen Termin am Montag.", NEITHER),
        ("Vielen Dank, auf Wiederhören.", NEITHER),
        ("Das ist nicht gut, ich bin sehr enttäuscht.", BAD),
        ("Ich möchte mich beschweren, das ist eine Frechheit!", BAD),
    ],
)
def test_the_word_for_a_mood(text: str, expected: Sentiment) -> None:
    score = text_score(text)
    assert -1 <= score <= 1
    assert label(score) is expected


def test_an_intensifier_strengthens_and_a_negator_turns_round() -> None:
    assert text_score("That is very good.") > text_score("That is good.") > 0
    assert text_score("That is not good.") < 0


def test_how_he_left_counts_more() -> None:
    angry, glad = "This is terrible.", "This is great, wonderful."
    assert text_score(f"{angry} What now? {glad}") > text_score(f"{glad} What now? {angry}")


def test_a_text_shows_its_language_or_takes_the_agents() -> None:
    assert spoken(["Ich hätte gern einen Termin."], "en").code == "de"
    assert spoken(["I would like to come in."], "de").code == "en"
    assert spoken(["Hm."], "de-AT").code == "de"
    assert spoken(["Hm."], "fr").code == "en"


def test_a_star_stands_for_any_letters_of_a_word() -> None:
    search = Search(["schedul*", "*termin", "call me back"])
    assert search.found("can you reschedule it") is False
    assert search.found("scheduling a visit")
    assert search.found("ein zahnarzttermin bitte")
    assert search.count("call me back or call me back now") == 2
    assert not search.found("call me backwards")


def test_every_language_has_the_same_topics_purposes_and_phrases() -> None:
    known = languages()
    for part in ("purposes", "phrases"):
        assert len({frozenset(getattr(language.lists, part)) for language in known.values()}) == 1, part
    assert len({tuple(concept.topic for concept, _ in language.concepts) for language in known.values()}) == 1
