"""Texts that nobody said are not believed; those that somebody said are."""

from __future__ import annotations

import pytest

from pipelines.whisper.guards import Doubt, doubt

SURE = {"avg_logprob": -0.2, "no_speech": 0.01}
UNSURE = {"avg_logprob": -0.4, "no_speech": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        "I would like to book a table for four on Friday.",
        "Yes.",
        "Ja, gerne. Für übermorgen um halb drei, bitte.",
        "Thank you.",
        "no no no no no",
        "one two three four five six seven eight nine zero",
        "My number is 555 555 5555.",
        "I watched a film. Thank you for watching my dog.",
        "",
    ],
)
def test_what_callers_say_is_believed(text: str) -> None:
    assert doubt(text, **SURE) is None


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for watching!",
        "Thanks for watching! Thanks for watching!",
        "Untertitel der Amara.org-Community",
        "Untertitelung des ZDF, 2020",
        "Vielen Dank fürs Zuschauen.",
        "ご視聴ありがとうございました。",
    ],
)
def test_credits_of_subtitles_are_never_believed(text: str) -> None:
    assert doubt(text, **SURE) is Doubt.PHANTOM


@pytest.mark.parametrize("text", ["Thank you.", "you", "Bye. Bye.", "Vielen Dank."])
def test_courtesies_are_believed_only_where_there_was_speech(text: str) -> None:
    assert doubt(text, **SURE) is None
    assert doubt(text, **UNSURE) is Doubt.PHANTOM


@pytest.mark.parametrize("text", ["Yes.", "Ja.", "Nein, danke.", "okay"])
def test_an_answer_is_believed_even_when_it_was_hard_to_hear(text: str) -> None:
    assert doubt(text, **UNSURE) is None


def test_a_text_that_the_network_itself_doubts() -> None:
    assert doubt("On Friday.", avg_logprob=-1.3, no_speech=0.7) is Doubt.NO_SPEECH
    assert doubt("On Friday.", avg_logprob=-0.3, no_speech=0.7) is None
    assert doubt("On Friday.", avg_logprob=-1.3, no_speech=0.2) is None


@pytest.mark.parametrize(
    "text",
    [
        "I would like to go. " * 6,
        "So, " + "and then we go to the " * 4,
        "la" * 200,
    ],
)
def test_loops_are_not_believed(text: str) -> None:
    assert doubt(text.strip(), **SURE) is Doubt.LOOP
