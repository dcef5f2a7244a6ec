"""How the writer of a text feels, by word lists: mood, urgency, phrases and what to do."""

from __future__ import annotations

import pytest

from voicecore.domain.calls import Sentiment
from voicecore.services.analysis.texts import MOST_PHRASES, read_text


@pytest.mark.parametrize(
    ("text", "sentiment", "urgency", "action"),
    [
        (
            "I'm very disappointed. This is unacceptable.",
            Sentiment.NEGATIVE,
            "high",
            "Escalate to senior support agent",
        ),
        ("The parcel is late, sorry to say, a bit slow.", Sentiment.NEGATIVE, "medium", "Apologize"),
        ("Thank you so much, this was excellent!", Sentiment.POSITIVE, "low", "Thank the customer"),
        ("My order number is 12.", Sentiment.NEUTRAL, "low", "Answer in the usual order"),
        ("This is an emergency.", Sentiment.NEUTRAL, "high", "Call back at once"),
        ("May I speak to a real person?", Sentiment.NEUTRAL, "medium", "Have a colleague call back"),
        ("Das war leider furchtbar schlecht.", Sentiment.NEGATIVE, "high", "Escalate"),
    ],
)
def test_what_a_text_calls_for(text: str, sentiment: Sentiment, urgency: str, action: str) -> None:
    mood = read_text(text)
    assert (mood.sentiment, mood.urgency) == (sentiment, urgency)
    assert mood.suggested_action.startswith(action)
    assert (mood.score > 0, mood.score < 0) == (sentiment is Sentiment.POSITIVE, sentiment is Sentiment.NEGATIVE)
    assert 0.6 <= mood.confidence <= 1


def test_the_words_with_a_mood_come_first_and_each_phrase_once() -> None:
    mood = read_text(
        "Slow delivery, slow delivery! The black coffee machine was broken, and the coffee was cold and bad."
    )
    assert mood.key_phrases[:3] == ("slow", "broken", "bad")
    assert "black coffee machine" in mood.key_phrases
    assert len(set(mood.key_phrases)) == len(mood.key_phrases) <= MOST_PHRASES


def test_a_negation_turns_round() -> None:
    assert read_text("not good at all").score < 0 < read_text("good").score


@pytest.mark.parametrize("text", ["", "   ", "!!!", "🦷", "12 34"])
def test_nothing_to_judge(text: str) -> None:
    mood = read_text(text)
    assert (mood.sentiment, mood.score, mood.confidence, mood.key_phrases) == (Sentiment.NEUTRAL, 0.0, 0.6, ())
